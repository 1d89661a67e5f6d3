using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Frequencies of the symbols 0 to n - 1 that sum to exactly 2^precision; at least two are present.</summary>
internal sealed class FrequencyTable
{
    private readonly ushort[] frequencies;
    private readonly ushort[] cumulative;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal FrequencyTable(ushort[] frequencies, int precisionBits)
    {
        this.frequencies = frequencies;
        PrecisionBits = precisionBits;
        cumulative = new ushort[frequencies.Length];
        int sum = 0;
        for (int symbol = 0; symbol < frequencies.Length; symbol++)
        {
            cumulative[symbol] = (ushort)sum;
            sum += frequencies[symbol];
        }

        System.Diagnostics.Debug.Assert(sum == 1 << precisionBits, "frequencies sum to a power of two");
    }

    private FrequencyTable(ushort[] frequencies, ushort[] cumulative, int precisionBits) =>
        (this.frequencies, this.cumulative, PrecisionBits) = (frequencies, cumulative, precisionBits);

    /// <summary>log2 of the sum of all frequencies.</summary>
    internal int PrecisionBits { get; }

    /// <summary>Symbols 0 to this - 1.</summary>
    internal int AlphabetSize => frequencies.Length;

    /// <summary>The frequency of each symbol; 0 when absent.</summary>
    internal ReadOnlySpan<ushort> Frequencies => frequencies;

    /// <summary>The sum of the frequencies of all smaller symbols.</summary>
    internal ReadOnlySpan<ushort> Cumulative => cumulative;

    /// <summary>The table for encoding a text in other symbols, each of which stands for one of this table's or for none.</summary>
    /// <param name="symbolOf">This table's symbol for each of the others; the alphabet size for none.</param>
    internal FrequencyTable For(ReadOnlySpan<byte> symbolOf)
    {
        var otherFrequencies = new ushort[symbolOf.Length];
        var otherCumulative = new ushort[symbolOf.Length];
        for (int other = 0; other < symbolOf.Length; other++)
        {
            int symbol = symbolOf[other];
            if (symbol < AlphabetSize)
                (otherFrequencies[other], otherCumulative[other]) = (frequencies[symbol], cumulative[symbol]);
        }

        return new(otherFrequencies, otherCumulative, PrecisionBits);
    }

    /// <summary>The ideal length of a text with these counts; bits x 2^16.</summary>
    internal UInt128 Cost(ReadOnlySpan<long> counts) => Cost(counts, frequencies, PrecisionBits);

    /// <summary>The ideal length of a text with these counts; bits x 2^16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static UInt128 Cost(ReadOnlySpan<long> counts, ReadOnlySpan<ushort> frequencies, int precisionBits)
    {
        UInt128 cost = 0;
        for (int symbol = 0; symbol < counts.Length; symbol++)
        {
            if (counts[symbol] > 0)
                cost += (UInt128)(ulong)counts[symbol] * (((uint)precisionBits << FixedPointLog2.FractionBits) - FixedPointLog2.Of(frequencies[symbol]));
        }

        return cost;
    }
}
