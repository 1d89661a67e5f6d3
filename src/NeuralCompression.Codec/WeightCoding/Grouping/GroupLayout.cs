namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>The first byte of a grouped payload. Source: docs/format.md, section 5.7.</summary>
internal static class GroupLayout
{
    /// <summary>log2 of the group size: 1, 2 or 3.</summary>
    internal const int SizeMask = 3;

    /// <summary>Set when groups without a token occur.</summary>
    internal const int EscapeBit = 4;

    /// <summary>First of the four bits that hold the Rice parameter of the list, or the reach.</summary>
    internal const int RiceOffset = 3;

    /// <summary>The Rice parameter, or the reach, shifted down.</summary>
    internal const int RiceMask = 15;

    /// <summary>Set when the groups near a group of fillers have tokens, and none are listed.</summary>
    internal const int NearBit = 128;
}
