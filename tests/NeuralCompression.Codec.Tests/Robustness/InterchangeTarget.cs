using System.Buffers.Binary;
using System.IO.Compression;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Models of other programs: read, and what is accepted compressed and given back.</summary>
internal sealed class InterchangeTarget : MutationTarget
{
    private const int LengthBytes = 8;

    private readonly string folder = Directory.CreateTempSubdirectory("interchange").FullName;
    private readonly Func<byte[], IReadOnlyList<byte[]>, XorShift, byte[]> mutate;
    private readonly Func<string, ITensorSource> open;
    private readonly Action<ITensorSource, string, ModelConversionOptions> compress;
    private readonly Action<CompressedModelReader, string> decompress;
    private readonly string back;
    private long examined;

    private InterchangeTarget(
        string extension,
        Type errors,
        Func<string, IEnumerable<byte[]>> files,
        Func<byte[], IReadOnlyList<byte[]>, XorShift, byte[]> mutate,
        Func<string, ITensorSource> open,
        Action<ITensorSource, string, ModelConversionOptions> compress,
        Action<CompressedModelReader, string> decompress,
        string back)
    {
        (Extension, Errors, this.mutate, this.open, this.compress, this.decompress, this.back) = (extension, errors, mutate, open, compress, decompress, back);
        Files = [.. files(folder)];
    }

    internal override IReadOnlyList<byte[]> Files { get; }

    internal override string Extension { get; }

    internal override Type Errors { get; }

    internal static InterchangeTarget Safetensors() => new(
        ".safetensors",
        typeof(SafetensorsError),
        folder => [.. Models().Select(model => Written(folder, "m.safetensors", path => SafetensorsConverter.Decompress(model, path))), Written(folder, "e.safetensors", EveryType)],
        MutateSafetensors,
        SafetensorsReader.Open,
        (source, path, options) => SafetensorsConverter.Compress((SafetensorsReader)source, path, options),
        (model, path) => SafetensorsConverter.Decompress(model, path),
        "back.safetensors");

    /// <summary>The index alone is attacked; its files are whole. The first model has one tensor, which is not divided.</summary>
    internal static InterchangeTarget SafetensorsIndex() => new(
        ".safetensors.index.json",
        typeof(SafetensorsError),
        folder => [.. Models().Skip(1).Select((model, i) => Written(folder, $"m{i}.safetensors", path => SafetensorsConverter.Decompress(model, path, model.Tensors.Sum(tensor => tensor.DecodedBytes) / 2), ".index.json"))],
        (file, others, random) => JsonMutator.Change(file, others, random),
        SafetensorsReader.Open,
        (source, path, options) => SafetensorsConverter.Compress((SafetensorsReader)source, path, options),
        (model, path) => SafetensorsConverter.Decompress(model, path),
        "back.safetensors");

    internal static InterchangeTarget TorchSharp() => new(
        ".dat",
        typeof(TorchSharpError),
        folder => Models().Select(model => Written(folder, "m.dat", path => TorchSharpConverter.Decompress(model, path))),
        MutateTorchSharp,
        TorchSharpReader.Open,
        (source, path, options) => TorchSharpConverter.Compress((TorchSharpReader)source, path, options),
        (model, path) => TorchSharpConverter.Decompress(model, path),
        "back.dat");

    internal override byte[] Mutate(byte[] file, IReadOnlyList<byte[]> others, XorShift random) => mutate(file, others, random);

    /// <summary>Compresses without loss and back: the same tensors. Every other time what can be quantised is.</summary>
    internal override void Examine(byte[] file)
    {
        string path = Put(file);
        string model = Path.Combine(folder, "examined.ncm");
        string result = Path.Combine(folder, back);

        // A file that replaces another waits for the disk.
        File.Delete(model);
        File.Delete(result);
        Exception? refusal = Refusals.Of(
            () =>
            {
                using ITensorSource source = open(path);
                bool isQuantized = ++examined % 2 == 0;
                compress(source, model, new ModelConversionOptions { Level = CompressionLevel.Fastest, Bits = isQuantized ? 4 : null, PerChannel = isQuantized && examined % 4 == 0 });
                using CompressedModelReader compressed = CompressedModelReader.Open(model);
                decompress(compressed, result);
                using ITensorSource after = open(result);
                Compare(source, after, isQuantized);
            },
            typeof(ContainerError));

        // Names that compressed models do not hold.
        if (refusal is InvalidDataException)
            throw new InvalidOperationException("A file that was accepted does not come back.", refusal);
    }

    private protected override void Read(byte[] file, int way, Reading reading)
    {
        string path = Put(file);
        reading.MostBytes = ResourceBounds.AllocatedBytesOfText(file.Length);
        reading.MostBlocks = ResourceBounds.BlocksOfText(file.Length);
        using ITensorSource source = open(path);
        byte[] piece = new byte[16];
        foreach (TensorDescription tensor in source.Tensors)
        {
            if (tensor.ByteLength > 1 << 20)
                throw new InvalidOperationException("A tensor has more bytes than its file.");
            for (long start = 0; start < tensor.ByteLength; start += piece.Length)
                source.Read(tensor, start, piece.AsSpan(0, (int)Math.Min(piece.Length, tensor.ByteLength - start)));
        }
    }

    // An index may name a file that is not there, or a folder.
    private protected override bool IsRefusal(Exception exception) => Extension.EndsWith(".json", StringComparison.Ordinal) && exception is IOException or UnauthorizedAccessException;

