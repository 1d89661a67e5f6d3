using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Plots;

/// <summary>What the picture shows of one tensor.</summary>
/// <param name="Name">Its name.</param>
/// <param name="StoredBytes">Its payload; bytes.</param>
/// <param name="Length">How many elements it has; elements.</param>
/// <param name="Sparsity">The share of zeros among those that were read; fraction.</param>
/// <param name="Sample">Finite values, evenly from the part that was read; weight units.</param>
internal sealed record LayerStatistics(string Name, long StoredBytes, long Length, double Sparsity, float[] Sample)
{
    // A picture needs no more: the first segments of a tensor, and this many of their values.
    private const long MaxRead = 1 << 24;
    private const int MaxSample = 1 << 16;

    internal static List<LayerStatistics> Of(ModelFile model, IProgress<double> progress, CancellationToken cancellationToken)
    {
        var layers = new List<LayerStatistics>();
        CompressedTensorInfo[] tensors = [.. model.Tensors.Where(tensor => tensor.AliasOf is null && tensor.Length > 0)];
        foreach (CompressedTensorInfo tensor in tensors)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var values = new float[Math.Min(tensor.Length, MaxRead)];
            model.ReaderOf(tensor).Decode(tensor, 0, values);
            var sample = new float[Math.Min(values.Length, MaxSample)];
            for (int i = 0; i < sample.Length; i++)
                sample[i] = values[(int)((long)i * values.Length / sample.Length)];
            layers.Add(new LayerStatistics(
                Output.Printable(tensor.Name), tensor.StoredBytes, tensor.Length, values.AsSpan().Count(0f) / (double)values.Length, [.. sample.Where(float.IsFinite)]));
            progress.Report((double)layers.Count / tensors.Length);
        }

        return layers;
    }
}
