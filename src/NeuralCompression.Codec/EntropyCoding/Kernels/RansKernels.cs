namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>Which kernel runs: the widest the processor has for 32 and 64 lanes; the scalar one for everything else, for tails and for short ends.</summary>
/// <remarks>
/// All kernels compute the same integers as <see cref="ScalarRans"/>, so their bytes and symbols are the same; tests compare every pair. A kernel touches nothing outside its
/// spans: it stops when less than a full step of room is left, and this class finishes.
/// </remarks>
internal static class RansKernels
{
    /// <summary>Lanes of one half step: SIMD kernels take 32 or 64 lanes.</summary>
    internal const int LaneUnit = 32;

    private const int MaxLanes = 64;

    /// <summary>Every kernel there is, narrowest first; not all run on this machine.</summary>
    internal static IReadOnlyList<RansKernel> All { get; } =
    [
        new("scalar", true, null, null),
        new("vector128", Vector128Rans.IsSupported, null, Vector128Rans.Decode),
        new("avx2", Avx2Rans.IsSupported, Avx2Rans.Encode, Avx2Rans.Decode),
        new("avx512", Avx512Rans.IsSupported, Avx512Rans.Encode, Avx512Rans.Decode),
    ];

    /// <summary>The name of the kernel that <see cref="Decode(ReadOnlySpan{byte}, SlotTable, Span{uint}, Span{byte})"/> chooses for 32 and 64 lanes.</summary>
    internal static string Widest =>
        Avx512Rans.IsSupported ? "avx512"
        : Avx2Rans.IsSupported ? "avx2"
        : Vector128Rans.IsSupported ? "vector128"
        : "scalar";

    /// <summary>True when a vector kernel encodes this many lanes here, which needs an <see cref="EncodeTable"/>.</summary>
    internal static bool HasKernel(int lanes) => lanes % LaneUnit == 0 && Avx2Rans.IsSupported;

    /// <summary>Encodes a text, or the part of it that starts at lane 0 and ends where encoding stands, with the widest kernel.</summary>
    /// <param name="symbols">The part.</param>
    /// <param name="frequencies">The table.</param>
    /// <param name="table">The table as kernels need it; null where <see cref="HasKernel"/> is false.</param>
    /// <param name="states">The lanes; updated.</param>
    /// <param name="words">Words are written downwards from its end.</param>
    /// <returns>The offset of the first word.</returns>
    internal static int EncodeBlock(ReadOnlySpan<byte> symbols, FrequencyTable frequencies, EncodeTable? table, Span<uint> states, Span<byte> words)
    {
        if (table is null)
            return ScalarRans.Encode(symbols, frequencies, states, words);
        if (Avx512Rans.IsSupported)
            return EncodeBlock(Avx512Rans.Encode, symbols, table, states, words);
        return EncodeBlock(Avx2Rans.Encode, symbols, table, states, words);
    }

    /// <summary>Decodes the next symbols of a text, all of them or a multiple of the lanes, with the widest kernel.</summary>
    /// <returns>The number of bytes of words read, or -1 when they end early.</returns>
    internal static int Decode(ReadOnlySpan<byte> words, SlotTable table, Span<uint> states, Span<byte> symbols)
    {
        if (Avx512Rans.IsSupported)
            return Decode(Avx512Rans.Decode, words, table, states, symbols);
        if (Avx2Rans.IsSupported)
            return Decode(Avx2Rans.Decode, words, table, states, symbols);
        if (Vector128Rans.IsSupported)
            return Decode(Vector128Rans.Decode, words, table, states, symbols);
        return ScalarRans.Decode(words, table, states, symbols);
    }

    /// <summary>Encodes a text with a given kernel; null is the scalar one.</summary>
    internal static int Encode(EncodeSteps? kernel, ReadOnlySpan<byte> symbols, FrequencyTable table, Span<uint> states, Span<byte> words)
    {
        states.Fill(RansConstants.LowerBound);                                                      // E1
        return kernel is null || states.Length % LaneUnit != 0
            ? ScalarRans.Encode(symbols, table, states, words)
            : EncodeBlock(kernel, symbols, new EncodeTable(table), states, words);
    }

    /// <summary>Decodes with a given kernel; null is the scalar one.</summary>
    internal static int Decode(DecodeSteps? kernel, ReadOnlySpan<byte> words, SlotTable table, Span<uint> states, Span<byte> symbols)
    {
        if (kernel is null || states.Length % LaneUnit != 0)
            return ScalarRans.Decode(words, table, states, symbols);
        int done = kernel(words, table, states, symbols, out int position);
        if (symbols.Length - done >= states.Length)
        {
            // Less than a step of words is left, which can still be many symbols: go on in a copy followed by zeros, and see afterwards whether a zero was used.
            Span<byte> last = stackalloc byte[MaxLanes * sizeof(ushort) * 2];
            int left = words.Length - position;
            last.Clear();
            words[position..].CopyTo(last);
            done += kernel(last[..(left + (states.Length * sizeof(ushort)))], table, states, symbols[done..], out int used);
            if (used > left)
                return -1;
            position += used;
        }

        int rest = ScalarRans.Decode(words[position..], table, states, symbols[done..]);
        return rest < 0 ? -1 : position + rest;
    }

    private static int EncodeBlock(EncodeSteps kernel, ReadOnlySpan<byte> symbols, EncodeTable table, Span<uint> states, Span<byte> words)
    {
        int whole = symbols.Length - (symbols.Length % states.Length);
        int position = ScalarRans.Encode(symbols[whole..], table.Source, states, words);
        if (whole > 0)
            whole = kernel(symbols[..whole], table, states, words[..position], out position);
        return ScalarRans.Encode(symbols[..whole], table.Source, states, words[..position]);
    }
}
