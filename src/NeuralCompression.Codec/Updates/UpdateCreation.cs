using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec.Updates;

/// <summary>Makes one update: for every tensor of the new model the shortest of what it can be stored as.</summary>
internal sealed class UpdateCreation(ModelContent baseModel, ModelContent next, CompressedModelWriter writer, UpdateWork work)
{
    /// <summary>How many times shorter than the estimate of a static coder a difference must be for nobody to ask what the tensor itself would take. The adaptive coder needs hardly ever less than half of that.</summary>
    private const int FarShorter = 4;

    private readonly List<UpdateStep> steps = [];
    private readonly DifferenceOrder order = new();
    private int stored;

    /// <summary>What is decoded, for the progress: the base, then the new model for the differences and for itself; elements.</summary>
    internal static long Elements(ModelContent baseModel, ModelContent next) => UpdateWork.ElementsOf(baseModel.Tensors) + (2 * UpdateWork.ElementsOf(next.Tensors));

    internal CompressedModelUpdateReport Run(CancellationToken cancellationToken)
    {
        byte[] baseDigest = ContentDigest.Of(baseModel, work);
        using var digest = new ContentDigest(next.Tensors.Count);
        foreach (CompressedTensorInfo tensor in next.Tensors)
            steps.Add(Step(tensor, digest));

        bool hasMetadataOfBase = next.Metadata.Count == baseModel.Metadata.Count && next.Metadata.All(text => baseModel.Metadata.TryGetValue(text.Key, out string? value) && value == text.Value);
        if (!hasMetadataOfBase)
        {
            foreach ((string key, string value) in next.Metadata)
                writer.AddMetadata(key, value);
        }

        writer.Update = new UpdateRecord
        {
            BaseDigest = baseDigest,
            ResultDigest = digest.Complete(next.Metadata)[..ContainerLayout.ResultDigestBytes],
            HasMetadataOfBase = hasMetadataOfBase,
            Steps = steps,
        };
        CompressionReport report = writer.CompleteAsync(cancellationToken: cancellationToken).GetAwaiter().GetResult();
        return new CompressedModelUpdateReport(
            report.TotalBytes, Count(UpdateOperation.Unchanged), Count(UpdateOperation.Difference), Count(UpdateOperation.Full), Count(UpdateOperation.Alias));
    }

    private int Count(UpdateOperation operation) => steps.Count(step => step.Operation == operation);

    private UpdateStep Step(CompressedTensorInfo tensor, ContentDigest digest)
    {
        int position = baseModel.PositionOf(tensor.Name);
        string? name = position < 0 ? tensor.Name : null;
        if (tensor.AliasOf is not null)
        {
            int target = next.PositionOf(tensor.AliasOf);
            digest.Alias(tensor.Name, target);
            return new UpdateStep(UpdateOperation.Alias, position, name, target);
        }

        digest.Begin(tensor.Name, tensor.ElementType, tensor.Shape, tensor.Grid);
        if (position < 0 || !IsComparable(baseModel.Tensors[position], tensor))
        {
            work.Done(tensor.Length);
            Full(tensor, digest);
            return new UpdateStep(UpdateOperation.Full, position, name);
        }

        CompressedTensorInfo before = baseModel.Tensors[position];
        long fullEstimate = 0;
        string difference = tensor.IsQuantized ? SymbolDifference(before, tensor, digest, out bool isZero, out fullEstimate) : ElementDifference(before, tensor, digest, out isZero);
        TensorEntry entry = writer.Last();
        bool isUnchanged = isZero && before.ElementType == tensor.ElementType && before.Grid == tensor.Grid;
        if (isUnchanged)
            writer.Discard(difference);

        // Nothing is shorter than no payload, and what is far shorter than the tensor is not worth coding the tensor as well, which would take longer than everything else.
        if (isUnchanged || entry.PayloadLength <= fullEstimate / FarShorter)
        {
            work.Done(tensor.Length);
            return new UpdateStep(isUnchanged ? UpdateOperation.Unchanged : UpdateOperation.Difference, position);
        }

        string full = Full(tensor, null);
        bool isShorter = Bytes(entry) <= Bytes(writer.Last());
        writer.Discard(isShorter ? full : difference);
        return new UpdateStep(isShorter ? UpdateOperation.Difference : UpdateOperation.Full, position);
    }

