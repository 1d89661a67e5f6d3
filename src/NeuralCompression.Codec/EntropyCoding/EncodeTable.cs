namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>A frequency table laid out for encoding without division: 64 bits for each of 256 symbols.</summary>
/// <remarks>
/// floor(x / f) = (x r) >> (31 + s) with s = ceil(log2 f) and r = ceil(2^(31+s) / f), for every state x below 2^31: r f exceeds 2^(31+s) by e with e &lt; f &lt;= 2^s,
/// so the product exceeds the exact quotient by x e / (f 2^(31+s)) &lt; 1 / f, which is too little to reach the next integer. r is in [2^31, 2^32).
/// Source: docs/format.md, section 9.3, step E4; the method is that of Granlund and Montgomery, "Division by invariant integers using multiplication", 1994.
/// </remarks>
internal sealed class EncodeTable
{
    /// <summary>Bits of a frequency in a field; frequencies are below 2^14.</summary>
    internal const int FrequencyBits = 14;

    /// <summary>First bit of the shift in a field.</summary>
    internal const int ShiftOffset = 28;

    private readonly ulong[] entries = new ulong[RansConstants.MaxAlphabet];

    internal EncodeTable(FrequencyTable table)
    {
        Source = table;
        for (int symbol = 0; symbol < table.AlphabetSize; symbol++)
        {
            uint frequency = table.Frequencies[symbol];
            if (frequency == 0)
                continue;
            (uint reciprocal, int shift) = Reciprocal(frequency);
            entries[symbol] = frequency | ((ulong)table.Cumulative[symbol] << FrequencyBits) | ((ulong)shift << ShiftOffset) | ((ulong)reciprocal << 32);
        }
    }

    internal FrequencyTable Source { get; }

    /// <summary>Frequency in bits 0 to 13, cumulative frequency in 14 to 27, the shift s in 28 to 31, r in 32 to 63; zero for absent symbols.</summary>
    internal ReadOnlySpan<ulong> Entries => entries;

    /// <summary>r and s for a frequency in [1, 2^14].</summary>
    internal static (uint Reciprocal, int Shift) Reciprocal(uint frequency)
    {
        int shift = 32 - System.Numerics.BitOperations.LeadingZeroCount(frequency - 1);
        return ((uint)(((1UL << (31 + shift)) + frequency - 1) / frequency), shift);
    }
}
