using CsCheck;

namespace NeuralCompression.Codec.Tests.Quantization;

public sealed class CodingCostTests
{
    [Fact]
    public void EstimateBytes_AnySymbols_IsWithinOnePercentOr40Bytes() =>
        Generators.Symbols.Sample(
            symbols =>
            {
                using var reader = Samples.Open(Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, [symbols.Length], QuantizationGrid.Uniform(1)))));
                long real = reader["w"].StoredBytes;
                Assert.InRange(CodingCost.EstimateBytes(symbols), real - Math.Max(40, real / 100.0), real + Math.Max(40, real / 100.0));
            },
            iter: 500,
            seed: "0000000000001");

    [Fact]
    public void EstimateBytes_LargeTensors_CountsAndSymbolsAgree()
    {
        foreach (int zeros in new[] { 10, 128, 243, 255 })
        {
            sbyte[] symbols = Samples.Sparse(1 << 20, (ulong)zeros, zeros);
            using var reader = Samples.Open(Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, [symbols.Length], QuantizationGrid.Uniform(1)))));
            long real = reader["w"].StoredBytes;
            long estimate = CodingCost.EstimateBytes(symbols);
            Assert.InRange(estimate, real - Math.Max(40, real / 500.0), real + Math.Max(40, real / 500.0));
            var counts = new long[20];
            foreach (sbyte symbol in symbols)
                counts[symbol + 9]++;
            Assert.Equal(estimate, CodingCost.EstimateBytes(counts));
        }

        Assert.Equal(0, CodingCost.EstimateBytes(new long[3]));
        Assert.Equal(0, CodingCost.EstimateBytes(new long[] { 0, 1000, 0 }));
        Assert.Throws<ArgumentException>(() => CodingCost.EstimateBytes(new long[257]));
        Assert.Throws<ArgumentException>(() => CodingCost.EstimateBytes(new long[] { 1, -1 }));
    }
}
