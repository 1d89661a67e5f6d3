namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>The first byte of a grouped payload. Source: docs/format.md, section 5.7.</summary>
internal static class GroupLayout
{
    /// <summary>log2 of the group size: 1, 2 or 3.</summary>
    internal const int SizeMask = 3;

    /// <summary>Set when groups without a token occur.</summary>
    internal const int EscapeBit = 4;

    /// <summary>First of the four bits that hold the Rice parameter of the list.</summary>
    internal const int RiceOffset = 3;

    /// <summary>The Rice parameter, shifted down.</summary>
    internal const int RiceMask = 15;

    /// <summary>Stays zero.</summary>
    internal const int ReservedBit = 128;
}
