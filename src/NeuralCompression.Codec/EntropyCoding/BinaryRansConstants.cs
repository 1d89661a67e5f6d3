namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>The constants of the binary coder. Source: docs/format.md, section 5.6.</summary>
internal static class BinaryRansConstants
{
    /// <summary>Probabilities are multiples of 2^-16: a weight of a dead row then costs 2e-5 bits.</summary>
    internal const int PrecisionBits = 16;

    internal const uint Total = 1u << PrecisionBits;

    internal const int WordBits = 16;

    /// <summary>Lower bound of the state, and its value before the last decision is encoded; states stay below 2^32.</summary>
    internal const uint LowerBound = 1u << 16;
}
