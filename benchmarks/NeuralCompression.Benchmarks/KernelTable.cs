using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using NeuralCompression.Codec;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Benchmarks;

/// <summary>Every kernel and whole <c>Fastest</c> files beside htscodecs and Zstandard on the same bytes, runs interleaved: <c>kernels [rounds] [weights]</c>.</summary>
/// <remarks>Every row is decoded and compared first. Times are of the thread's own processor time where the system tells it, because the machine may be shared.</remarks>
internal static unsafe class KernelTable
{
    private sealed record Row(string Name, long Bytes, Action Encode, Action Decode);

    internal static void Run(int rounds, int length)
    {
        Console.WriteLine($"{length} weights, SplitMix64 seeds 1 to 5, {rounds} interleaved rounds, medians; kernels here: {string.Join(", ", RansKernels.All.Where(kernel => kernel.IsSupported).Select(kernel => kernel.Name))}");
        if (!HtsCodecs.IsAvailable)
            Console.WriteLine("skipped: htscodecs (libhtscodecs.so.2 is not installed)");
        Measure("ternary, 95 % zeros", Draw(length, 1, [0.025, 0.95, 0.025]), rounds);
        Measure("ternary, 90 % zeros", Draw(length, 2, [0.05, 0.9, 0.05]), rounds);
        Measure("8 symbols", Draw(length, 3, Geometric(8, 0.4)), rounds);
        Measure("16 symbols", Draw(length, 4, Geometric(16, 0.58)), rounds);
        Measure("256 symbols", Draw(length, 5, Gaussian(256, 15.5)), rounds);
    }

    /// <summary>Symbols below the number of probabilities, independent, from SplitMix64.</summary>
    internal static byte[] Draw(int length, ulong seed, double[] probabilities)
    {
        var limits = new ulong[probabilities.Length];
        double sum = 0;
        double total = probabilities.Sum();
        for (int symbol = 0; symbol < limits.Length; symbol++)
        {
            sum += probabilities[symbol];
            limits[symbol] = symbol == limits.Length - 1 ? ulong.MaxValue : (ulong)(sum / total * (1UL << 53)) << 11;
        }

        var symbols = new byte[length];
        ulong state = seed;
        for (int i = 0; i < length; i++)
        {
            state += 0x9E3779B97F4A7C15;
            ulong z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            z ^= z >> 31;
            int symbol = 0;
            while (z >= limits[symbol] && symbol < limits.Length - 1)
                symbol++;
            symbols[i] = (byte)symbol;
        }

        return symbols;
    }

    private static double[] Geometric(int symbols, double ratio) => [.. Enumerable.Range(0, symbols).Select(symbol => Math.Pow(ratio, Math.Abs(symbol - (symbols / 2))))];

    private static double[] Gaussian(int symbols, double deviation) =>
        [.. Enumerable.Range(0, symbols).Select(symbol => Math.Exp(-Math.Pow((symbol - (symbols / 2)) / deviation, 2) / 2))];

