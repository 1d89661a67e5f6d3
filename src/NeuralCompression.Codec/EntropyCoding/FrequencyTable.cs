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

    /// <summary>log2 of the sum of all frequencies.</summary>
    internal int PrecisionBits { get; }

    /// <summary>Symbols 0 to this - 1.</summary>
    internal int AlphabetSize => frequencies.Length;

    /// <summary>The frequency of each symbol; 0 when absent.</summary>
    internal ReadOnlySpan<ushort> Frequencies => frequencies;

    /// <summary>The sum of the frequencies of all smaller symbols.</summary>
    internal ReadOnlySpan<ushort> Cumulative => cumulative;

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
