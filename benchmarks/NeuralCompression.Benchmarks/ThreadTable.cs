using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using NeuralCompression.Codec;

namespace NeuralCompression.Benchmarks;

/// <summary>Two threads against one, decoding one tensor of many segments at each level: <c>threads [rounds] [weights]</c>.</summary>
/// <remarks>Wall time, both in turn; the machine's load stands beside the ratio, because a busy second processor halves it.</remarks>
internal static class ThreadTable
{
    internal static void Run(int rounds, int length)
    {
        sbyte[] symbols = Array.ConvertAll(KernelTable.Draw(length, 1, [0.025, 0.95, 0.025]), value => (sbyte)(value - 1));
        QuantizedTensor tensor = QuantizedTensor.FromSymbols(symbols, [length], QuantizationGrid.Uniform(0.5));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{length} ternary weights, 95 % zeros, SplitMix64 seed 1; {Environment.ProcessorCount} processors; {rounds} rounds, medians of wall time"));
        Console.WriteLine();
        Console.WriteLine("| level | bits/weight | one thread, M/s | two threads, M/s | ratio, median (least to most) | load before, after |");
        Console.WriteLine("|---|---|---|---|---|---|");
        var decoded = new sbyte[length];
        foreach (CompressionLevel level in new[] { CompressionLevel.Fastest, CompressionLevel.Optimal, CompressionLevel.SmallestSize })
        {
            using var stream = new MemoryStream();
            using (var writer = CompressedModelWriter.Create(stream, new CompressedModelWriterOptions { Level = level, MaxDegreeOfParallelism = -1 }, leaveOpen: true))
            {
                writer.Add("weight", tensor);
                writer.Complete();
            }

            byte[] file = stream.ToArray();
            string before = Load();
            var one = new List<double>();
            var two = new List<double>();
            for (int round = 0; round < rounds + 1; round++)
            {
                double single = Time(1);
                double twin = Time(2);
                if (!decoded.AsSpan().SequenceEqual(symbols))
                    throw new InvalidOperationException("A level gives other symbols back.");

                // The first round compiles and brings the file into memory.
                if (round == 0)
                    continue;
                one.Add(single);
                two.Add(twin);
            }

            double[] ratios = [.. one.Zip(two, (single, twin) => single / twin).Order()];
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {level} | {8.0 * file.Length / length:F4} | {length / KernelTable.Median(one) / 1e6:F0} | {length / KernelTable.Median(two) / 1e6:F0} | {ratios[ratios.Length / 2]:F2} ({ratios[0]:F2} to {ratios[^1]:F2}) | {before}, {Load()} |"));

            double Time(int threads)
            {
                decoded.AsSpan().Clear();
                using var reader = CompressedModelReader.Open(new MemoryStream(file));
                long start = Stopwatch.GetTimestamp();
                reader.DecodeSymbols(reader.Tensors[0], decoded.AsMemory(), new DecodeOptions { MaxDegreeOfParallelism = threads });
                return Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
        }
    }

    // Of the last minute, as the system tells it.
    private static string Load() => File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown";
}
