using System.IO.Compression;
using BenchmarkDotNet.Attributes;
using NeuralCompression.Codec;

namespace NeuralCompression.Benchmarks;

/// <summary>Time and allocations of whole files of ternary weights, level by level.</summary>
[MemoryDiagnoser]
public class CodecBenchmarks
{
    private QuantizedTensor tensor = null!;
    private byte[] file = [];
    private sbyte[] symbols = [];

    [Params(CompressionLevel.Fastest, CompressionLevel.Optimal, CompressionLevel.SmallestSize)]
    public CompressionLevel Level { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        TensorSet set = TensorSet.Synthetic("ternary95", 1 << 20, 1, (u, v) => (sbyte)(u < 0.95 ? 0 : v < 0.5 ? 1 : -1));
        tensor = QuantizedTensor.FromSymbols(set.Tensors[0].Symbols, set.Tensors[0].Shape, QuantizationGrid.Uniform(1));
        file = Encode();
        symbols = new sbyte[tensor.Length];
        Decode();
        if (!symbols.AsSpan().SequenceEqual(set.Tensors[0].Symbols))
            throw new InvalidOperationException("The file decodes to other symbols.");
    }

    [Benchmark]
    public byte[] Encode()
    {
        using var stream = new MemoryStream();
        using var writer = CompressedModelWriter.Create(stream, Level, leaveOpen: true);
        writer.Add("weight", tensor);
        writer.Complete();
        return stream.ToArray();
    }

    [Benchmark]
    public void Decode()
    {
        using var reader = CompressedModelReader.Open(new MemoryStream(file));
        reader.DecodeSymbols(reader.Tensors[0], symbols);
    }
}
