using System.Numerics;

namespace NeuralCompression.Codec.Tests.Quantization;

public sealed class UniformQuantizerTests
{
    [Theory]
    [InlineData(0.5, 0)]
    [InlineData(-0.5, 0)]
    [InlineData(1.5, 1)]
    [InlineData(-1.5, -1)]
    [InlineData(0.50001, 1)]
    [InlineData(-2.51, -3)]
    [InlineData(100.0, 5)]
    [InlineData(double.NegativeInfinity, -4)]
    [InlineData(0.0, 0)]
    public void Quantize_Midpoints_GoTowardsZeroAndLimitsClamp(double value, int expected)
    {
        var symbol = new sbyte[1];
        var wide = new short[1];
        UniformQuantizer.Quantize([value * 0.25], 0.25, -4, 5, symbol);
        Assert.Equal(expected, symbol[0]);
        UniformQuantizer.Quantize([(float)value * 0.25f], 0.25, -4, 5, wide);
        Assert.Equal(expected, wide[0]);
    }

    [Fact]
    public void Round_VectorAndScalar_GiveTheSameBits()
    {
        var random = new XorShift(7);
        foreach (float step in new[] { 0.1f, 0.25f, 1f / 3, 1e-30f, 3e20f })
        {
            var floats = new float[1003];
            var doubles = new double[1003];
            for (int i = 0; i < floats.Length; i++)
            {
                // Every third value is a midpoint, every seventh an extreme.
                double level = (random.Next(41) - 20) * 0.5;
                double value = i % 3 == 0 ? level * step : i % 7 == 0 ? (random.Next(2) == 0 ? double.PositiveInfinity : double.MinValue) : (random.Next(20001) - 10000) * 0.0013 * step;
                floats[i] = (float)value;
                doubles[i] = value;
            }

            var rounded = new float[1003];
            UniformQuantizer.Round(floats, step, -8, 7, rounded);
            var symbols = new short[1003];
            UniformQuantizer.Quantize(floats, step, -8, 7, symbols);
            for (int i = 0; i < floats.Length; i++)
            {
                Assert.Equal(BitConverter.SingleToUInt32Bits(UniformQuantizer.Level(floats[i], step, -8, 7, i)), BitConverter.SingleToUInt32Bits(rounded[i]));
                Assert.Equal(rounded[i], symbols[i]);
                Assert.False(float.IsNegative(rounded[i]) && rounded[i] == 0);
            }

            var roundedDoubles = new double[1003];
            UniformQuantizer.Round(doubles, (double)step, -8, 7, roundedDoubles);
            for (int i = 0; i < doubles.Length; i++)
                Assert.Equal(BitConverter.DoubleToUInt64Bits(UniformQuantizer.Level(doubles[i], step, -8, 7, i)), BitConverter.DoubleToUInt64Bits(roundedDoubles[i]));
        }
    }

    [Fact]
    public void Quantize_NaN_IsRefusedByIndex()
    {
        var values = new float[100];
        values[77] = float.NaN;
        Assert.Contains("77", Assert.Throws<ArgumentException>(() => UniformQuantizer.Round(values, 1, -1, 1, new float[100])).Message, StringComparison.Ordinal);
        Assert.Contains("77", Assert.Throws<ArgumentException>(() => UniformQuantizer.Quantize(values, 1, -1, 1, new sbyte[100])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Quantize_BadArguments_AreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => UniformQuantizer.Quantize([1f], 0, -1, 1, new sbyte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => UniformQuantizer.Quantize([1f], 1e-60, -1, 1, new sbyte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => UniformQuantizer.Quantize([1f], 1, -129, 1, new sbyte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => UniformQuantizer.Quantize([1f], 1, 2, 1, new sbyte[1]));
        Assert.Throws<ArgumentException>(() => UniformQuantizer.Quantize([1f, 2f], 1, -1, 1, new sbyte[1]));
    }

    [Fact]
    public void Dequantize_Float32Step_EqualsOneFloatMultiplication()
    {
        short[] symbols = [.. Enumerable.Range(-2000, 4001).Select(i => (short)(i * 16))];
        foreach (float step in new[] { 0.1f, 1f / 3, 1e-40f, 7.7e30f })
        {
            var values = new float[symbols.Length];
            QuantizedTensor.FromSymbols(symbols, [symbols.Length], QuantizationGrid.Uniform(step)).Dequantize(values);
            Assert.Equal(symbols.Select(symbol => step * symbol), values);
        }
    }

    [Fact]
    public void Dequantize_HalfTypes_RoundToNearestEven()
    {
        sbyte[] symbols = [.. Enumerable.Range(-128, 256).Select(i => (sbyte)i)];
        var half = new float[256];
        var brain = new float[256];
        QuantizedTensor.FromSymbols(symbols, [256], QuantizationGrid.Uniform(0.013f), ElementType.Float16).Dequantize(half);
        QuantizedTensor.FromSymbols(symbols, [256], QuantizationGrid.Uniform(0.013f), ElementType.BFloat16).Dequantize(brain);
        Assert.Equal(symbols.Select(symbol => (float)(Half)(0.013f * symbol)), half);
        Assert.All(symbols.Zip(brain), pair => Assert.InRange(Math.Abs(pair.Second - (0.013f * pair.First)), 0, Math.Abs(0.013f * pair.First) / 256));
        Assert.All(brain, value => Assert.Equal(0u, BitConverter.SingleToUInt32Bits(value) & 0xFFFF));
    }

    [Fact]
    public void Sparsity_IsAFraction()
    {
        Assert.Equal(0.75, QuantizedTensor.FromSymbols(new sbyte[] { 0, 0, 1, 0 }, [4], QuantizationGrid.Uniform(1)).Sparsity);
        Assert.Equal(0, QuantizedTensor.FromSymbols(Array.Empty<short>(), [0], QuantizationGrid.Uniform(1)).Sparsity);
    }
}
