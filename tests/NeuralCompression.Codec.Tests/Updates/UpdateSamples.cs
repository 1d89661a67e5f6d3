using System.IO.Compression;

namespace NeuralCompression.Codec.Tests.Updates;

/// <summary>A model, the model that follows it, and what leads from one to the other; the same on every machine.</summary>
internal static class UpdateSamples
{
    /// <summary>Shorter than the longer tensors of the samples, so that those are cut.</summary>
    internal const int SegmentBytes = 1024;

    internal static byte[] Base(CompressionLevel level = CompressionLevel.SmallestSize) => Write(FillBase, level);

    internal static byte[] Next(CompressionLevel level = CompressionLevel.SmallestSize) => Write(FillNext, level);

    internal static CompressedModelUpdateOptions Options(CompressionLevel level = CompressionLevel.SmallestSize) => new() { Level = level, SegmentBytes = SegmentBytes };

    internal static byte[] Create(byte[] before, byte[] next, CompressedModelUpdateOptions options) => Create(before, next, options, out _);

    internal static byte[] Create(byte[] before, byte[] next, CompressedModelUpdateOptions options, out CompressedModelUpdateReport report)
    {
        using CompressedModelReader baseModel = Samples.Open(before);
        using CompressedModelReader nextModel = Samples.Open(next);
        using var update = new MemoryStream();
        report = CompressedModelUpdate.Create(baseModel, nextModel, update, options);
        if (update.Length != report.TotalBytes)
            throw new InvalidOperationException("The report tells another length than the update has.");
        return update.ToArray();
    }

    internal static byte[] Apply(byte[] before, byte[] update, CompressedModelUpdateOptions options)
    {
        using CompressedModelReader baseModel = Samples.Open(before);
        using var output = new MemoryStream();
        CompressedModelUpdate.Apply(baseModel, new MemoryStream(update), output, options);
        return output.ToArray();
    }

    /// <summary>Moves some of the symbols by one.</summary>
    internal static sbyte[] Moved(sbyte[] symbols, ulong seed, int movedOf256, int bornOf256)
    {
        var random = new XorShift(seed);
        return Array.ConvertAll(symbols, symbol => random.Next(256) < (symbol == 0 ? bornOf256 : movedOf256) ? (sbyte)(symbol + (random.Next(2) == 0 ? 1 : -1)) : symbol);
    }

    private static byte[] Write(Action<CompressedModelWriter> fill, CompressionLevel level) => Samples.Write(fill, new CompressedModelWriterOptions { Level = level, SegmentBytes = SegmentBytes });

    private static void FillBase(CompressedModelWriter writer)
    {
        writer.Add("fc1.weight", QuantizedTensor.FromSymbols(Samples.Structured(30, 40, 1, 5), [30, 40], QuantizationGrid.Uniform(0.125)));
        writer.Add("fc1.bias", ElementType.Float32, [30], Samples.FloatBytes(30, 2, 4));
        writer.Add("fc2.weight", QuantizedTensor.FromSymbols(Samples.Sparse(10 * 30, 3, 200), [10, 30], QuantizationGrid.Uniform(0.1)));
        writer.Add("frozen", QuantizedTensor.FromSymbols(Samples.Sparse(500, 4, 100), [20, 25], QuantizationGrid.Uniform(1)));
        writer.Add("channels", QuantizedTensor.FromSymbols(Samples.Sparse(4 * 3 * 25, 30, 128), [4, 3, 5, 5], QuantizationGrid.PerChannel([0.5f, 0.25f, 0.1f, 3f])));
        writer.Add("codebook", QuantizedTensor.FromSymbols(Samples.Sparse(200, 32, 100), [200], QuantizationGrid.Codebook([.. Enumerable.Range(-8, 17).Select(i => i * i * 0.01f)], -8), ElementType.BFloat16));
        writer.Add("wide", QuantizedTensor.FromSymbols(Array.ConvertAll(Samples.Sparse(300, 62, 100), symbol => (short)(symbol * 400)), [300], QuantizationGrid.Uniform(0.1), ElementType.Float64));
        writer.Add("half", ElementType.Float16, [500], Samples.FloatBytes(500, 63, 2));
        writer.Add("double", ElementType.Float64, [3, 70], Samples.FloatBytes(210, 64, 8));
        writer.Add("signs", ElementType.Float8E4M3, [120], [.. Enumerable.Range(0, 120).Select(i => (byte)(i * i))]);
        writer.Add("counter", ElementType.Int64, [], BitConverter.GetBytes(469L));
        writer.Add("table", ElementType.UInt16, [200], [.. Enumerable.Range(0, 200).SelectMany(i => BitConverter.GetBytes((ushort)(i * 300)))]);
        writer.Add("replaced", QuantizedTensor.FromSymbols(Samples.Sparse(100, 65, 100), [100], QuantizationGrid.Uniform(1)));
        writer.Add("removed", ElementType.Float32, [10], Samples.FloatBytes(10, 66, 4));
        writer.AddAlias("head", "fc2.weight");
        writer.Add("empty", QuantizedTensor.FromSymbols(Array.Empty<sbyte>(), [3, 0], QuantizationGrid.Uniform(1)));
        writer.AddMetadata("licence", "MIT");
    }

