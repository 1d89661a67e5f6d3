namespace NeuralCompression.Codec;

/// <summary>What an update weighs and how it stores the tensors of the new model.</summary>
/// <remarks>Immutable. Source: docs/format.md, section 18.</remarks>
public sealed class CompressedModelUpdateReport
{
    internal CompressedModelUpdateReport(long totalBytes, int unchanged, int differences, int full, int aliases)
    {
        TotalBytes = totalBytes;
        UnchangedTensors = unchanged;
        DifferenceTensors = differences;
        FullTensors = full;
        AliasTensors = aliases;
    }

    /// <summary>The length of the whole update; bytes.</summary>
    public long TotalBytes { get; }

    /// <summary>How many tensors are those of the base, which cost nothing but a place in the list.</summary>
    public int UnchangedTensors { get; }

    /// <summary>How many tensors are stored as what differs from the base.</summary>
    public int DifferenceTensors { get; }

    /// <summary>How many tensors are stored as they are: new ones, of another shape, or so different that this is shorter.</summary>
    public int FullTensors { get; }

    /// <summary>How many tensors share the payload of another one.</summary>
    public int AliasTensors { get; }
}
