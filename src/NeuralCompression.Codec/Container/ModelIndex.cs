namespace NeuralCompression.Codec.Container;

/// <summary>What stands in front of the payloads.</summary>
/// <param name="Tensors">The descriptors, in order.</param>
/// <param name="Metadata">The texts that came with the model.</param>
/// <param name="Update">What an update says; null for a model.</param>
internal sealed record ModelIndex(IReadOnlyList<TensorEntry> Tensors, IReadOnlyDictionary<string, string> Metadata, UpdateRecord? Update);
