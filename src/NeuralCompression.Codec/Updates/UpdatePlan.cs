using System.Text;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec.Updates;

/// <summary>One tensor of the new model and what it is made of.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Base">The tensor of the base that it is or that is added to; null where it is stored as it is.</param>
/// <param name="Stored">What the update stores of it; null where that is nothing.</param>
/// <param name="Target">The position of an alias's target; -1 for a tensor that is not an alias.</param>
internal sealed record PlannedTensor(string Name, CompressedTensorInfo? Base, CompressedTensorInfo? Stored, int Target = -1)
{
    internal ElementType ElementType => Stored is null || (Base is not null && !Base.IsQuantized) ? Base!.ElementType : Stored.ElementType;

    internal QuantizationGrid? Grid => Stored is null || ReferenceEquals(Stored.Grid, UpdateRecord.GridOfBase) ? Base!.Grid : Base is { IsQuantized: false } ? null : Stored.Grid;

    /// <summary>What is decoded first, and gives shape and pieces.</summary>
    internal CompressedTensorInfo Leading => Stored ?? Base!;

    internal long DecodedBytes => Leading.DecodedBytes;
}

/// <summary>Checks all that an update says against its base before anything is decoded. Source: docs/format.md, section 18.3.</summary>
internal sealed class UpdatePlan(ModelContent baseModel, CompressedModelReader update, DecodeLimits limits)
{
    private readonly UpdateRecord record = update.Update!;
    private readonly List<PlannedTensor> tensors = [];
    private readonly HashSet<string> names = new(StringComparer.Ordinal);
    private int stored;
    private long decoded;

    internal IReadOnlyList<PlannedTensor> Make()
    {
        foreach (UpdateStep step in record.Steps)
            tensors.Add(Tensor(step));
        if (stored != update.Tensors.Count)
            throw Error(ContainerError.UpdateRecord, "An update stores a tensor that it does not use.");
        if (record.HasMetadataOfBase && update.Metadata.Count > 0)
            throw Error(ContainerError.UpdateRecord, "An update has texts of its own and those of its base.");
        return tensors;
    }

    private PlannedTensor Tensor(UpdateStep step)
    {
        if (step.Base >= baseModel.Tensors.Count)
            throw Error(ContainerError.UpdateRecord, "An update names a tensor that its base does not have.");
        CompressedTensorInfo? before = step.Base < 0 ? null : baseModel.Tensors[step.Base];
        string name = step.Name ?? before!.Name;
        if (!names.Add(name))
            throw Error(ContainerError.DuplicateName, "An update makes two tensors with the same name.");
        if (Encoding.UTF8.GetByteCount(name) > ContainerLayout.MaxNameBytes)
            throw new NotSupportedException(FormattableString.Invariant($"The update makes a tensor with a name of more than {ContainerLayout.MaxNameBytes} bytes, which this library does not write."));

        PlannedTensor tensor = step.Operation switch
        {
            UpdateOperation.Unchanged => new PlannedTensor(name, before, null),
            UpdateOperation.Difference => Difference(name, before!, Next()),
            UpdateOperation.Full => Full(name, Next()),
            _ => Alias(name, step.Target),
        };
        decoded += (tensor.Target < 0 ? tensor : tensors[tensor.Target]).DecodedBytes;
        if (decoded < 0 || decoded > limits.MaxDecodedBytes)
            throw Invalid.Limit(nameof(DecodeLimits.MaxDecodedBytes), FormattableString.Invariant($"The update makes a model that decodes to more than the limit of {limits.MaxDecodedBytes} bytes."), record.Offset);
        if (tensor.Target < 0 && tensor.Leading.Shape.Length > TensorShape.MaxRank)
            throw new NotSupportedException(FormattableString.Invariant($"The update makes a tensor with more than {TensorShape.MaxRank} axes, which this library does not write."));
        return tensor;
    }

    private PlannedTensor Difference(string name, CompressedTensorInfo before, CompressedTensorInfo difference)
    {
        if (!before.Shape.SequenceEqual(difference.Shape) || before.IsQuantized != difference.IsQuantized)
            throw Error(ContainerError.UpdateRecord, "A difference is not of the kind and shape of the tensor it is added to.");
        if (!before.IsQuantized && difference.ElementType != Differences.TypeOf(before.ElementType))
            throw Error(ContainerError.UpdateRecord, "The differences of elements are not integers of their size.");
        if (difference.Grid?.Kind == QuantizationGridKind.Codebook)
            throw Error(ContainerError.UpdateRecord, "A difference has a codebook of its own.");
        return new PlannedTensor(name, before, difference);
    }

    private PlannedTensor Full(string name, CompressedTensorInfo tensor) =>
        ReferenceEquals(tensor.Grid, UpdateRecord.GridOfBase)
            ? throw Error(ContainerError.UpdateRecord, "A tensor that is stored as it is has no grid of its own.")
            : new PlannedTensor(name, null, tensor);

    private PlannedTensor Alias(string name, int target) =>
        target >= tensors.Count || tensors[target].Target >= 0
            ? throw Error(ContainerError.AliasTarget, "An alias of an update must name an earlier tensor that is not an alias.")
            : new PlannedTensor(name, null, null, target);

    private CompressedTensorInfo Next() =>
        stored < update.Tensors.Count ? update.Tensors[stored++] : throw Error(ContainerError.UpdateRecord, "An update uses more tensors than it stores.");

    private InvalidDataException Error(ContainerError error, string message) => Invalid.Data(error, message, record.Offset);
}
