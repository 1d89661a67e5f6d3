namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>The constants of the coder; derived in docs/format.md, section 9.</summary>
internal static class RansConstants
{
    /// <summary>Lower bound of a lane's state, and its value before the first symbol is encoded. A multiple of every table size; states stay below 2^31.</summary>
    internal const uint LowerBound = 1u << 15;

    /// <summary>Bits of one renormalisation word; a state is in [2^15, 2^31), so one word at most per symbol.</summary>
    internal const int WordBits = 16;

    /// <summary>log2 of the exclusive upper bound of a state.</summary>
    internal const int StateBits = 31;

    /// <summary>The coarsest table: sum of frequencies 2^8.</summary>
    internal const int MinPrecisionBits = 8;

    /// <summary>The finest table: sum of frequencies 2^14. One bit below the lower bound, so that a state keeps at least one bit of slack.</summary>
    internal const int MaxPrecisionBits = 14;

    /// <summary>Symbols of the coder are bytes.</summary>
    internal const int MaxAlphabet = 256;

    /// <summary>The numbers of interleaved states a stream may have, by their code in the file.</summary>
    internal static ReadOnlySpan<byte> LaneCounts => [1, 4, 32, 64];
}
