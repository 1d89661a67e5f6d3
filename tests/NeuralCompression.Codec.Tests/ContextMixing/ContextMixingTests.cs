using NeuralCompression.Codec.WeightCoding.ContextMixing;

namespace NeuralCompression.Codec.Tests.ContextMixing;

public sealed class ContextMixingTests
{
    [Theory]
    [InlineData(1, 1, 0.5, 3)]
    [InlineData(1, 500, 0.1, 1)]
    [InlineData(300, 1, 0.9, 100)]
    [InlineData(40, 90, 0.3, 20)]
    [InlineData(7, 20_000, 0.05, 1)]
    public void EncodeThenDecode_AnyShape_GivesTheSameSymbols(int rows, int columns, double density, int largest)
    {
        var random = new Random(rows + columns);
        var symbols = new sbyte[rows * columns];
        foreach (ref sbyte symbol in symbols.AsSpan())
            symbol = (sbyte)(random.NextDouble() < density ? random.Next(-largest, largest + 1) : 0);

        byte[] payload = ContextMixingCoder.Encode<sbyte>(symbols, [rows, columns], -largest, largest);
        var decoded = new sbyte[symbols.Length];
        ContextMixingCoder.Decode<sbyte>(payload, [rows, columns], -largest, largest, decoded);

        Assert.Equal(symbols, decoded);
    }
}
