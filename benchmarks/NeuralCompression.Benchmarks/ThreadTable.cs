using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using NeuralCompression.Codec;

namespace NeuralCompression.Benchmarks;

/// <summary>Two threads against one, decoding one tensor of many segments at each level: <c>threads [rounds] [weights]</c>.</summary>
/// <remarks>Wall time, both in turn; the machine's load stands beside the ratio, because a busy second processor halves it.</remarks>
internal static class ThreadTable
{
    private const int Columns = 5_000;

    internal static void Run(int rounds, int length)
    {
        length -= length % Columns;
        sbyte[] symbols = Draw(length);
        QuantizedTensor tensor = QuantizedTensor.FromSymbols(symbols, [length / Columns, Columns], QuantizationGrid.Uniform(0.5));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{length} ternary weights in rows of {Columns}, about 95 % zeros, rows and columns unequally busy; {Environment.ProcessorCount} processors; {rounds} rounds, medians of wall time"));
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

    // Busy and idle lines, the columns changing every few rows, so that what adapts pays: otherwise the levels fall back to faster coders, and it is those that are timed.
    private static sbyte[] Draw(int length)
    {
        const double Quiet = 0.4;
        const int Period = 250;
        byte[] coarse = KernelTable.Draw(length, 1, [0.065, 0.87, 0.065]);
        var rows = KernelTable.Draw(length / Columns, 2, [Quiet, 1 - Quiet]);
        var columns = KernelTable.Draw(((rows.Length / Period) + 1) * Columns, 3, [Quiet, 1 - Quiet]);
        byte[] kept = KernelTable.Draw(length, 4, [0.9, 0.1]);
        var symbols = new sbyte[length];
        for (int i = 0; i < length; i++)
        {
            bool busy = rows[i / Columns] + columns[(i / Columns / Period * Columns) + (i % Columns)] == 2 ? kept[i] == 0 : kept[i] == 1;
            symbols[i] = busy ? (sbyte)(coarse[i] - 1) : (sbyte)0;
        }

        return symbols;
    }

    // Of the last minute, as the system tells it.
    private static string Load() => File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown";
}
