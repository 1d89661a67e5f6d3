using System.Numerics;
using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>The bits of a frequency table in the file. Source: docs/format.md, section 8.1.</summary>
internal static class FrequencyTableCode
{
    /// <summary>Writes all frequencies but that of <paramref name="rest"/>, which is what the others leave. Precision and mantissa are written by the caller.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Write(BitWriter writer, ReadOnlySpan<ushort> frequencies, int rest, int precisionBits, int mantissaBits)
    {
        writer.Write((uint)rest, IndexBits(frequencies.Length));
        int previous = FirstClass(precisionBits);
        for (int symbol = 0; symbol < frequencies.Length; symbol++)
        {
            if (symbol == rest)
                continue;
            int frequency = frequencies[symbol];
            if (frequency == 0)
            {
                int run = 1;
                while (Next(symbol, rest, frequencies.Length) is int next && next < frequencies.Length && frequencies[next] == 0)
                {
                    run++;
                    symbol = next;
                }

                writer.Write(0b011, 3);
                WriteGamma(writer, run);
                continue;
            }

            int currentClass = int.Log2(frequency) + 1;
            int delta = currentClass - previous;
            previous = currentClass;
            uint sign = delta < 0 ? 1u : 0u;
            int distance = Math.Abs(delta);
            if (distance == 0)
            {
                writer.Write(0, 1);
            }
            else if (distance == 1)
            {
                writer.Write(0b01, 2);
                writer.Write(sign, 1);
            }
            else
            {
                writer.Write(0b111, 3);
                writer.Write(sign, 1);
                for (int i = 2; i < distance; i++)
                    writer.Write(1, 1);
                writer.Write(0, 1);
            }

            int fraction = currentClass - 1;
            int kept = KeptBits(fraction, mantissaBits);
            writer.Write((uint)(frequency - (1 << fraction)) >> (fraction - kept), kept);
        }
    }

    /// <summary>Reads a table and checks that it is in canonical form.</summary>
    /// <param name="reader">The bits.</param>
    /// <param name="alphabetSize">Symbols of the alphabet.</param>
    /// <param name="precisionBits">log2 of the sum of the frequencies.</param>
    /// <param name="mantissaBits">Bits kept after the leading one of a frequency.</param>
    /// <param name="endsAreAbsent">True for one of several tables of a text: its first and last symbol may have no frequency.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static FrequencyTable Read(ref BitReader reader, int alphabetSize, int precisionBits, int mantissaBits, bool endsAreAbsent = false)
    {
        int size = 1 << precisionBits;
        var frequencies = new ushort[alphabetSize];
        int rest = (int)reader.Read(IndexBits(alphabetSize));
        if (rest >= alphabetSize)
            Invalid.Throw(ContainerError.FrequencyTable, "A frequency table names a symbol outside its alphabet.");
        int previous = FirstClass(precisionBits);
        int sum = 0;
        bool afterRun = false;
        for (int symbol = rest == 0 ? 1 : 0; symbol < alphabetSize; symbol = Next(symbol, rest, alphabetSize))
        {
            // The code of the class and the mantissa, from one look at the bits.
            ulong bits = reader.Peek();
            int length = 1;
            if ((bits & 0b011) != 0b011)
            {
                // 0: the class before. 001 and 101: the one above and the one below. No branch, which nobody could foresee.
                int changes = (int)(bits & 1);
                previous += changes - (2 * changes & (int)(bits >> 1));
                length += 2 * changes;
            }
            else if ((bits & 0b100) == 0)
            {
                reader.Skip(3);
                int run = ReadGamma(ref reader, alphabetSize);
                if (afterRun)
                    Invalid.Throw(ContainerError.FrequencyTable, "A frequency table has two runs of absent symbols in a row.");
                afterRun = true;
                for (int i = 1; i < run; i++)
                {
                    symbol = Next(symbol, rest, alphabetSize);
                    if (symbol >= alphabetSize)
                        Invalid.Throw(ContainerError.FrequencyTable, "A run of absent symbols leaves the alphabet.");
                }

                continue;
            }
            else
            {
                int distance = 2 + BitOperations.TrailingZeroCount(~(bits >> 4));
                if (distance > precisionBits)
                    Invalid.Throw(ContainerError.FrequencyTable, "A frequency class is out of range.");
                previous += (bits & 0b1000) != 0 ? -distance : distance;
                length = 3 + distance;
            }

            afterRun = false;
            if (previous < 1 || previous > precisionBits)
                Invalid.Throw(ContainerError.FrequencyTable, "A frequency class is out of range.");
            int fraction = previous - 1;
            int kept = KeptBits(fraction, mantissaBits);
            int frequency = (1 << fraction) + (int)(((bits >> length) & ((1UL << kept) - 1)) << (fraction - kept));
            reader.Skip(length + kept);
            frequencies[symbol] = (ushort)frequency;
            sum += frequency;
            if (sum >= size)
                Invalid.Throw(ContainerError.FrequencyTable, "The frequencies sum to more than the table holds.");
        }

        if (sum == 0)
            Invalid.Throw(ContainerError.FrequencyTable, "A frequency table has a single symbol.");
        frequencies[rest] = (ushort)(size - sum);
        if (!endsAreAbsent && (frequencies[0] == 0 || frequencies[^1] == 0))
            Invalid.Throw(ContainerError.FrequencyTable, "The first or the last symbol of an alphabet is absent.");
        return new FrequencyTable(frequencies, precisionBits);
    }

    private static int Next(int symbol, int rest, int alphabetSize)
    {
        int next = symbol + 1;
        return next == rest && next < alphabetSize ? next + 1 : next;
    }

    private static int IndexBits(int alphabetSize) => alphabetSize <= 1 ? 0 : int.Log2(alphabetSize - 1) + 1;

    // A typical rare symbol has about a sixteenth of the text.
    private static int FirstClass(int precisionBits) => precisionBits - 4;

    private static int KeptBits(int fraction, int mantissaBits) => mantissaBits == FrequencyNormalizer.ExactMantissa ? fraction : Math.Min(fraction, mantissaBits);

    private static void WriteGamma(BitWriter writer, int value)
    {
        int bits = int.Log2(value);
        for (int i = 0; i < bits; i++)
            writer.Write(1, 1);
        writer.Write(0, 1);
        writer.Write((uint)(value - (1 << bits)), bits);
    }

    private static int ReadGamma(ref BitReader reader, int max)
    {
        int bits = 0;
        while (reader.Read(1) == 1)
        {
            if (++bits > 8)
                Invalid.Throw(ContainerError.FrequencyTable, "A run of absent symbols leaves the alphabet.");
        }

        int value = (1 << bits) + (int)reader.Read(bits);
        if (value > max)
            Invalid.Throw(ContainerError.FrequencyTable, "A run of absent symbols leaves the alphabet.");
        return value;
    }
}
