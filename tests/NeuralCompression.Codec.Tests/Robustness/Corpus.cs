using System.IO.Compression;
using System.Numerics;
using NeuralCompression.Codec.Tests.Vectors;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Classified;
using NeuralCompression.Codec.WeightCoding.ContextMixing;
using NeuralCompression.Codec.WeightCoding.Repeats;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Valid files to start from: every sample, and small files of every level and kind of tensor, so that every coding is there.</summary>
internal static class Corpus
{
    internal static IReadOnlyList<(string Name, byte[] File)> Files { get; } = [.. Make()];

    private static IEnumerable<(string Name, byte[] File)> Make()
    {
        foreach (string name in Samples.Names)
            yield return (name, Samples.Write(name));
        foreach (CompressionLevel level in Enum.GetValues<CompressionLevel>())
        {
            yield return ($"{level}-ternary", Write(level, Tensor(Ternary(24 * 16, 71, 230), [24, 16])));
            yield return ($"{level}-kernels", Write(level, Tensor(Samples.Sparse(4 * 6 * 9, 72, 120), [4, 6, 3, 3])));
            yield return ($"{level}-dense", Write(level, Tensor([.. Enumerable.Range(0, 300).Select(i => (sbyte)((i * i % 97) + (i % 13) - 60))], [10, 30])));
            yield return ($"{level}-wide", Write(level, QuantizedTensor.FromSymbols(Array.ConvertAll(Samples.Sparse(120, 73, 90), symbol => (short)(symbol * 300)), [10, 12], QuantizationGrid.Uniform(0.5))));
            yield return ($"{level}-cut", Samples.Write(writer => writer.Add("w", Tensor(Ternary(400, 74, 200), [20, 20])), new CompressedModelWriterOptions { Level = level, SegmentBytes = 640 }));
            yield return ($"{level}-float", Samples.Write(writer => writer.Add("w", ElementType.Float32, [80], Samples.FloatBytes(80, 75, 4)), level));
            yield return ($"{level}-half", Samples.Write(writer => writer.Add("w", ElementType.BFloat16, [120], [.. Samples.FloatBytes(120, 76, 4).Chunk(4).SelectMany(element => element[2..])]), level));
        }

        // Codings that the encoder takes only where they pay, in files too small for that.
        sbyte[] sparse = Samples.Sparse(20 * 24, 77, 190);
        yield return ("mixing", Mixed(sparse, [20, 24]));
        yield return ("mixing-flat", Mixed(sparse[..100], [100]));
        yield return ("mixing-kernels", Mixed(sparse[..(4 * 6 * 9)], [4, 6, 3, 3]));
        yield return ("mixing-empty-lines", Mixed([.. sparse.Select((symbol, i) => (sbyte)(i % 24 < 9 || i / 24 % 3 == 0 ? 0 : symbol))], [20, 24]));
        yield return ("mixing-center", Mixed(Array.ConvertAll(sparse, symbol => (sbyte)(symbol + 90)), [20, 24]));
        yield return ("mixing-wide", Mixed([.. sparse.Select((symbol, i) => (short)((symbol * 700) + (i * i % 500)))], [20, 24]));
        yield return ("classified", Classified(sparse, [20, 24]));
        yield return ("classified-kernels", Classified(sparse[..(8 * 6 * 9)], [8, 6, 3, 3]));
        yield return ("classified-empty-lines", Classified([.. sparse.Select((symbol, i) => (sbyte)(i % 24 < 9 || i / 24 % 3 == 0 ? 0 : symbol))], [20, 24]));
        sbyte[] rows = Samples.Sparse(96 * 40, 80, 160);
        yield return ("classified-lanes", Classified([.. rows.Select((symbol, i) => (sbyte)(i / 40 % 5 < 2 ? Math.Sign(symbol) : symbol))], [96, 40]));
        byte[] ternary = Array.ConvertAll(Ternary(400, 78, 240), symbol => (byte)(symbol + 1));
        yield return ("groups-of-8", Grouped(ternary, 3, sizeLog: 3, listed: 6));
        yield return ("groups-of-4", Grouped(ternary, 3, sizeLog: 2, listed: 5));
        yield return ("groups-of-2", Grouped(ternary[..399], 3, sizeLog: 1, listed: 4));
        foreach ((string Name, byte[] File) file in Repeating())
            yield return file;
        yield return ("groups-of-2-all", Grouped(ternary, 3, sizeLog: 1, listed: 9));
    }