    private static void Measure(string name, byte[] text, int rounds)
    {
        long[] counts = ByteHistogram.Count(text, 256);
        double entropy = 0;
        foreach (long count in counts)
            entropy -= count == 0 ? 0 : count * Math.Log2((double)count / text.Length);
        entropy /= text.Length;
        List<Row> rows = Rows(text, counts);
        var decoding = new List<double>[rows.Count];
        var encoding = new List<double>[rows.Count];
        for (int i = 0; i < rows.Count; i++)
            (decoding[i], encoding[i]) = ([], []);
        foreach (Row row in rows)
            Warm(row);
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < rows.Count; i++)
            {
                decoding[i].Add(Time(rows[i].Decode));
                encoding[i].Add(Time(rows[i].Encode));
            }
        }

        int reference = rows.FindIndex(row => row.Name == "htscodecs 32x16");
        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}, order-0 entropy {entropy:F4} bits/weight"));
        Console.WriteLine();
        Console.WriteLine("| coder | bits/weight | over order-0 | decode M/s | x 32x16 | encode M/s | x 32x16 |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        for (int i = 0; i < rows.Count; i++)
        {
            double bits = 8.0 * rows[i].Bytes / text.Length;
            double decode = text.Length / Median(decoding[i]) / 1e6;
            double encode = text.Length / Median(encoding[i]) / 1e6;
            string decodeRatio = reference < 0 ? "" : Ratio(decoding[reference], decoding[i]);
            string encodeRatio = reference < 0 ? "" : Ratio(encoding[reference], encoding[i]);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {rows[i].Name} | {bits:F4} | {(bits / entropy) - 1:P2} | {decode:F0} | {decodeRatio} | {encode:F0} | {encodeRatio} |"));
        }
    }

    // Until the runtime has replaced the code it compiled in a hurry, which it does in the background 100 ms after the last such method was met.
    private static void Warm(Row row)
    {
        for (int turn = 0; turn < 3; turn++)
        {
            long start = Stopwatch.GetTimestamp();
            do
            {
                row.Decode();
                row.Encode();
            }
            while (Stopwatch.GetElapsedTime(start).TotalSeconds < 0.2);
            Thread.Sleep(150);
        }
    }

    private static List<Row> Rows(byte[] text, long[] counts)
    {
        var rows = new List<Row>();
        var decoded = new byte[text.Length];
        sbyte[] symbols = Array.ConvertAll(text, value => (sbyte)(value - 128));
        var restored = new sbyte[text.Length];
        QuantizedTensor tensor = QuantizedTensor.FromSymbols(symbols, [text.Length], QuantizationGrid.Uniform(0.5));

        var stream = new MemoryStream(text.Length);
        Action encode = () =>
        {
            stream.SetLength(0);
            using var writer = CompressedModelWriter.Create(stream, CompressionLevel.Fastest, leaveOpen: true);
            writer.Add("weight", tensor);
            writer.Complete();
        };
        encode();
        byte[] file = stream.ToArray();
        Action decode = () =>
        {
            using var reader = CompressedModelReader.Open(new MemoryStream(file));
            reader.DecodeSymbols(reader.Tensors[0], restored);
        };
        decode();
        Check(restored.AsSpan().SequenceEqual(symbols));
        rows.Add(new("whole file, Fastest", file.Length, encode, decode));
        var floats = new float[text.Length];
        Action dequantize = () =>
        {
            using var reader = CompressedModelReader.Open(new MemoryStream(file));
            reader.Decode(reader.Tensors[0], floats);
        };
        dequantize();
        Check(Enumerable.Range(0, text.Length).All(i => floats[i] == symbols[i] * 0.5f));
        rows.Add(new("whole file, Fastest, to float32", file.Length, encode, dequantize));

        int alphabet = Array.FindLastIndex(counts, count => count > 0) + 1;
        int first = Array.FindIndex(counts, count => count > 0);
        RansPlan plan = RansPlan.Create(counts.AsSpan(first, alphabet - first), 12)!;
        byte[] tokens = Array.ConvertAll(text, value => (byte)(value - first));
        var outputs = new byte[alphabet - first];
        SlotTable.FillOutputs(outputs, (byte)first);
        var words = new byte[(text.Length * 2) + 128];
        foreach (RansKernel kernel in RansKernels.All.Where(kernel => kernel.IsSupported))
        {
            var states = new uint[64];
            int start = 0;
            Action kernelEncode = () => start = RansKernels.Encode(kernel.Encode, tokens, plan.Table, states, words);
            kernelEncode();
            byte[] coded = words[start..];
            uint[] end = [.. states];
            Action kernelDecode = () => RansKernels.Decode(kernel.Decode, coded, new SlotTable(plan.Table, outputs), [.. end], decoded);
            kernelDecode();
            Check(decoded.AsSpan().SequenceEqual(text));
            rows.Add(new($"kernel {kernel.Name}, a token each", coded.Length + 256, kernelEncode, kernelDecode));
        }

        if (HtsCodecs.IsAvailable)
        {
            foreach ((string mode, int flags) in new[] { ("htscodecs 32x16", HtsCodecs.X32), ("htscodecs 32x16 packed", HtsCodecs.X32Packed) })
            {
                byte[] coded = HtsCodecs.Compress(text, flags);
                var room = new byte[text.Length + (1 << 20)];
                Array.Clear(decoded);
                HtsCodecs.Decompress(coded, decoded);
                Check(decoded.AsSpan().SequenceEqual(text));
                rows.Add(new(mode, coded.Length, () => HtsCodecs.Compress(text, flags, room), () => HtsCodecs.Decompress(coded, decoded)));
            }
        }

        using var packer = new ZstdSharp.Compressor(1);
        byte[] packed = packer.Wrap(text).ToArray();
        rows.Add(new("ZstdSharp 1", packed.Length, () => Zstandard(text), () => Unzstandard(packed, decoded)));
        return rows;
    }

    private static void Zstandard(byte[] text)
    {
        using var packer = new ZstdSharp.Compressor(1);
        packer.Wrap(text);
    }

    private static void Unzstandard(byte[] packed, byte[] decoded)
    {
        using var unpacker = new ZstdSharp.Decompressor();
        unpacker.Unwrap(packed, decoded);
    }

    private static void Check(bool isTrue)
    {
        if (!isTrue)
            throw new InvalidOperationException("A coder gives other symbols back.");
    }

    private static string Ratio(List<double> reference, List<double> times)
    {
        // Of neighbours in one round, then the median: what else the machine does then falls on both.
        return Median([.. reference.Zip(times, (one, other) => one / other)]).ToString("F2", CultureInfo.InvariantCulture);
    }

    internal static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    /// <summary>Seconds of processor time of this thread, or of wall time where the system does not tell.</summary>
    internal static double Time(Action action)
    {
        if (!OperatingSystem.IsLinux())
        {
            long start = Stopwatch.GetTimestamp();
            action();
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        double before = ThreadTime();
        action();
        return ThreadTime() - before;
    }

    internal static double ThreadTime()
    {
        long* time = stackalloc long[2];
        _ = clock_gettime(3, time);
        return time[0] + (time[1] * 1e-9);
    }

    // Clock 3 of Linux is the processor time of the calling thread.
    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int clock_gettime(int clock, long* time);
}
