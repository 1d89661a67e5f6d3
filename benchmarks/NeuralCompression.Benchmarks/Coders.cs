using System.IO.Compression;
using K4os.Compression.LZ4;
using NeuralCompression.Codec;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Benchmarks;

/// <summary>One way to store a set of tensors.</summary>
/// <param name="Name">The row's name.</param>
/// <param name="Prepare">Makes a run over one set.</param>
internal sealed record Coder(string Name, Func<TensorSet, CoderRun> Prepare)
{
    public override string ToString() => Name;
}

/// <summary>What a benchmark repeats.</summary>
/// <param name="Encode">Codes the whole set.</param>
/// <param name="Decode">Decodes what <paramref name="Encode"/> gave.</param>
/// <param name="IsRestored">True when the last decoding gave the symbols of the set.</param>
internal sealed record CoderRun(Func<byte[]> Encode, Action<byte[]> Decode, Func<bool> IsRestored);

/// <summary>Every level and kernel of this library, and what else people store weights with, all given the same bytes.</summary>
internal static class Coders
{
    /// <summary>Every coder that this machine has.</summary>
    internal static IReadOnlyList<Coder> All { get; } = [.. Levels(), .. Kernels(), .. Peers()];

    /// <summary>What is not installed here and so has no row.</summary>
    internal static IEnumerable<string> Missing =>
        new[] { (HtsCodecs.IsAvailable, "htscodecs"), (NativeZstd.IsAvailable, "libzstd") }.Where(library => !library.Item1).Select(library => library.Item2);

    private static IEnumerable<Coder> Levels() =>
        new[] { CompressionLevel.NoCompression, CompressionLevel.Fastest, CompressionLevel.Optimal, CompressionLevel.SmallestSize }.Select(level => new Coder($"file, {level}", set =>
        {
            QuantizedTensor[] tensors = [.. set.Tensors.Select(tensor => QuantizedTensor.FromSymbols(tensor.Symbols, tensor.Shape, QuantizationGrid.Uniform(1)))];
            sbyte[][] restored = [.. set.Tensors.Select(tensor => new sbyte[tensor.Symbols.Length])];
            return new CoderRun(
                () =>
                {
                    using var stream = new MemoryStream();
                    using var writer = CompressedModelWriter.Create(stream, level, leaveOpen: true);
                    for (int i = 0; i < tensors.Length; i++)
                        writer.Add(set.Tensors[i].Name, tensors[i]);
                    writer.Complete();
                    return stream.ToArray();
                },
                file =>
                {
                    using var reader = CompressedModelReader.Open(new MemoryStream(file));
                    for (int i = 0; i < restored.Length; i++)
                        reader.DecodeSymbols(reader.Tensors[i], restored[i]);
                },
                () => restored.Zip(set.Tensors).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second.Symbols)));
        }));

    // One table of 12 bits and 64 lanes for the whole set. Every kernel gives the same bytes.
    private static IEnumerable<Coder> Kernels() => RansKernels.All.Where(kernel => kernel.IsSupported).Select(kernel => new Coder($"kernel, {kernel.Name}", set =>
    {
        byte[] text = Text(set);
        long[] counts = ByteHistogram.Count(text, 256);
        int first = Array.FindIndex(counts, count => count > 0);
        int last = Array.FindLastIndex(counts, count => count > 0);
        RansPlan plan = RansPlan.Create(counts.AsSpan(first, last - first + 1), 12)!;
        byte[] tokens = Array.ConvertAll(text, value => (byte)(value - first));
        var outputs = new byte[last - first + 1];
        SlotTable.FillOutputs(outputs, (byte)first);
        var words = new byte[(text.Length * 2) + 128];
        var states = new uint[64];
        var restored = new byte[text.Length];
        return new CoderRun(
            () => words[RansKernels.Encode(kernel.Encode, tokens, plan.Table, states, words)..],
            coded => RansKernels.Decode(kernel.Decode, coded, new SlotTable(plan.Table, outputs), [.. states], restored),
            () => restored.AsSpan().SequenceEqual(text));
    }));

    private static IEnumerable<Coder> Peers()
    {
        foreach (int level in new[] { 3, 19 })
        {
            yield return Peer($"ZstdSharp {level}", text =>
            {
                using var packer = new ZstdSharp.Compressor(level);
                return packer.Wrap(text).ToArray();
            },
            (packed, text) =>
            {
                using var unpacker = new ZstdSharp.Decompressor();
                unpacker.Unwrap(packed, text);
            });
            if (NativeZstd.IsAvailable)
                yield return Peer($"libzstd {level}", text => NativeZstd.Compress(text, level), (packed, text) => NativeZstd.Decompress(packed, text));
        }

        foreach (int quality in new[] { 4, 11 })
            yield return Peer($"Brotli {quality}", text => Brotli(text, quality), (packed, text) => BrotliDecoder.TryDecompress(packed, text, out _));
        yield return Peer("Deflate, SmallestSize", Deflate, Inflate);
        yield return Peer("LZ4", text => Lz4(text, LZ4Level.L00_FAST), (packed, text) => LZ4Codec.Decode(packed, text));
        yield return Peer("LZ4 HC 12", text => Lz4(text, LZ4Level.L12_MAX), (packed, text) => LZ4Codec.Decode(packed, text));
        if (HtsCodecs.IsAvailable)
        {
            yield return Peer("htscodecs 32x16", text => HtsCodecs.Compress(text, HtsCodecs.X32), (packed, text) => HtsCodecs.Decompress(packed, text));
            yield return Peer("htscodecs 32x16 packed", text => HtsCodecs.Compress(text, HtsCodecs.X32Packed), (packed, text) => HtsCodecs.Decompress(packed, text));
        }
    }

    private static Coder Peer(string name, Func<byte[], byte[]> encode, Action<byte[], byte[]> decode) => new(name, set =>
    {
        byte[] text = Text(set);
        var restored = new byte[text.Length];
        return new CoderRun(() => encode(text), packed => decode(packed, restored), () => restored.AsSpan().SequenceEqual(text));
    });

    // The symbols of all tensors in order, the smallest possible one as 0.
    private static byte[] Text(TensorSet set) => [.. set.Tensors.SelectMany(tensor => tensor.Symbols).Select(symbol => (byte)(symbol - sbyte.MinValue))];

    private static byte[] Brotli(byte[] text, int quality)
    {
        var packed = new byte[BrotliEncoder.GetMaxCompressedLength(text.Length)];
        return BrotliEncoder.TryCompress(text, packed, out int length, quality, window: 22) ? packed[..length] : throw new InvalidOperationException("Brotli has no room.");
    }

    private static byte[] Deflate(byte[] text)
    {
        using var packed = new MemoryStream();
        using (var deflate = new DeflateStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
            deflate.Write(text);
        return packed.ToArray();
    }

    private static void Inflate(byte[] packed, byte[] text)
    {
        using var inflate = new DeflateStream(new MemoryStream(packed), CompressionMode.Decompress);
        inflate.ReadExactly(text);
    }

    private static byte[] Lz4(byte[] text, LZ4Level level)
    {
        var packed = new byte[LZ4Codec.MaximumOutputSize(text.Length)];
        return packed[..LZ4Codec.Encode(text, packed, level)];
    }
}