    private protected override void Dispose(bool disposing)
    {
        Directory.Delete(folder, recursive: true);
        base.Dispose(disposing);
    }

    private static void Compare(ITensorSource before, ITensorSource after, bool isQuantized)
    {
        Dictionary<string, TensorDescription> found = after.Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        if (found.Count != before.Tensors.Count || !before.Metadata.OrderBy(text => text.Key, StringComparer.Ordinal).SequenceEqual(after.Metadata.OrderBy(text => text.Key, StringComparer.Ordinal)))
            throw new InvalidOperationException("Tensors or texts were lost or added.");
        foreach (TensorDescription tensor in before.Tensors)
        {
            TensorDescription other = found[tensor.Name];
            if (other.Type != tensor.Type || !other.Shape.SequenceEqual(tensor.Shape) || !(isQuantized || Bytes(before, tensor).AsSpan().SequenceEqual(Bytes(after, other))))
                throw new InvalidOperationException($"'{tensor}' came back as '{other}', or with other bytes.");
        }
    }

    private static byte[] Bytes(ITensorSource source, TensorDescription tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        source.Read(tensor, 0, bytes);
        return bytes;
    }

    // Small, with every shape that counts: a scalar, an empty tensor, names that need escapes.
    private static IEnumerable<CompressedModelReader> Models()
    {
        yield return Samples.Open(Samples.Write(writer => writer.Add("w", [2, 3], [1f, -2f, 3f, -4f, 5f, float.NaN])));
        yield return Samples.Open(Samples.Write(writer =>
        {
            writer.Add("layer.weight", [4, 5], [.. Enumerable.Range(0, 20).Select(i => i * 0.25f)]);
            writer.Add("layer.bias", ElementType.BFloat16, [4], [0, 1, 2, 3, 4, 5, 6, 7]);
            writer.Add("steps", ElementType.Int64, [], BitConverter.GetBytes(469L));
            writer.Add("mask \"\u00E9\\", ElementType.Bool, [3], [1, 0, 1]);
            writer.Add("none", ElementType.Float32, [0, 7], []);
        }));
        yield return Samples.Open(Samples.Write(writer =>
        {
            foreach (string name in (string[])["a", "b", "c"])
                writer.Add(name, ElementType.UInt8, [1], [1]);
        }));
        yield return Samples.Open(Samples.Write(writer =>
        {
            writer.AddMetadata("format", "pt");
            writer.AddMetadata("licence", "\u4F60\u597D \"MIT\"");
            writer.Add("h", ElementType.Float16, [2, 2, 2, 1], [.. Enumerable.Range(0, 16).Select(i => (byte)(i * 5))]);
            writer.Add("d", ElementType.Float64, [2, 2], [.. Enumerable.Range(0, 32).Select(i => (byte)(i * i))]);
        }));
    }

    private static void EveryType(string path)
    {
        TensorDescription[] tensors = [.. Enum.GetValues<InterchangeType>().OrderByDescending(type => type.Bits()).Select(type => new TensorDescription(type.Name(), type, [4]))];
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, tensors);
        writer.Write(new byte[tensors.Sum(tensor => tensor.ByteLength)]);
        writer.Complete();
    }

    private static byte[] Written(string folder, string name, Action<string> write, string suffix = "")
    {
        string path = Path.Combine(folder, name);
        write(path);
        return File.ReadAllBytes(path + suffix);
    }

    private static byte[] MutateSafetensors(byte[] file, IReadOnlyList<byte[]> others, XorShift random)
    {
        long length = file.Length < LengthBytes ? -1 : BinaryPrimitives.ReadInt64LittleEndian(file);
        if (length < 0 || length > file.Length - LengthBytes || random.Next(4) == 0)
            return Mutator.Bytes(file, others, random, front: (int)Math.Clamp(length + LengthBytes, 1, file.Length + 1));
        byte[] header = JsonMutator.Change(file.AsSpan(LengthBytes, (int)length), others, random);
        byte[] mutant = [.. BitConverter.GetBytes((long)header.Length), .. header, .. file.AsSpan(LengthBytes + (int)length)];

        // Data that a changed shape would need, or lose.
        return random.Next(8) switch
        {
            0 or 1 => [.. mutant, .. new byte[1 + random.Next(16)]],
            2 or 3 => mutant[..^Math.Min(mutant.Length, random.Next(16))],
            4 => mutant[..random.Next(mutant.Length)],
            _ => mutant,
        };
    }

    private static byte[] MutateTorchSharp(byte[] file, IReadOnlyList<byte[]> others, XorShift random)
    {
        if (random.Next(2) == 0 || file.Length == 0)
            return Mutator.Bytes(file, others, random, front: Math.Max(1, file.Length));

        // A number of any length in place of a byte that may be one.
        ulong number = random.Next(4) switch { 0 => (ulong)random.Next(256), 1 => 1UL << random.Next(64), 2 => ulong.MaxValue >> random.Next(64), _ => random.Next() };
        int at = random.Next(file.Length);
        return [.. file.AsSpan(0, at), .. Vectors.Forge.VarInt(number), .. file.AsSpan(at + random.Next(2))];
    }

    private string Put(byte[] file)
    {
        string path = Path.Combine(folder, "mutant" + Extension);
        File.WriteAllBytes(path, file);
        return path;
    }
}
