namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>The constants of the binary coder. Source: docs/format.md, section 5.6.</summary>
internal static class BinaryRansConstants
{
    /// <summary>Probabilities are multiples of 2^-16: a weight of a dead row then costs 2e-5 bits.</summary>
    internal const int PrecisionBits = 16;

    internal const uint Total = 1u << PrecisionBits;

    /// <summary>The probability of what is as likely as not. At exactly a half, one changed bit of a state would change the decision and nothing else, and no end state would show it.</summary>
    internal const int NearlyHalf = (1 << (PrecisionBits - 1)) - 1;

    internal const int WordBits = 16;

    /// <summary>
    /// Lower bound of the state, and its value before the last decision of a block is encoded, unless it is the last block; states stay below 2^40. At 2^16 the rounding of small states
    /// costs 0.25 % of the size at even odds (measured); a whole byte more makes that loss vanish.
    /// </summary>
    internal const ulong LowerBound = 1UL << 24;

    /// <summary>The state before the last decision of all is encoded. Where no words are left, a state below the bound is not refilled, so this may be smaller: a byte less in the file, and damage still shows in all but 2^-16 of cases.</summary>
    internal const ulong EndState = 1UL << 16;

    /// <summary>A state in the file; an only block may have one of a byte less.</summary>
    internal const int StateBytes = 5;
}
