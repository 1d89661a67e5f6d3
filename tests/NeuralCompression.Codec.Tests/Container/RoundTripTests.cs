using System.IO.Compression;

namespace NeuralCompression.Codec.Tests.Container;

public sealed class RoundTripTests
{
    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Fastest)]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.SmallestSize)]
    public void Write_ThenRead_GivesTheSameSymbolsAndValues(CompressionLevel level)
    {
        var random = new Random(1);
        var ternary = new sbyte[300 * 784];
        foreach (ref sbyte symbol in ternary.AsSpan())
            symbol = (sbyte)(random.NextDouble() < 0.95 ? 0 : random.Next(2) == 0 ? 1 : -1);
        var wide = new short[5000];
        foreach (ref short symbol in wide.AsSpan())
            symbol = (short)(random.NextDouble() < 0.9 ? 0 : random.Next(-3000, 30000));
        var bias = new float[300];
        foreach (ref float value in bias.AsSpan())
            value = random.NextSingle() - 0.5f;

        using var stream = new MemoryStream();
        CompressionReport report;
        using (var writer = CompressedModelWriter.Create(stream, level, leaveOpen: true))
        {
            writer.Add("fc1.weight", QuantizedTensor.FromSymbols(ternary, [300, 784], QuantizationGrid.Uniform(0.25)));
            writer.Add("fc1.bias", [300], bias);
            writer.Add("wide", QuantizedTensor.FromSymbols(wide, [5000], QuantizationGrid.Uniform(0.1)));
            writer.AddAlias("tied", "fc1.weight");
            report = writer.Complete();
        }

        Assert.Equal(stream.Length, report.TotalBytes);
        stream.Position = 0;
        using var reader = CompressedModelReader.Open(stream);
        var symbols = new sbyte[ternary.Length];
        reader.DecodeSymbols(reader["tied"], symbols);
        Assert.Equal(ternary, symbols);
        var wideBack = new short[wide.Length];
        reader.DecodeSymbols(reader["wide"], wideBack);
        Assert.Equal(wide, wideBack);
        var values = new float[300];
        reader.Decode(reader["fc1.bias"], values);
        Assert.Equal(bias, values);
        var weights = new float[ternary.Length];
        reader.Decode(reader["fc1.weight"], weights);
        Assert.Equal(ternary.Select(s => s * 0.25f), weights);
    }
}
