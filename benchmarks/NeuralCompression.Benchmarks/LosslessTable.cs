using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using NeuralCompression.Codec;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Lossless.Kernels;

namespace NeuralCompression.Benchmarks;

/// <summary>Float tensors without loss, whole files, beside Zstandard and htscodecs on the same bytes, runs interleaved: <c>lossless [folder of NAME.f32.gz] [rounds]</c>.</summary>
/// <remarks>Speeds are of decoded bytes, in the thread's own processor time where the system tells it. Every row is decoded and compared first.</remarks>
internal static class LosslessTable
{
    /// <summary>Rounds that are not counted.</summary>
    private const int WarmUp = 2;

    private sealed record Row(string Coder, long Bytes, Action Encode, Action Decode);

    private sealed record Model(string Name, ElementType Type, IReadOnlyList<(string Name, byte[] Elements)> Tensors)
    {
        internal byte[] Raw { get; } = [.. Tensors.SelectMany(tensor => tensor.Elements)];
    }

    internal static void Run(string folder, int rounds)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{rounds} interleaved rounds, medians; plane kernels here: {string.Join(", ", PlaneKernels.All.Where(kernel => kernel.IsSupported).Select(kernel => kernel.Name))}"));
        if (!HtsCodecs.IsAvailable)
            Console.WriteLine("skipped: htscodecs (libhtscodecs.so.2 is not installed)");
        foreach (string path in Directory.EnumerateFiles(folder, "*.f32.gz").Order(StringComparer.Ordinal))
        {
            foreach (Model model in Models(path))
                Measure(model, rounds);
        }
    }

    // The network as it is, in the two half-precision types, and in the two shapes that networks made small for other formats have.
    private static IEnumerable<Model> Models(string path)
    {
        string stem = path[..^".f32.gz".Length];
        using var unzipped = new MemoryStream();
        using (var zipped = new GZipStream(File.OpenRead(path), CompressionMode.Decompress))
            zipped.CopyTo(unzipped);
        float[] all = MemoryMarshal.Cast<byte, float>(unzipped.ToArray().AsSpan()).ToArray();
        var tensors = new List<(string Name, float[] Values)>();
        foreach (string line in File.ReadLines(stem + ".f32.shapes.txt"))
        {
            // Lines: offset count name shape. A set may hold two networks that use one name.
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            tensors.Add(($"{fields[2]}@{fields[0]}", all.AsSpan(int.Parse(fields[0], CultureInfo.InvariantCulture), int.Parse(fields[1], CultureInfo.InvariantCulture)).ToArray()));
        }

        string name = Path.GetFileName(stem);
        yield return Convert(name + ", float32", ElementType.Float32, tensors, value => value);
        yield return new Model(name + ", float32 in one tensor", ElementType.Float32, [("all", MemoryMarshal.AsBytes<float>(all).ToArray())]);
        yield return Convert(name + ", bfloat16", ElementType.BFloat16, tensors, value => value);
        yield return Convert(name + ", float16", ElementType.Float16, tensors, value => value);
        yield return Convert(name + ", bfloat16 values in float32", ElementType.Float32, tensors, value => BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(value)));
        yield return Convert(name + ", float32, smallest 90 % of each tensor times 0", ElementType.Float32, tensors.ConvertAll(Prune), value => value);
        yield return Convert(name + ", float32, rounded to 15 multiples of a step per tensor", ElementType.Float32, tensors.ConvertAll(Round), value => value);
    }

    private static (string Name, float[] Values) Prune((string Name, float[] Values) tensor)
    {
        float threshold = tensor.Values.Select(MathF.Abs).Order().ElementAt(tensor.Values.Length * 9 / 10);
        return (tensor.Name, Array.ConvertAll(tensor.Values, value => MathF.Abs(value) < threshold ? value * 0 : value));
    }

    private static (string Name, float[] Values) Round((string Name, float[] Values) tensor)
    {
        float step = tensor.Values.Max(MathF.Abs) / 7;
        return (tensor.Name, Array.ConvertAll(tensor.Values, value => step == 0 ? 0 : MathF.Round(value / step) * step));
    }

    private static Model Convert(string name, ElementType type, List<(string Name, float[] Values)> tensors, Func<float, float> change) =>
        new(name, type, tensors.ConvertAll(tensor =>
        {
            var elements = new byte[tensor.Values.Length * type.Size()];
            ElementBytes.Write(Array.ConvertAll(tensor.Values, value => change(value)), type, elements);
            return (tensor.Name, elements);
        }));

    private static void Measure(Model model, int rounds)
    {
        List<Row> rows = Rows(model);
        var decoding = rows.ConvertAll(_ => new List<double>());
        var encoding = rows.ConvertAll(_ => new List<double>());
        for (int round = -WarmUp; round < rounds; round++)
        {
            if (round == 0)
            {
                decoding.ForEach(times => times.Clear());
                encoding.ForEach(times => times.Clear());
            }

            // The runtime compiles hot methods anew when nothing new was compiled for a tenth of a second.
            if (round <= 0)
                Thread.Sleep(200);
            for (int i = 0; i < rows.Count; i++)
            {
                decoding[i].Add(KernelTable.Time(rows[i].Decode));
                encoding[i].Add(KernelTable.Time(rows[i].Encode));
            }
        }

        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{model.Name}: {model.Tensors.Count} tensors, {model.Raw.Length} bytes"));
        Console.WriteLine();
        Console.WriteLine("| coder | bytes | against raw | decode GB/s | encode GB/s |");
        Console.WriteLine("|---|---|---|---|---|");
        for (int i = 0; i < rows.Count; i++)
        {
            double decode = model.Raw.Length / KernelTable.Median(decoding[i]) / 1e9;
            double encode = model.Raw.Length / KernelTable.Median(encoding[i]) / 1e9;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {rows[i].Coder} | {rows[i].Bytes} | {(double)rows[i].Bytes / model.Raw.Length:F4} | {decode:F2} | {encode:F3} |"));
        }
    }

    private static List<Row> Rows(Model model)
    {
        var rows = new List<Row>();
        byte[] back = new byte[model.Tensors.Max(tensor => tensor.Elements.Length)];
        float[] values = new float[back.Length / model.Type.Size()];
        foreach (CompressionLevel level in new[] { CompressionLevel.Fastest, CompressionLevel.Optimal, CompressionLevel.SmallestSize })
        {
            var stream = new MemoryStream(model.Raw.Length);
            Action encode = () => Write(model, level, stream);
            encode();
            byte[] file = stream.ToArray();
            using (CompressedModelReader reader = CompressedModelReader.Open(new MemoryStream(file)))
            {
                foreach ((string name, byte[] elements) in model.Tensors)
                {
                    reader.DecodeBytes(reader[name], back);
                    Check(back.AsSpan(0, elements.Length).SequenceEqual(elements));
                }
            }

            rows.Add(new($"whole file, {level}", file.Length, encode, () => Read(file, (reader, tensor) => reader.DecodeBytes(tensor, back))));
            if (model.Type != ElementType.Float32 && level == CompressionLevel.Optimal)
                rows.Add(new($"whole file, {level}, to float32", file.Length, encode, () => Read(file, (reader, tensor) => reader.Decode(tensor, values))));
        }

        byte[] decoded = new byte[model.Raw.Length];
        if (HtsCodecs.IsAvailable)
        {
            // It has no floats: it gets the planes, and the time of making them is not counted.
            int size = model.Type.Size();
            int length = model.Raw.Length / size;
            byte[] planes = new byte[model.Raw.Length];
            PlaneKernels.Split(model.Raw, size, rotate: true, planes, length);
            byte[][] coded = [.. Enumerable.Range(0, size).Select(plane => HtsCodecs.Compress(planes.AsSpan(plane * length, length), HtsCodecs.X32))];
            byte[] room = new byte[(2 * length) + (1 << 20)];
            Action unpack = () =>
            {
                for (int plane = 0; plane < size; plane++)
                    HtsCodecs.Decompress(coded[plane], decoded.AsSpan(plane * length, length));
            };
            unpack();
            Check(decoded.AsSpan().SequenceEqual(planes));
            Action pack = () =>
            {
                for (int plane = 0; plane < size; plane++)
                    HtsCodecs.Compress(planes.AsSpan(plane * length, length), HtsCodecs.X32, room);
            };
            rows.Add(new("htscodecs 32x16, planes given", coded.Sum(plane => (long)plane.Length), pack, unpack));
        }

        foreach (int level in new[] { 1, 3 })
        {
            using var packer = new ZstdSharp.Compressor(level);
            byte[] packed = packer.Wrap(model.Raw).ToArray();
            rows.Add(new($"ZstdSharp {level}", packed.Length, () => Zstandard(model.Raw, level), () => Unzstandard(packed, decoded)));
        }

        return rows;
    }

    private static void Write(Model model, CompressionLevel level, MemoryStream stream)
    {
        stream.SetLength(0);
        using var writer = CompressedModelWriter.Create(stream, level, leaveOpen: true);
        foreach ((string name, byte[] elements) in model.Tensors)
            writer.Add(name, model.Type, [elements.Length / model.Type.Size()], elements);
        writer.Complete();
    }

    private static void Read(byte[] file, Action<CompressedModelReader, CompressedTensorInfo> decode)
    {
        using CompressedModelReader reader = CompressedModelReader.Open(new MemoryStream(file));
        foreach (CompressedTensorInfo tensor in reader.Tensors)
            decode(reader, tensor);
    }

    private static void Zstandard(byte[] bytes, int level)
    {
        using var packer = new ZstdSharp.Compressor(level);
        packer.Wrap(bytes);
    }

    private static void Unzstandard(byte[] packed, byte[] bytes)
    {
        using var unpacker = new ZstdSharp.Decompressor();
        unpacker.Unwrap(packed, bytes);
    }

    private static void Check(bool isTrue)
    {
        if (!isTrue)
            throw new InvalidOperationException("A coder gives other bytes back.");
    }
}
