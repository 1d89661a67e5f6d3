namespace NeuralCompression.Codec;

/// <summary>Decodes tensors one after the other for a file of another format, in pieces, so that they may be larger than memory.</summary>
/// <param name="tensors">All that will be decoded.</param>
/// <param name="progress">Is told how much of that is done; fraction.</param>
/// <param name="cancellationToken">Stops between two pieces.</param>
internal sealed class PieceDecoder(IEnumerable<CompressedTensorInfo> tensors, IProgress<double>? progress, CancellationToken cancellationToken)
{
    /// <summary>Decoded at once of a tensor that is not cut, which may be long where all its elements are equal; bytes.</summary>
    private const int PieceBytes = 16 << 20;

    private readonly double total = Math.Max(1, tensors.Sum(tensor => (double)tensor.DecodedBytes));
    private byte[] piece = [];
    private double done;

    /// <summary>Gives a tensor's bytes to whoever writes them.</summary>
    internal void Run(CompressedTensorInfo tensor, Action<ReadOnlySpan<byte>> write)
    {
        // Whole segments: a part of one costs as much to decode as all of it.
        int size = tensor.ElementType.Size();
        long step = Math.Max(1, tensor.SegmentCount == 1 ? PieceBytes / size : tensor.SegmentLength);
        for (long start = 0; start < tensor.Length; start += step)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int bytes = (int)(Math.Min(step, tensor.Length - start) * size);
            if (piece.Length < bytes)
                piece = GC.AllocateUninitializedArray<byte>(bytes);
            tensor.Owner.DecodeBytes(tensor, start, piece.AsSpan(0, bytes));
            write(piece.AsSpan(0, bytes));
            done += bytes;
            progress?.Report(Math.Min(1, done / total));
        }
    }
}
