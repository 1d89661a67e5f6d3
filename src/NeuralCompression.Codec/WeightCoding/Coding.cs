namespace NeuralCompression.Codec.WeightCoding;

/// <summary>The coding ids of the file. Source: docs/format.md, section 5.</summary>
internal enum Coding : byte
{
    /// <summary>Elements or symbols as they are.</summary>
    Raw = 0,

    /// <summary>All elements or symbols are equal.</summary>
    Constant = 1,

    /// <summary>Symbols by rANS with one static table.</summary>
    StaticRans = 2,

    /// <summary>Elements cut into byte planes, each coded on its own.</summary>
    BytePlanes = 3,

    /// <summary>Symbols by adaptive context mixing over binary decisions.</summary>
    ContextMixing = 4,

    /// <summary>Symbols in groups of 2, 4 or 8, each a token of a static table.</summary>
    GroupedRans = 5,

    /// <summary>Symbols by rANS with static tables chosen by row, column and neighbours.</summary>
    ClassifiedRans = 6,

    /// <summary>Elements or symbols of which long parts occur more than once: what does not repeat, in another coding, and where the rest is from.</summary>
    Repeats = 7,
}
