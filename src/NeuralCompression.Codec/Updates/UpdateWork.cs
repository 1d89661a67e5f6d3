using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec.Updates;

/// <summary>What creating and applying share: memory for a segment of each model, progress, cancellation.</summary>
/// <param name="elements">What will be decoded in all, for the progress; elements.</param>
/// <param name="options">Who is told.</param>
/// <param name="cancellationToken">Gives up.</param>
internal sealed class UpdateWork(long elements, CompressedModelUpdateOptions options, CancellationToken cancellationToken)
{
    private readonly short[][] symbols = [[], [], []];
    private readonly byte[][] bytes = [[], []];
    private readonly long total = Math.Max(1, elements);
    private long done;

    /// <summary>Elements of all tensors that have a payload.</summary>
    internal static long ElementsOf(IReadOnlyList<CompressedTensorInfo> tensors) => tensors.Where(tensor => tensor.AliasOf is null).Sum(tensor => tensor.Length);

    /// <summary>Elements of a row: of all indices of the axes but the first.</summary>
    internal static long RowElements(ReadOnlySpan<long> shape)
    {
        long elements = 1;
        for (int axis = 1; axis < shape.Length; axis++)
            elements *= shape[axis];
        return shape.Length > 1 ? elements : long.MaxValue;
    }

    /// <summary>The runs in which a tensor is decoded: its segments; a long tensor of equal elements, which is not cut, in runs as long as a segment may be.</summary>
    internal static IEnumerable<(long Start, int Count)> Pieces(CompressedTensorInfo tensor) => Pieces(tensor.Length, Math.Min(tensor.SegmentLength, ContainerLayout.SegmentBytes / tensor.ElementType.Size()));

    internal static IEnumerable<(long Start, int Count)> Pieces(long length, long each)
    {
        for (long start = 0; start < length; start += each)
            yield return (start, (int)Math.Min(each, length - start));
    }

    /// <summary>Room for symbols that is used again; its content is what was there before.</summary>
    internal Span<short> Symbols(int slot, int count)
    {
        if (symbols[slot].Length < count)
            symbols[slot] = GC.AllocateUninitializedArray<short>(count);
        return symbols[slot].AsSpan(0, count);
    }

    /// <summary>Decodes a run of symbols.</summary>
    internal Span<short> Symbols(int slot, CompressedTensorInfo tensor, long start, int count)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Span<short> run = Symbols(slot, count);
        tensor.Owner.DecodeSymbols(tensor, start, run);
        return run;
    }

    /// <summary>Decodes a run of elements stored without loss.</summary>
    internal Span<byte> Bytes(int slot, CompressedTensorInfo tensor, long start, int count)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int needed = count * tensor.ElementType.Size();
        if (bytes[slot].Length < needed)
            bytes[slot] = GC.AllocateUninitializedArray<byte>(needed);
        Span<byte> run = bytes[slot].AsSpan(0, needed);
        tensor.Owner.DecodeBytes(tensor, start, run);
        return run;
    }

    /// <summary>Tells that elements have been decoded.</summary>
    internal void Done(long count)
    {
        done += count;
        options.Progress?.Report(Math.Min(1, (double)done / total));
    }
}