    // The second half is the first, with two places changed.
    private static IEnumerable<(string Name, byte[] File)> Repeating()
    {
        sbyte[] half = Samples.Sparse(150, 81, 90);
        var symbols = QuantizedTensor.FromSymbols((sbyte[])[.. half, .. half[..70], 5, .. half[71..149], -3], [300], QuantizationGrid.Uniform(0.25));
        yield return ("repeats-symbols", Write(CompressionLevel.Optimal, symbols));
        yield return ("repeats-mixing", Write(CompressionLevel.SmallestSize, symbols));
        short[] wide = Array.ConvertAll(half, symbol => (short)(symbol * 300));
        yield return ("repeats-wide", Write(CompressionLevel.Optimal, QuantizedTensor.FromSymbols((short[])[.. wide, .. wide], [300], QuantizationGrid.Uniform(0.25))));
        foreach (ElementType type in new[] { ElementType.UInt8, ElementType.BFloat16, ElementType.Float32, ElementType.Float64 })
        {
            byte[] elements = Samples.FloatBytes(60, 82, 8)[..(60 * type.Size())];
            yield return ($"repeats-{type}", Samples.Write(writer => writer.Add("w", type, [150], [.. elements, .. elements, .. elements[..(30 * type.Size())]])));
        }

        byte[] literals = [8, 0, 0xFF, 0, 1, 0, 0, 1, 1, 0xFF];
        yield return ("repeats-overlap", Forge.Coded(Coding.Repeats, [1000], -1, 2, [.. literals, .. RepeatCoder.Places([new(3, 40, 2), new(0, 100, 5), new(5, 700, 3), new(0, 152, 1)], 0)]));
    }

    private static byte[] Mixed<T>(T[] symbols, int[] shape)
        where T : struct, IBinaryInteger<T>
    {
        int min = int.CreateChecked(symbols.Min());
        int max = int.CreateChecked(symbols.Max());
        return Forge.Coded(Coding.ContextMixing, shape, min, max - min, ContextMixingCoder.Encode<T>(symbols, Array.ConvertAll(shape, axis => (long)axis), min, max));
    }

    private static byte[] Classified(sbyte[] symbols, int[] shape) => Forge.Coded(
        Coding.ClassifiedRans,
        shape,
        symbols.Min(),
        symbols.Max() - symbols.Min(),
        ClassifiedEncoder.TryEncode(symbols, Array.ConvertAll(shape, axis => (long)axis), symbols.Min(), symbols.Max(), long.MaxValue) ?? throw new InvalidOperationException("The classified coder has no form for this."));

    // The most frequent groups have a token.
    private static byte[] Grouped(byte[] digits, int alphabet, int sizeLog, int listed)
    {
        int[] frequent = [.. Forge.GroupNumbers(digits, alphabet, sizeLog).CountBy(number => number).OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key).Take(listed).Select(pair => pair.Key).Order()];
        return Forge.Coded(Coding.GroupedRans, [digits.Length], -1, alphabet - 1, Forge.Grouped(digits, alphabet, sizeLog, frequent));
    }

    private static byte[] Write(CompressionLevel level, QuantizedTensor tensor) => Samples.Write(writer => writer.Add("w", tensor), level);

    private static QuantizedTensor Tensor(sbyte[] symbols, long[] shape) => QuantizedTensor.FromSymbols(symbols, shape, QuantizationGrid.Uniform(0.25));

    private static sbyte[] Ternary(int length, ulong seed, int zerosOf256) => Array.ConvertAll(Samples.Sparse(length, seed, zerosOf256), symbol => (sbyte)Math.Sign(symbol));
}