    private static void FillNext(CompressedModelWriter writer)
    {
        writer.Add("fc1.weight", QuantizedTensor.FromSymbols(Moved(Samples.Structured(30, 40, 1, 5), 11, 40, 6), [30, 40], QuantizationGrid.Uniform(0.125)));
        writer.Add("fc1.bias", ElementType.Float32, [30], Nudged(Samples.FloatBytes(30, 2, 4), 4, 3));
        writer.Add("fc2.weight", QuantizedTensor.FromSymbols(Moved(Samples.Sparse(10 * 30, 3, 200), 12, 40, 6), [10, 30], QuantizationGrid.Uniform(0.11)));
        writer.Add("frozen", QuantizedTensor.FromSymbols(Samples.Sparse(500, 4, 100), [20, 25], QuantizationGrid.Uniform(1)));
        writer.Add("channels", QuantizedTensor.FromSymbols(Moved(Samples.Sparse(4 * 3 * 25, 30, 128), 13, 10, 2), [4, 3, 5, 5], QuantizationGrid.PerChannel([0.5f, 0.25f, 0.2f, 3f]), ElementType.Float16));
        writer.Add("codebook", QuantizedTensor.FromSymbols(Moved(Samples.Sparse(200, 32, 100), 14, 10, 10), [200], QuantizationGrid.Codebook([.. Enumerable.Range(-8, 17).Select(i => i * i * 0.01f)], -8), ElementType.BFloat16));
        short[] wide = Array.ConvertAll(Samples.Sparse(300, 62, 100), symbol => (short)(symbol * 400));
        wide[7] += 3;
        wide[299] = -2799;
        writer.Add("wide", QuantizedTensor.FromSymbols(wide, [300], QuantizationGrid.Uniform(0.1), ElementType.Float64));
        writer.Add("half", ElementType.Float16, [500], Nudged(Samples.FloatBytes(500, 63, 2), 2, 2));
        writer.Add("double", ElementType.Float64, [3, 70], Nudged(Samples.FloatBytes(210, 64, 8), 8, 9));
        writer.Add("signs", ElementType.Float8E4M3, [120], Nudged([.. Enumerable.Range(0, 120).Select(i => (byte)(i * i))], 1, 40));
        writer.Add("counter", ElementType.Int64, [], BitConverter.GetBytes(938L));
        writer.Add("table", ElementType.UInt16, [200], [.. Enumerable.Range(0, 200).SelectMany(i => BitConverter.GetBytes((ushort)((i * 300) - (i % 17 == 0 ? 1 : 0))))]);
        writer.Add("new", ElementType.Float32, [16], Samples.FloatBytes(16, 67, 4));
        writer.Add("newer", QuantizedTensor.FromSymbols(Samples.Sparse(60, 68, 100), [60], QuantizationGrid.Uniform(1)));
        writer.Add("replaced", QuantizedTensor.FromSymbols(Samples.Sparse(90, 65, 100), [90], QuantizationGrid.Uniform(1)));
        writer.AddAlias("head", "fc1.weight");
        writer.AddAlias("tied", "frozen");
        writer.Add("empty", QuantizedTensor.FromSymbols(Array.Empty<sbyte>(), [3, 0], QuantizationGrid.Uniform(2)));
        writer.AddMetadata("licence", "MIT");
        writer.AddMetadata("step", "2");
    }

    // Every so many elements, the one value of the type farther from zero.
    private static byte[] Nudged(byte[] elements, int size, int every)
    {
        for (int i = 0; i < elements.Length; i += size * every)
        {
            for (int at = i; ++elements[at] == 0 && at + 1 < i + size; at++)
            {
            }
        }

        return elements;
    }
}
