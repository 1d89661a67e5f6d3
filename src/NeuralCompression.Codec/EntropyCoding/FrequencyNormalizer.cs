using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Turns counts into frequencies with a sum of 2^k, integers only. Source: docs/format.md, section 8.2.</summary>
internal static class FrequencyNormalizer
{
    /// <summary>Keeps every bit of a frequency.</summary>
    internal const int ExactMantissa = 7;

    // Below this, shares are computed in 64 bits, which is several times as fast: times two and a table's size they stay below 2^64.
    private static readonly UInt128 ShortMass = (UInt128)1 << (63 - RansConstants.MaxPrecisionBits);

    /// <summary>Scales counts to frequencies whose mantissas, except that of the most frequent symbol, have <paramref name="mantissaBits"/> bits after the leading one.</summary>
    /// <returns>False when no such table exists; the content of <paramref name="frequencies"/> is then of no use.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static bool TryNormalize(ReadOnlySpan<long> counts, int precisionBits, int mantissaBits, Span<ushort> frequencies)
    {
        int size = 1 << precisionBits;
        int rest = MostFrequent(counts);
        UInt128 mass = 0;
        int present = 0;
        foreach (long count in counts)
        {
            mass += (UInt128)(ulong)count;
            if (count > 0)
                present++;
        }

        frequencies[..counts.Length].Clear();
        if (present < 2 || present > size)
            return false;

        // A symbol whose fair share is below one still gets one; what that takes is taken from all others in proportion.
        UInt128 share = (UInt128)size;
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int symbol = 0; symbol < counts.Length; symbol++)
            {
                if (counts[symbol] > 0 && frequencies[symbol] == 0 && (UInt128)(ulong)counts[symbol] * share < mass && symbol != rest)
                {
                    frequencies[symbol] = 1;
                    share -= 1;
                    mass -= (UInt128)(ulong)counts[symbol];
                    changed = true;
                }
            }
        }

        int sum = 0;
        for (int symbol = 0; symbol < counts.Length; symbol++)
        {
            if (symbol == rest || counts[symbol] == 0)
                continue;
            if (frequencies[symbol] == 0)
            {
                int frequency = (int)(mass < ShortMass
                    ? (((ulong)counts[symbol] * (ulong)share * 2) + (ulong)mass) / ((ulong)mass * 2)
                    : (((UInt128)(ulong)counts[symbol] * share * 2) + mass) / (mass * 2));
                frequencies[symbol] = (ushort)RoundMantissa(Math.Clamp(frequency, 1, size - 1), mantissaBits);
            }

            sum += frequencies[symbol];
        }

        // Rounding up may have taken more than there is: the cheapest units go back. Shortened mantissas cannot give single units.
        while (sum >= size && mantissaBits == ExactMantissa)
        {
            int cheapest = Cheapest(counts, frequencies, rest);
            if (cheapest < 0)
                return false;
            frequencies[cheapest]--;
            sum--;
        }

        if (sum >= size)
            return false;
        frequencies[rest] = (ushort)(size - sum);
        if (mantissaBits == ExactMantissa)
            Refine(counts, frequencies);
        return true;
    }

    /// <summary>The symbol with the largest count, the smallest of several.</summary>
    internal static int MostFrequent(ReadOnlySpan<long> counts)
    {
        int best = 0;
        for (int symbol = 1; symbol < counts.Length; symbol++)
        {
            if (counts[symbol] > counts[best])
                best = symbol;
        }

        return best;
    }

    /// <summary>Rounds to the nearest number of 1 + <paramref name="mantissaBits"/> significant bits, halves upwards.</summary>
    internal static int RoundMantissa(int frequency, int mantissaBits)
    {
        int drop = int.Log2(frequency) - mantissaBits;
        return mantissaBits == ExactMantissa || drop <= 0 ? frequency : ((frequency + (1 << (drop - 1))) >> drop) << drop;
    }

    // Moves single units between the rest symbol and the others while that shortens the text: log2((f + 1) / f) is compared as 2 / (2 f + 1).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Refine(ReadOnlySpan<long> counts, Span<ushort> frequencies)
    {
        for (int step = 0; step < RansConstants.MaxAlphabet; step++)
        {
            int gain = -1;
            for (int symbol = 0; symbol < counts.Length; symbol++)
            {
                if (counts[symbol] == 0)
                    continue;
                if (gain < 0 || IsLess(counts[gain], (2 * frequencies[gain]) + 1, counts[symbol], (2 * frequencies[symbol]) + 1))
                    gain = symbol;
            }

            int loss = Cheapest(counts, frequencies, -1);

            if (gain < 0 || loss < 0 || gain == loss || !IsLess(counts[loss], (2 * frequencies[loss]) - 1, counts[gain], (2 * frequencies[gain]) + 1))
                return;
            frequencies[gain]++;
            frequencies[loss]--;
        }
    }

    // The symbol that loses least with one unit less, other than one, the smallest of several; -1 when all have a single unit.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Cheapest(ReadOnlySpan<long> counts, ReadOnlySpan<ushort> frequencies, int except)
    {
        int loss = -1;
        for (int symbol = 0; symbol < counts.Length; symbol++)
        {
            if (symbol != except && frequencies[symbol] > 1 && (loss < 0 || IsLess(counts[symbol], (2 * frequencies[symbol]) - 1, counts[loss], (2 * frequencies[loss]) - 1)))
                loss = symbol;
        }

        return loss;
    }

    // a / b < c / d for positive numbers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsLess(long a, int b, long c, int d)
    {
        ulong high = Math.BigMul((ulong)a, (ulong)d, out ulong low);
        ulong otherHigh = Math.BigMul((ulong)c, (ulong)b, out ulong otherLow);
        return high < otherHigh || (high == otherHigh && low < otherLow);
    }
}