    // A codebook of its own would have to hold the differences as well.
    private static bool IsComparable(CompressedTensorInfo before, CompressedTensorInfo tensor) =>
        before.Shape.SequenceEqual(tensor.Shape) && before.IsQuantized == tensor.IsQuantized
        && (tensor.IsQuantized
            ? (before.Grid == tensor.Grid || tensor.Grid!.Kind != QuantizationGridKind.Codebook) && Differences.Fit(before, tensor)
            : before.ElementType == tensor.ElementType);

    private static long Bytes(TensorEntry entry) => IndexWriter.NamelessBytes(entry) + entry.PayloadLength;

    // Not stored.
    private string NextName() => FormattableString.Invariant($"stored tensor {stored++}");

    private string SymbolDifference(CompressedTensorInfo before, CompressedTensorInfo tensor, ContentDigest digest, out bool isZero, out long fullEstimate)
    {
        isZero = true;
        fullEstimate = 0;
        string name = NextName();
        long row = UpdateWork.RowElements(tensor.Shape);
        using CompressedTensorWriter destination = writer.BeginTensor(name, tensor.Shape, before.Grid == tensor.Grid ? UpdateRecord.GridOfBase : tensor.Grid!, tensor.ElementType);
        foreach ((long start, int count) in UpdateWork.Pieces(tensor.Length, destination.SegmentLength))
        {
            Span<short> symbols = work.Symbols(0, tensor, start, count);
            ReadOnlySpan<short> baseSymbols = work.Symbols(1, before, start, count);
            digest.Append(symbols);
            fullEstimate += CodingCost.EstimateBytes(symbols);
            Differences.Subtract(baseSymbols, symbols);
            if (symbols.ContainsAnyExcept((short)0))
            {
                isZero = false;
                Span<short> sorted = work.Symbols(2, count);
                order.Sort(baseSymbols, row, symbols, sorted);
                symbols = sorted;
            }

            destination.Write(symbols);
            work.Done(count);
        }

        destination.Complete();
        return name;
    }

    private string ElementDifference(CompressedTensorInfo before, CompressedTensorInfo tensor, ContentDigest digest, out bool isZero)
    {
        isZero = true;
        string name = NextName();
        using CompressedTensorWriter destination = writer.BeginTensor(name, Differences.TypeOf(tensor.ElementType), tensor.Shape);
        foreach ((long start, int count) in UpdateWork.Pieces(tensor.Length, destination.SegmentLength))
        {
            Span<byte> elements = work.Bytes(0, tensor, start, count);
            digest.Append(elements);
            Differences.Subtract(tensor.ElementType, work.Bytes(1, before, start, count), elements);
            isZero &= !elements.ContainsAnyExcept((byte)0);
            destination.Write(elements);
            work.Done(count);
        }

        destination.Complete();
        return name;
    }

    /// <summary>Stores the tensor as it is.</summary>
    /// <param name="tensor">A tensor of the new model.</param>
    /// <param name="digest">Takes its elements, where nothing has given them to it before.</param>
    private string Full(CompressedTensorInfo tensor, ContentDigest? digest)
    {
        string name = NextName();
        using CompressedTensorWriter destination = tensor.IsQuantized
            ? writer.BeginTensor(name, tensor.Shape, tensor.Grid!, tensor.ElementType)
            : writer.BeginTensor(name, tensor.ElementType, tensor.Shape);
        foreach ((long start, int count) in UpdateWork.Pieces(tensor))
        {
            if (tensor.IsQuantized)
            {
                ReadOnlySpan<short> symbols = work.Symbols(0, tensor, start, count);
                digest?.Append(symbols);
                destination.Write(symbols);
            }
            else
            {
                ReadOnlySpan<byte> elements = work.Bytes(0, tensor, start, count);
                digest?.Append(elements);
                destination.Write(elements);
            }

            work.Done(count);
        }

        destination.Complete();
        return name;
    }
}
