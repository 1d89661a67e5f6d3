using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec.Updates;

/// <summary>Makes one new model of its base and an update.</summary>
internal sealed class UpdateApplication(ModelContent baseModel, CompressedModelReader update, IModelWriter writer, UpdateWork work)
{
    private readonly DifferenceOrder order = new();

    internal static long Elements(ModelContent baseModel) => 2 * UpdateWork.ElementsOf(baseModel.Tensors);

    internal CompressionReport Run(DecodeLimits limits, CancellationToken cancellationToken)
    {
        UpdateRecord record = update.Update!;
        byte[] baseDigest = ContentDigest.Of(baseModel, work);
        if (!record.BaseDigest.AsSpan().SequenceEqual(baseDigest))
        {
            throw Invalid.Data(
                ContainerError.UpdateBase,
                $"The update was made for another model, whose digest starts with {Start(record.BaseDigest)}, not for this one, whose digest starts with {Start(baseDigest)}: apply it to the model it was made from, and updates of one model in their order.",
                record.Offset);
        }

        IReadOnlyList<PlannedTensor> tensors = new UpdatePlan(baseModel, update, limits).Make();
        using var digest = new ContentDigest(tensors.Count);

        // An alias goes into the file of its target, so no other file may begin between them: the order is part of what the model is.
        int[] lastAlias = new int[tensors.Count];
        for (int i = 0; i < tensors.Count; i++)
        {
            if (tensors[i].Target >= 0)
                lastAlias[tensors[i].Target] = i;
        }

        int last = 0;
        for (int i = 0; i < tensors.Count; i++)
        {
            writer.MayDivide = last < i;
            Write(tensors[i], tensors, digest);
            last = Math.Max(last, lastAlias[i]);
        }

        IReadOnlyDictionary<string, string> metadata = record.HasMetadataOfBase ? baseModel.Metadata : update.Metadata;
        foreach ((string key, string value) in metadata)
            writer.AddMetadata(key, value);
        if (!record.ResultDigest.AsSpan().SequenceEqual(digest.Complete(metadata).AsSpan(0, ContainerLayout.ResultDigestBytes)))
            throw Invalid.Data(ContainerError.UpdateResult, "Base and update give another model than the update was made for: the update is damaged, get it again.", record.Offset);
        return writer.Complete(cancellationToken);
    }

    private static string Start(byte[] digest) => Convert.ToHexStringLower(digest.AsSpan(0, ContainerLayout.ResultDigestBytes));

    private void Write(PlannedTensor tensor, IReadOnlyList<PlannedTensor> tensors, ContentDigest digest)
    {
        if (tensor.Target >= 0)
        {
            digest.Alias(tensor.Name, tensor.Target);
            writer.AddAlias(tensor.Name, tensors[tensor.Target].Name);
            return;
        }

        ReadOnlySpan<long> shape = tensor.Leading.Shape;
        QuantizationGrid? grid = tensor.Grid;
        digest.Begin(tensor.Name, tensor.ElementType, shape, grid);
        using CompressedTensorWriter destination = grid is null ? writer.BeginTensor(tensor.Name, tensor.ElementType, shape) : writer.BeginTensor(tensor.Name, shape, grid, tensor.ElementType);
        foreach ((long start, int count) in UpdateWork.Pieces(tensor.Leading))
        {
            if (grid is null)
            {
                ReadOnlySpan<byte> elements = Elements(tensor, start, count);
                digest.Append(elements);
                destination.Write(elements);
            }
            else
            {
                ReadOnlySpan<short> symbols = Symbols(tensor, grid, start, count);
                digest.Append(symbols);
                destination.Write(symbols);
            }

            work.Done(count);
        }

        destination.Complete();
    }

    private ReadOnlySpan<short> Symbols(PlannedTensor tensor, QuantizationGrid grid, long start, int count)
    {
        Span<short> symbols = work.Symbols(0, tensor.Leading, start, count);
        if (tensor.Base is null || tensor.Stored is null)
            return symbols;
        ReadOnlySpan<short> baseSymbols = work.Symbols(1, tensor.Base, start, count);
        Span<short> differences = work.Symbols(2, count);
        order.Restore(baseSymbols, UpdateWork.RowElements(tensor.Leading.Shape), symbols, differences);
        bool isCodebook = grid.Kind == QuantizationGridKind.Codebook;
        int min = isCodebook ? grid.FirstSymbol : short.MinValue;
        if (Differences.TryAdd(baseSymbols, differences, min, isCodebook ? min + grid.Values.Length - 1 : short.MaxValue))
            return differences;
        InvalidDataException exception = Invalid.Data(ContainerError.SymbolValue, "A difference leads out of the symbols that the tensor can have.", update.Update!.Offset);
        exception.Data[Invalid.TensorKey] = tensor.Name;
        throw exception;
    }

    private ReadOnlySpan<byte> Elements(PlannedTensor tensor, long start, int count)
    {
        Span<byte> elements = work.Bytes(0, tensor.Leading, start, count);
        if (tensor.Base is not null && tensor.Stored is not null)
            Differences.Add(tensor.Base.ElementType, work.Bytes(1, tensor.Base, start, count), elements);
        return elements;
    }
}
