using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec;

/// <summary>What an update says of itself, without its base.</summary>
/// <remarks>Immutable. Source: docs/format.md, section 18.</remarks>
public sealed class CompressedModelUpdateInfo
{
    internal CompressedModelUpdateInfo(CompressedModelReader update, long totalBytes)
    {
        UpdateRecord record = update.Update!;
        TotalBytes = totalBytes;
        BaseDigest = Convert.ToHexStringLower(record.BaseDigest);
        ResultDigest = Convert.ToHexStringLower(record.ResultDigest);
        KeepsMetadata = record.HasMetadataOfBase;
        var tensors = new List<UpdatedTensorInfo>(record.Steps.Count);
        int stored = 0;
        foreach (UpdateStep step in record.Steps)
        {
            CompressedTensorInfo? tensor = null;
            if (step.Operation is UpdateOperation.Difference or UpdateOperation.Full)
                tensor = stored < update.Tensors.Count ? update.Tensors[stored++] : throw Invalid.Data(ContainerError.UpdateRecord, "An update uses more tensors than it stores.", record.Offset);
            tensors.Add(new UpdatedTensorInfo(step.Operation, step.Base, step.Name, tensor));
        }

        if (stored != update.Tensors.Count)
            throw Invalid.Data(ContainerError.UpdateRecord, "An update stores a tensor that it does not use.", record.Offset);
        Tensors = tensors;
    }

    /// <summary>The length of the file; bytes.</summary>
    public long TotalBytes { get; }

    /// <summary>SHA-256 of what the base holds (not of its file), 64 hexadecimal digits: the one model that the update fits. An update of another base is refused with the start of both digests.</summary>
    public string BaseDigest { get; }

    /// <summary>The first 16 hexadecimal digits of the same of the model that comes of it, which is the base of the next update of a chain.</summary>
    public string ResultDigest { get; }

    /// <summary>Whether the new model has the texts of the base.</summary>
    public bool KeepsMetadata { get; }

    /// <summary>The tensors of the new model, in order.</summary>
    public IReadOnlyList<UpdatedTensorInfo> Tensors { get; }
}
