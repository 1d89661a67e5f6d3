using System.Globalization;
using System.IO.Compression;
using NeuralCompression.Codec;

namespace NeuralCompression.Benchmarks;

/// <summary>Stored bytes beside Brotli 11 (window of 16 MiB) on the same symbols, a byte each, tensor by tensor and whole: <c>brotli [folder of NAME.i8.gz]</c>.</summary>
internal static class BrotliTable
{
    private const int Quality = 11;
    private const int Window = 24;

    internal static void Run(string folder)
    {
        Console.WriteLine("| set | tensors | Brotli 11 bytes | Optimal bytes | of Brotli | worst tensor | SmallestSize bytes | of Brotli | worst tensor |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        foreach (TensorSet set in Directory.EnumerateFiles(folder, "*.i8.gz").Order(StringComparer.Ordinal).Select(TensorSet.Read))
        {
            long[] brotli = [.. set.Tensors.Select(tensor => Compressed((byte[])(Array)tensor.Symbols))];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {set.Name} | {set.Tensors.Count} | {brotli.Sum()} | {Row(set, CompressionLevel.Optimal, brotli)} | {Row(set, CompressionLevel.SmallestSize, brotli)} |"));
        }
    }

    // The whole file against the sum of all tensors, which have neither names nor shapes there; each tensor by its payload.
    private static string Row(TensorSet set, CompressionLevel level, long[] brotli)
    {
        using var stream = new MemoryStream();
        using (var writer = CompressedModelWriter.Create(stream, level))
        {
            foreach ((string name, long[] shape, sbyte[] symbols) in set.Tensors)
                writer.Add(name, QuantizedTensor.FromSymbols(symbols, shape, QuantizationGrid.Uniform(0.0078125)));
            writer.Complete();
        }

        byte[] file = stream.ToArray();
        using var reader = CompressedModelReader.Open(new MemoryStream(file));
        double worst = set.Tensors.Select((tensor, i) => (double)reader[tensor.Name].StoredBytes / brotli[i]).Max();
        return string.Create(CultureInfo.InvariantCulture, $"{file.Length} | {(double)file.Length / brotli.Sum():F3} | {worst:F3}");
    }

    private static long Compressed(byte[] bytes)
    {
        var target = new byte[BrotliEncoder.GetMaxCompressedLength(bytes.Length)];
        return BrotliEncoder.TryCompress(bytes, target, out int written, Quality, Window) ? written : throw new InvalidOperationException("Brotli failed.");
    }
}
