using System.IO.Compression;
using CsCheck;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Tests.Quantization;

public sealed class CodingCostTests
{
    [Fact]
    public void EstimateBytes_AnySymbols_IsWithinOnePercentOr40Bytes() =>
        Generators.Symbols.SampleRepeatably(
            symbols =>
            {
                using var reader = Samples.Open(Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, [symbols.Length], QuantizationGrid.Uniform(1)))));
                long real = reader["w"].StoredBytes;
                Assert.InRange(CodingCost.EstimateBytes(symbols), real - Math.Max(40, real / 100.0), real + Math.Max(40, real / 100.0));
            },
            iter: 500);

    [Fact]
    public void EstimateBytes_LargeTensors_CountsAndSymbolsAgree()
    {
        foreach (int zeros in new[] { 10, 128, 243, 255 })
        {
            sbyte[] symbols = Samples.Sparse(1 << 20, (ulong)zeros, zeros);
            long estimate = CodingCost.EstimateBytes(symbols);
            var counts = new long[20];
            foreach (sbyte symbol in symbols)
                counts[symbol + 9]++;

            // The static coder itself: a level may find something shorter.
            RansPlan plan = RansPlan.Create(counts.AsSpan(2, 15), SymbolCoder.MaxPrecision(CompressionLevel.Optimal))!;
            AssertNear(RansEncoder.Encode(Array.ConvertAll(symbols, symbol => (byte)(symbol + 7)), plan).Length, estimate);
            Assert.Equal(estimate, CodingCost.EstimateBytes(counts));
        }

        Assert.Equal(0, CodingCost.EstimateBytes(new long[3]));
        Assert.Equal(0, CodingCost.EstimateBytes(new long[] { 0, 1000, 0 }));
        Assert.Throws<ArgumentException>(() => CodingCost.EstimateBytes(new long[257]));
        Assert.Throws<ArgumentException>(() => CodingCost.EstimateBytes(new long[] { 1, -1 }));
    }

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Fastest)]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.SmallestSize)]
    public void EstimateBytes_AnyTensorAndLevel_IsWithinOnePercentOr40Bytes(CompressionLevel level) =>
        Generators.Tensor.SampleRepeatably(
            tensor =>
            {
                using var reader = Samples.Open(Samples.Write(writer => writer.Add("w", tensor), level));
                long real = reader["w"].StoredBytes;
                long estimate = tensor.TryGetSymbols(out ReadOnlyMemory<sbyte> narrow) ? CodingCost.EstimateBytes(narrow.Span, tensor.Shape, level)
                    : tensor.TryGetSymbols(out ReadOnlyMemory<short> wide) ? CodingCost.EstimateBytes(wide.Span, tensor.Shape, level) : -1;
                AssertNear(real, estimate);
            },
            iter: 300);

    [Fact]
    public void EstimateBytes_ContradictoryArguments_Throw()
    {
        Assert.Throws<ArgumentException>(() => CodingCost.EstimateBytes(new sbyte[6], [4, 2], CompressionLevel.Optimal));
        Assert.Throws<ArgumentException>(() => CodingCost.EstimateBytes(new short[6], [-6], CompressionLevel.Optimal));
        Assert.Throws<ArgumentOutOfRangeException>(() => CodingCost.EstimateBytes(new sbyte[6], [6], (CompressionLevel)9));
    }

    // 4 Mi weights are priced from a sample of their rows; the rows differ in scale, as those of a network do.
    [Theory]
    [InlineData(128)]
    [InlineData(250)]
    public void EstimateBytes_LargeTensorSampled_IsWithinOnePercent(int zeros)
    {
        sbyte[] symbols = Samples.Sparse(1 << 22, 7, zeros);
        for (int row = 0; row < 1 << 11; row++)
        {
            if ((row * 2654435761u) % 7 == 0)
                symbols.AsSpan(row << 11, 1 << 10).Clear();
        }

        long[] shape = [1 << 11, 1 << 11];
        using var reader = Samples.Open(Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, shape, QuantizationGrid.Uniform(1))), CompressionLevel.SmallestSize));
        AssertNear(reader["w"].StoredBytes, CodingCost.EstimateBytes(symbols, shape, CompressionLevel.SmallestSize));
    }

    [Theory]
    [InlineData(CompressionLevel.NoCompression, false)]
    [InlineData(CompressionLevel.Fastest, false)]
    [InlineData(CompressionLevel.Optimal, false)]
    [InlineData(CompressionLevel.Optimal, true)]
    [InlineData(CompressionLevel.SmallestSize, false)]
    [InlineData(CompressionLevel.SmallestSize, true)]
    public void ModelMeter_WholeModels_CountsTheContainerExactly(CompressionLevel level, bool keepsChoices)
    {
        foreach (string name in Samples.Names.Except(["segments"]))
        {
            byte[] file = Samples.Write(writer => Samples.Fill(writer, name), level);
            using var reader = Samples.Open(file);
            var meter = new ModelMeter(level, keepsChoices);
            for (int time = 0; time < 2; time++)
            {
                Samples.Fill(meter, name);
                CompressionReport report = meter.Complete();
                Assert.Equal(reader.Tensors.Count, report.Tensors.Count);

                // What differs from the file is what the payloads differ by, and the bytes that write their lengths.
                long payloads = reader.Tensors.Zip(report.Tensors).Sum(pair => pair.Second.StoredBytes - (pair.First.AliasOf is null ? pair.First.StoredBytes : 0));
                long slack = level == CompressionLevel.SmallestSize ? 2 : 0;
                Assert.InRange(report.TotalBytes - payloads, file.Length - slack, file.Length + slack);
                foreach ((CompressedTensorInfo real, TensorReport priced) in reader.Tensors.Zip(report.Tensors))
                    AssertNear(real.AliasOf is null ? real.StoredBytes : 0, priced.StoredBytes);
            }
        }
    }

    [Fact]
    public void ModelMeter_KeptChoicesOfOtherWeights_StayPossibleAndAreForgotten()
    {
        // Structure by rows, then by columns with an empty one, then none, then too few weights for any: what is kept from one must do, if badly, for the next.
        var random = new Random(4);
        Func<int, int, int>[] kinds =
        [
            (row, _) => random.Next(100) < row ? random.Next(3) - 1 : 0,
            (_, column) => column % 7 == 0 ? 0 : random.Next(100) < column ? random.Next(5) - 2 : 0,
            (_, _) => random.Next(3) - 1,
            (_, _) => random.Next(256) - 128,
        ];
        var keeping = new ModelMeter(CompressionLevel.Optimal, keepsChoices: true);
        foreach (var kind in kinds)
        {
            sbyte[] symbols = [.. Enumerable.Range(0, 10_000).Select(i => (sbyte)kind(i / 100, i % 100))];
            var tensor = QuantizedTensor.FromSymbols(symbols, [100, 100], QuantizationGrid.Uniform(0.1f));
            keeping.Add("w", tensor);
            long kept = keeping.Complete().TotalBytes;
            var fresh = new ModelMeter(CompressionLevel.Optimal);
            fresh.Add("w", tensor);
            long searched = fresh.Complete().TotalBytes;
            Assert.InRange(kept, searched, searched * 1.5);
            keeping.Forget();
            keeping.Add("w", tensor);
            Assert.Equal(searched, keeping.Complete().TotalBytes);
        }
    }

    [Fact]
    public void ModelMeter_KeptChoices_LookForRepeatsWhereThereWereSome()
    {
        var random = new Random(5);
        sbyte[] row = [.. Enumerable.Range(0, 200).Select(_ => (sbyte)(random.Next(15) - 7))];
        var equal = QuantizedTensor.FromSymbols((sbyte[])[.. Enumerable.Repeat(row, 100).SelectMany(r => r)], [100, 200], QuantizationGrid.Uniform(0.1f));
        var unequal = QuantizedTensor.FromSymbols(Samples.Sparse(20_000, 7, 128), [100, 200], QuantizationGrid.Uniform(0.1f));
        var meter = new ModelMeter(CompressionLevel.Optimal, keepsChoices: true);
        long first = Measure(equal);
        Assert.InRange(first, 1, 2_000);
        Assert.Equal(first, Measure(equal));

        // Once there were none none are looked for, until the choices are forgotten.
        meter.Forget();
        Measure(unequal);
        Assert.InRange(Measure(equal), 3 * first, long.MaxValue);
        meter.Forget();
        Assert.Equal(first, Measure(equal));

        long Measure(QuantizedTensor tensor)
        {
            meter.Add("w", tensor);
            return meter.Complete().TotalBytes;
        }
    }

    private static void AssertNear(long real, long estimate) => Assert.InRange(estimate, real - Math.Max(40, real / 100.0), real + Math.Max(40, real / 100.0));
}
