namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>The logistic domain in integers. Source: docs/format.md, section 5.6.</summary>
/// <remarks>A log-odds is ln(p / (1 - p)) x 256, clamped to [-3071, 3071]; a probability has 16 fraction bits. All tables come from integer arithmetic, so they are the same on every machine.</remarks>
internal static class Logistic
{
    /// <summary>Largest log-odds: 12 x 256 - 1, a probability of 6e-6.</summary>
    internal const int Limit = 3071;

    private const int OneHalf = Limit + 1;

    /// <summary>e^(-1/256) x 2^63, rounded.</summary>
    private const ulong Decay = 9_187_413_517_043_429_148;

    /// <summary>All tables in one array, so that one register reaches them, in 16 bits, so that a first-level cache holds them; the constants below say where each starts.</summary>
    internal static readonly short[] Tables = [.. ((int[])[.. BuildStretch(), .. BuildSquash(), .. BuildCounterRates(), .. BuildLearningRates()]).Select(value => unchecked((short)value))];

    /// <summary>Log-odds by the upper 12 bits of a probability.</summary>
    internal const int Stretch = 0;

    /// <summary>Probability by log-odds + 3072, without a sign.</summary>
    internal const int Squash = Stretch + 4096;

    /// <summary>2^13 / (n + 1.4) by the count n of a counter.</summary>
    internal const int CounterRates = Squash + (2 * OneHalf);

    /// <summary>How far weights move, by the number of decisions a set of them has seen.</summary>
    internal const int LearningRates = CounterRates + 1024;

    internal const int MaxVisits = 4095;

    internal static int Probability(int logOdds) => (ushort)Tables[Squash + OneHalf + logOdds];

    private static int[] BuildSquash()
    {
        var table = new int[2 * OneHalf];
        UInt128 power = (UInt128)1 << 63;                                     // e^(-x/256) x 2^63
        for (int x = 0; x < OneHalf; x++)
        {
            // p = 1 / (1 + e^-x), rounded; 1 - p by symmetry.
            UInt128 below = ((UInt128)1 << 63) + power;
            int p = (int)((((UInt128)1 << (63 + 17)) / below + 1) >> 1);
            p = Math.Min(p, ushort.MaxValue);
            table[OneHalf + x] = p;
            table[OneHalf - x] = 65_536 - p;
            power = (power * Decay) >> 63;
        }

        table[0] = table[1];
        return table;
    }

    // The inverse of squash: the log-odds whose probability is nearest from below.
    private static int[] BuildStretch()
    {
        var table = new int[4096];
        UInt128 power = (UInt128)1 << 63;
        int x = 0;
        for (int i = 0; i < 2048; i++)
        {
                // The middle of the bucket: p = (2048.5 + i) / 4096, so (1 - p) / p = (4095 - 2i) / (4097 + 2i).
            UInt128 inverseOdds = (((UInt128)(uint)(4095 - (2 * i))) << 63) / (uint)(4097 + (2 * i));
            while (x < Limit && ((power * Decay) >> 63) >= inverseOdds)
            {
                power = (power * Decay) >> 63;
                x++;
            }

            table[2048 + i] = x;
            table[2047 - i] = -x;
        }

        return table;
    }

    private static int[] BuildCounterRates()
    {
        var table = new int[1024];
        for (int n = 0; n < table.Length; n++)
            table[n] = 8192 * 5 / ((5 * n) + 7);
        return table;
    }

    private static int[] BuildLearningRates()
    {
        var table = new int[MaxVisits + 1];
        for (int n = 0; n < table.Length; n++)
            table[n] = 8 + (52 * 64 / (64 + n));
        return table;
    }
}
