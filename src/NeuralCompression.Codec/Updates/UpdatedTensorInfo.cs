namespace NeuralCompression.Codec;

/// <summary>One tensor of the model that an update makes, as far as the update alone tells.</summary>
/// <remarks>Immutable. Source: docs/format.md, section 18.2.</remarks>
public sealed class UpdatedTensorInfo
{
    internal UpdatedTensorInfo(UpdateOperation operation, int basePosition, string? name, CompressedTensorInfo? stored)
    {
        Operation = operation;
        BasePosition = basePosition;
        Name = name;
        Coding = stored?.Coding;
        StoredBytes = stored?.StoredBytes ?? 0;
    }

    /// <summary>Where the tensor comes from.</summary>
    public UpdateOperation Operation { get; }

    /// <summary>The position among the base's tensors, from 0 on, of the tensor that it is or is added to and has the name of; -1 where it has a name of its own.</summary>
    public int BasePosition { get; }

    /// <summary>Its own name; null where it has that of the base's tensor, which the update does not repeat.</summary>
    public string? Name { get; }

    /// <summary>How what the update stores of it is coded; null where that is nothing.</summary>
    public string? Coding { get; }

    /// <summary>What the update stores of it; bytes, 0 where that is nothing.</summary>
    public long StoredBytes { get; }
}
