using CsCheck;
using NeuralCompression.Codec;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Noise;

/// <summary>Claims 8 and 10: clamp to the limits, round to the grid of step 2a that contains zero.</summary>
public sealed class QuantizeTests
{
    private static readonly Gen<QuantizationOptions> Ranges = Gen.Select(Gen.Double[0.01, 0.5], Gen.Int[-20, 0], Gen.Int[0, 20])
        .Where((_, low, high) => high > low)
        .Select((level, low, high) => new QuantizationOptions { NoiseLevel = level, LowerLimit = 2 * level * low, UpperLimit = 2 * level * high });

    [Fact]
    public void Quantize_AnyWeights_AreNearestLevelsWithinTheLimits() => Gen.Select(Ranges, Gen.Double[-8, 8].Array[1, 50], Gen.Double[0.01, 3]).SampleRepeatably(
        (range, values, gain) =>
        {
            using var scope = NewDisposeScope();
            using var quantizer = new NoiseInjectionQuantizer(range);
            double[] decoded = Decode(quantizer.Quantize(Of(values, ScalarType.Float64), gain));
            double rounding = 1e-13 * gain * 8;
            for (int i = 0; i < values.Length; i++)
            {
                Assert.InRange(decoded[i], (gain * range.LowerLimit) - rounding, (gain * range.UpperLimit) + rounding);
                double inside = Math.Clamp(values[i], gain * range.LowerLimit, gain * range.UpperLimit);
                Assert.InRange(Math.Abs(decoded[i] - inside), 0, (gain * range.NoiseLevel) + rounding);
            }
        },
        iter: 200);

    [Fact]
    public void Quantize_Twice_ChangesNothing() => Gen.Select(Ranges, Gen.Double[-8, 8].Array[1, 50], Gen.Double[0.01, 3]).SampleRepeatably(
        (range, values, gain) =>
        {
            using var scope = NewDisposeScope();
            using var quantizer = new NoiseInjectionQuantizer(range);
            foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
            {
                var once = quantizer.Quantize(Of(values, dtype), gain);
                var twice = quantizer.Quantize(Of(Decode(once), dtype), gain);
                Assert.Equal(Decode(once), Decode(twice));
            }
        },
        iter: 100);

    [Fact]
    public void Quantize_Levels_AreEveryMultipleOfTheStepWithinTheLimits()
    {
        using var scope = NewDisposeScope();
        var range = new QuantizationOptions { NoiseLevel = 0.125, LowerLimit = -0.5, UpperLimit = 0.75 };
        using var quantizer = new NoiseInjectionQuantizer(range);
        double[] levels = [.. Decode(quantizer.Quantize(linspace(-2, 2, 4001, dtype: ScalarType.Float64))).Distinct().Order()];
        Assert.Equal([-0.5, -0.25, 0, 0.25, 0.5, 0.75], levels);
        Assert.Equal(levels.Length, range.Levels);
        Assert.Equal((range.UpperLimit - range.LowerLimit) / (2 * range.NoiseLevel) + 1, range.Levels);
    }

    [Fact]
    public void Quantize_Midpoints_GoTowardsZero()
    {
        using var scope = NewDisposeScope();
        // A step of 1/4 and its midpoints are exact in every type.
        using var quantizer = new NoiseInjectionQuantizer(new QuantizationOptions { NoiseLevel = 0.125 });
        double[] midpoints = [0.125, 0.375, 0.625, 0.875, -0.125, -0.375, -0.625, -0.875];
        foreach (var dtype in new[] { ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64 })
        {
            var w = Of(midpoints, dtype);
            Assert.Equal([0, 0.25, 0.5, 0.75, 0, -0.25, -0.5, -0.75], Decode(quantizer.Quantize(w)));
            Assert.Equal([0, 0.25, 0.5, 0.75, 0, -0.25, -0.5, -0.75], Decode(quantizer.Quantize(Of([.. midpoints, .. midpoints], dtype, 2, 8)))[..8]);
        }
    }

