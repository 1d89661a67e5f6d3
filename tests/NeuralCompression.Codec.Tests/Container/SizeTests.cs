using System.IO.Compression;

namespace NeuralCompression.Codec.Tests.Container;

public sealed class SizeTests
{
    [Theory]
    [InlineData(CompressionLevel.Fastest, 0.004)]
    [InlineData(CompressionLevel.Optimal, 0.002)]
    public void Payload_LargeTensor_IsCloseToItsEntropy(CompressionLevel level, double overhead)
    {
        foreach (int zeros in new[] { 0, 128, 200, 243, 255 })
        {
            sbyte[] symbols = Samples.Sparse(1 << 20, (ulong)zeros + 1, zeros);
            using var reader = Samples.Open(Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, [1 << 20], QuantizationGrid.Uniform(1))), level));
            double entropy = Entropy(symbols) / 8;

            // With 0.4 % non-zeros the rare magnitudes are rarer than one slot of a table.
            Assert.InRange(reader["w"].StoredBytes, entropy - 8, (entropy * (1 + (zeros == 255 ? 15 * overhead : overhead))) + 24 + (64 * 3));
        }
    }

    [Fact]
    public void Payload_SmallAlphabet_HasATableOfAFewBytes()
    {
        sbyte[] symbols = [.. Enumerable.Range(0, 20_000).Select(i => (sbyte)((i * i * 7 % 49) < 30 ? 0 : (i % 7) - 3))];
        using var reader = Samples.Open(Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, [20_000], QuantizationGrid.Uniform(1))), CompressionLevel.SmallestSize));

        // Ten bytes for the table, three for each of four lanes, and rounding.
        Assert.InRange(reader["w"].StoredBytes, 0, (Entropy(symbols) / 8 * 1.0005) + 10 + 12 + 2);
    }

    [Fact]
    public void Overhead_LeNet300File_IsAtMost160Bytes()
    {
        int[] widths = [784, 300, 100, 10];
        using var stream = new MemoryStream();
        using var writer = CompressedModelWriter.Create(stream, CompressionLevel.SmallestSize);
        for (int layer = 1; layer <= 3; layer++)
        {
            int inputs = widths[layer - 1];
            int outputs = widths[layer];
            writer.Add($"fc{layer}.weight", QuantizedTensor.FromSymbols(Samples.Sparse(inputs * outputs, (ulong)layer, 243), [outputs, inputs], QuantizationGrid.Uniform(0.0123f)));
            writer.Add($"fc{layer}.bias", ElementType.Float32, [outputs], Samples.FloatBytes(outputs, (ulong)layer, 4));
        }

        CompressionReport report = writer.Complete();
        Assert.InRange(report.TotalBytes - report.Tensors.Sum(tensor => tensor.StoredBytes), 0, 135);
    }

    [Fact]
    public void Payload_SingleSymbol_TakesNoBytes()
    {
        using var reader = Samples.Open(Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(new sbyte[1 << 20], [1024, 1024], QuantizationGrid.Uniform(1)))));
        Assert.Equal(0, reader["w"].StoredBytes);
        Assert.Equal("constant", reader["w"].Coding);
    }

    [Fact]
    public void Payload_WideSparseSymbols_PayForOutliersOnly()
    {
        var random = new XorShift(3);
        var symbols = new short[100_000];
        for (int i = 0; i < 1000; i++)
            symbols[random.Next(symbols.Length)] = (short)(random.Next(60000) - 30000);
        using var reader = Samples.Open(Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, [100_000], QuantizationGrid.Uniform(1)))));

        // 100,000 zero decisions at 1 % cost 1.0 KB, 1,000 outliers of 16 bits 2 KB.
        Assert.InRange(reader["w"].StoredBytes, 2000, 3300);
    }

    [Fact]
    public void Lossless_TrainedLikeFloats_AreSmallerThanRaw()
    {
        using var reader = Samples.Open(Samples.Write(writer =>
        {
            writer.Add("float32", ElementType.Float32, [10_000], Samples.FloatBytes(10_000, 1, 4));
            writer.Add("bfloat16", ElementType.BFloat16, [10_000], [.. Samples.FloatBytes(10_000, 1, 4).Chunk(4).SelectMany(element => element[2..])]);
        }));
        Assert.InRange(reader["float32"].StoredBytes, 0, 0.88 * 40_000);
        Assert.InRange(reader["bfloat16"].StoredBytes, 0, 0.75 * 20_000);
    }

    [Fact]
    public void NoCompression_Payloads_AreAligned()
    {
        using var reader = Samples.Open(Samples.Write("aligned"));
        Assert.All(reader.Tensors, tensor => Assert.Equal(0, tensor.Entry.PayloadOffset % 64));
        Assert.All(reader.Tensors, tensor => Assert.Equal("raw", tensor.Coding));
    }

    internal static double Entropy(sbyte[] symbols) =>
        symbols.GroupBy(symbol => symbol).Sum(group => -group.Count() * Math.Log2(group.Count() / (double)symbols.Length));
}
