namespace NeuralCompression.Codec.WeightCoding.Lossless;

/// <summary>What the planes of a payload hold. Source: docs/format.md, section 5.5.</summary>
internal enum ElementForm : byte
{
    /// <summary>The elements; floating-point ones rotated.</summary>
    Elements = 0,

    /// <summary>Integers, small ones of both signs as small numbers.</summary>
    ZigZag = 1,

    /// <summary>The same of each integer minus the one before it.</summary>
    Differences = 2,

    /// <summary>Places in a list of values.</summary>
    Palette = 3,
}
