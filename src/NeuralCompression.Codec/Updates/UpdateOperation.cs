namespace NeuralCompression.Codec;

/// <summary>Where a tensor of the model that an update makes comes from.</summary>
/// <remarks>Source: docs/format.md, section 18.2.</remarks>
public enum UpdateOperation
{
    /// <summary>It is the tensor of the base.</summary>
    Unchanged = 0,

    /// <summary>It is the tensor of the base and what the update stores, added.</summary>
    Difference = 1,

    /// <summary>It is what the update stores.</summary>
    Full = 2,

    /// <summary>It shares the payload of an earlier tensor of the new model.</summary>
    Alias = 3,
}
