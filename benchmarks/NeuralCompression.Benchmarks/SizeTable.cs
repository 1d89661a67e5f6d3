using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using NeuralCompression.Codec;

namespace NeuralCompression.Benchmarks;

/// <summary>Whole-file sizes against order-0 entropy, and encode and decode speed in processor time, one table: <c>sizes [folder of NAME.i8.gz]</c>.</summary>
internal static class SizeTable
{
    private const int Repeats = 5;

    /// <summary>Bytes of NNCodec 0.3.1 on the reference sets; source: benchmarks/data/README.md.</summary>
    private static readonly Dictionary<string, double> NNCodecBytes = new()
    {
        ["b_tern95_struct"] = 602_401,
        ["e_lenet300_dense_max32"] = 116_263,
        ["e_lenet300_hoyer_max32"] = 10_376,
        ["e_lenet5_hoyer_max8"] = 7_848,
        ["f_ocr_2b"] = 916_251,
        ["f_ocr_4b"] = 1_855_199,
    };

    internal static void Run(string? folder)
    {
        var sets = new List<TensorSet>
        {
            TensorSet.Synthetic("ternary95", 1 << 24, 1, (u, v) => (sbyte)(u < 0.95 ? 0 : v < 0.5 ? 1 : -1)),
            TensorSet.Synthetic("laplace2.5", 1 << 24, 2, (u, v) => (sbyte)Math.Clamp(Math.Round((v < 0.5 ? -1 : 1) * -Math.Log(1 - u) * 1.05), -16, 16)),
            TensorSet.Synthetic("gauss6", 1 << 24, 3, (u, v) => (sbyte)Math.Clamp(Math.Round(Math.Sqrt(-2 * Math.Log(1 - u)) * Math.Cos(2 * Math.PI * v) * 15.5), -127, 127)),
        };
        if (folder is not null)
            sets.AddRange(Directory.EnumerateFiles(folder, "*.i8.gz").Order(StringComparer.Ordinal).Select(TensorSet.Read));

        Console.WriteLine("| set | level | tensors | weights | order-0 bits/weight | file bytes | bits/weight | over order-0 | of NNCodec | encode M/s | decode M/s |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|");
        foreach (TensorSet set in sets)
        {
            double entropy = set.Entropy;
            foreach (CompressionLevel level in new[] { CompressionLevel.Fastest, CompressionLevel.Optimal, CompressionLevel.SmallestSize })
            {
                byte[] file = [];
                double encode = Median(() => file = Write(set, level));
                double decode = Median(() => Read(set, file));
                double bits = 8.0 * file.Length / set.Weights;
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {set.Name} | {level} | {set.Tensors.Count} | {set.Weights} | {entropy:F4} | {file.Length} | {bits:F4} | {(bits / entropy) - 1:P2} | {(NNCodecBytes.TryGetValue(set.Name, out double other) ? (file.Length / other).ToString("F4", CultureInfo.InvariantCulture) : "")} | {set.Weights / encode / 1e6:F0} | {set.Weights / decode / 1e6:F0} |"));
            }
        }
    }

    private static byte[] Write(TensorSet set, CompressionLevel level)
    {
        using var stream = new MemoryStream();
        using (var writer = CompressedModelWriter.Create(stream, level))
        {
            foreach ((string name, long[] shape, sbyte[] symbols) in set.Tensors)
                writer.Add(name, QuantizedTensor.FromSymbols(symbols, shape, QuantizationGrid.Uniform(0.0078125)));
            writer.Complete();
        }

        return stream.ToArray();
    }

    private static void Read(TensorSet set, byte[] file)
    {
        using var reader = CompressedModelReader.Open(new MemoryStream(file));
        sbyte[] buffer = new sbyte[set.Tensors.Max(tensor => tensor.Symbols.Length)];
        foreach ((string name, _, sbyte[] symbols) in set.Tensors)
        {
            Span<sbyte> decoded = buffer.AsSpan(0, symbols.Length);
            reader.DecodeSymbols(reader[name], decoded);
            if (!decoded.SequenceEqual(symbols))
                throw new InvalidOperationException($"{set.Name}/{name} decodes to other symbols.");
        }
    }

    // Processor time of this process, which works on one thread: wall time says little on a machine that is shared.
    private static double Median(Action action)
    {
        // Small sets need many runs until the runtime has compiled their code for good.
        long begin = Stopwatch.GetTimestamp();
        do
            action();
        while (Stopwatch.GetElapsedTime(begin).TotalSeconds < 0.5);
        var times = new double[Repeats];
        for (int i = 0; i < Repeats; i++)
        {
            TimeSpan start = Environment.CpuUsage.TotalTime;
            int runs = 0;
            do
            {
                action();
                runs++;
            }
            while ((Environment.CpuUsage.TotalTime - start).TotalSeconds < 0.1);
            times[i] = (Environment.CpuUsage.TotalTime - start).TotalSeconds / runs;
        }

        Array.Sort(times);
        return times[Repeats / 2];
    }
}