    [Fact]
    public void Quantize_JustBeyondMidpoints_GoAway()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(new QuantizationOptions { NoiseLevel = 0.125 });
        double[] values = [Math.BitIncrement(0.125), Math.BitIncrement(0.625), -Math.BitIncrement(0.375)];
        Assert.Equal([0.25, 0.75, -0.5], Decode(quantizer.Quantize(Of(values, ScalarType.Float64))));
    }

    [Fact]
    public void Quantize_Zero_IsZero() => Ranges.SampleRepeatably(
        range =>
        {
            using var scope = NewDisposeScope();
            using var quantizer = new NoiseInjectionQuantizer(range);
            Assert.Equal([0, 0], Decode(quantizer.Quantize(Of([0, -0.0], ScalarType.Float32))));
        },
        iter: 100);

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Quantize_AnyTypeAndStride_GivesTheSameSymbols(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(new QuantizationOptions { NoiseLevel = 1.0 / 16, LowerLimit = -1, UpperLimit = 1 });

        // bfloat16 numbers are exact in every type, so that the symbols must agree.
        var exact = Random(1, ScalarType.BFloat16, 40, 30);
        var expected = quantizer.Quantize(exact.to(ScalarType.Float64));
        var values = exact.to(dtype == ScalarType.Float16 ? ScalarType.Float32 : dtype);
        values = dtype == ScalarType.Float16 ? exact.to(ScalarType.Float16) : values;
        var dense = quantizer.Quantize(values);
        var strided = quantizer.Quantize(Strided(values));
        Assert.Equal(Symbols(dense), Symbols(strided));
        if (dtype != ScalarType.Float16)
        {
            Assert.Equal(Symbols(expected), Symbols(dense));
        }

        Assert.Equal(dense.ElementType, strided.ElementType);
        Assert.Equal(dtype.ToString(), dense.ElementType.ToString());
    }

    [Theory]
    [InlineData(127, true)]
    [InlineData(128, false)]
    [InlineData(30_000, false)]
    public void Quantize_ManyLevels_UseShortSymbols(int perSide, bool narrow)
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(new QuantizationOptions { NoiseLevel = 0.5, LowerLimit = -perSide, UpperLimit = perSide });
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            var quantized = quantizer.Quantize(Of([-1e6, -3.2, 0, 7.7, 1e6], dtype));
            Assert.Equal(narrow, quantized.TryGetSymbols(out ReadOnlyMemory<sbyte> _));
            Assert.Equal(!narrow, quantized.TryGetSymbols(out ReadOnlyMemory<short> _));
            Assert.Equal([-perSide, -3, 0, 8, perSide], Decode(quantized));
        }
    }

    [Fact]
    public void Quantize_NaN_ThrowsAndInfinityIsClamped()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(new QuantizationOptions { NoiseLevel = 0.5 });
        Assert.Throws<ArgumentException>(() => quantizer.Quantize(Of([0, double.NaN], ScalarType.Float32)));
        Assert.Equal([1, -1], Decode(quantizer.Quantize(Of([double.PositiveInfinity, double.NegativeInfinity], ScalarType.Float32))));
        Assert.Throws<ArgumentException>(() => quantizer.Quantize(ones(2, dtype: ScalarType.Int64)));
        Assert.Throws<ArgumentNullException>(() => quantizer.Quantize(null!));
    }

    [Fact]
    public void FitGain_AnyWeights_IsTheSmallestThatCovers()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(new QuantizationOptions { NoiseLevel = 0.25, LowerLimit = -0.5, UpperLimit = 1 });
        Assert.Equal(3.0, quantizer.FitGain(Of([-1.5, 0, 2], ScalarType.Float64)));
        Assert.Equal(2.0, quantizer.FitGain(Of([-0.5, 0, 2], ScalarType.Float64)));
        Assert.Equal(1.0, quantizer.FitGain(zeros(3)));
        Assert.Equal(1.0, quantizer.FitGain(zeros(0)));
        Assert.Throws<ArgumentException>(() => quantizer.FitGain(Of([1, double.NaN], ScalarType.Float32)));
        Assert.Throws<ArgumentException>(() => quantizer.FitGain(Of([1, double.NegativeInfinity], ScalarType.Float32)));
    }

    [Fact]
    public void FitGain_SideWithoutRoom_Throws()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(new QuantizationOptions { NoiseLevel = 0.25, LowerLimit = 0, UpperLimit = 1 });
        Assert.Throws<ArgumentException>(() => quantizer.FitGain(Of([-1, 1], ScalarType.Float32)));
        Assert.Equal(2.0, quantizer.FitGain(Of([0, 2], ScalarType.Float32)));
    }

    private static double[] Decode(QuantizedTensor quantized)
    {
        var values = new double[quantized.Length];
        quantized.Dequantize(values);
        return values;
    }

    private static int[] Symbols(QuantizedTensor quantized) =>
        quantized.TryGetSymbols(out ReadOnlyMemory<sbyte> narrow) ? Array.ConvertAll(narrow.ToArray(), s => (int)s)
        : quantized.TryGetSymbols(out ReadOnlyMemory<short> wide) ? Array.ConvertAll(wide.ToArray(), s => (int)s)
        : throw new InvalidOperationException();
}
