using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Noise;

/// <summary>Claim 9: uniform noise of the given level, in training only.</summary>
public sealed class PerturbTests
{
    private static readonly QuantizationOptions Ternary = new() { NoiseLevel = 0.5 };

    [Fact]
    public void Perturb_Training_AddsUniformNoiseOfTheLevel()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(new QuantizationOptions { NoiseLevel = 0.25 });
        const double Gain = 0.1;
        var w = Random(1, ScalarType.Float64, 1000, 1000);
        double[] noise = Values(quantizer.Perturb(w, Gain) - w);
        double amplitude = 0.25 * Gain;
        Assert.InRange(noise.Max(Math.Abs), amplitude * 0.9999, amplitude * (1 + 1e-12));

        // Five standard deviations of the mean and of the mean square.
        Assert.InRange(Math.Abs(noise.Average()), 0, 5 * amplitude / Math.Sqrt(3e6));
        double variance = noise.Average(x => x * x);
        Assert.InRange(Math.Abs((variance / (amplitude * amplitude)) - (1.0 / 3)), 0, 5 * Math.Sqrt(4.0 / 45 / 1e6));
    }

    [Fact]
    public void Perturb_Evaluation_ReturnsTheWeights()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(Ternary);
        var w = Random(2, ScalarType.Float32, 8, 9);
        quantizer.eval();
        AssertSameBits(w, quantizer.call(w));
        Assert.Equal(0ul, quantizer.Draws);
        quantizer.train();
        Assert.NotEqual(Bits(w), Bits(quantizer.call(w)));
    }

    [Fact]
    public void Perturb_ScaleZero_ReturnsTheWeights()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(Ternary, new NoiseOptions { Scale = 0 });
        var w = Random(2, ScalarType.Float32, 8, 9);
        AssertSameBits(w, quantizer.call(w));
    }

    [Fact]
    public void Perturb_Scale_ScalesTheNoise()
    {
        using var scope = NewDisposeScope();
        var w = zeros(1000, dtype: ScalarType.Float64);
        using var full = new NoiseInjectionQuantizer(Ternary);
        using var half = new NoiseInjectionQuantizer(Ternary, new NoiseOptions { Scale = 0.5 });
        AssertClose(Array.ConvertAll(Values(full.call(w)), x => x / 2), Values(half.call(w)), relative: 1e-15, absolute: 0);
    }

    [Fact]
    public void Perturb_Gradient_IsOne()
    {
        using var scope = NewDisposeScope();
        foreach (var target in Enum.GetValues<NoiseTarget>())
        {
            using var quantizer = new NoiseInjectionQuantizer(Ternary, new NoiseOptions { Target = target });
            var w = Random(3, ScalarType.Float32, 5, 7).requires_grad_();
            var upstream = Random(4, ScalarType.Float32, 5, 7);
            quantizer.Perturb(w, 0.3).mul(upstream).sum().backward();
            AssertSameBits(upstream, w.grad!);

            quantizer.eval();
            w.grad!.zero_();
            using (no_grad())
            {
                w.grad.zero_();
            }

            quantizer.Perturb(w, 0.3).mul(upstream).sum().backward();
            AssertSameBits(upstream, w.grad!);
        }
    }

    [Fact]
    public void Perturb_Weights_AreNotModified()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(Ternary);
        var w = Random(5, ScalarType.Float32, 5, 7);
        byte[] before = Bits(w);
        quantizer.call(w);
        Assert.Equal(before, Bits(w));
    }

    [Fact]
    public void Perturb_Repeated_DrawsAnewAndCounts()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(Ternary);
        var w = zeros(100);
        byte[] first = Bits(quantizer.call(w));
        byte[] second = Bits(quantizer.call(w));
        Assert.NotEqual(first, second);
        Assert.Equal(2ul, quantizer.Draws);

        quantizer.Draws = 1;
        Assert.Equal(second, Bits(quantizer.call(w)));
    }

    [Fact]
    public void Perturb_SameSeed_DrawsTheSame()
    {
        using var scope = NewDisposeScope();
        var w = Random(6, ScalarType.Float32, 3000);
        using var one = new NoiseInjectionQuantizer(Ternary, new NoiseOptions { Seed = 9 });
        using var two = new NoiseInjectionQuantizer(Ternary, new NoiseOptions { Seed = 9 });
        using var other = new NoiseInjectionQuantizer(Ternary, new NoiseOptions { Seed = 10 });
        byte[] expected = Bits(one.call(w));
        Assert.Equal(expected, Bits(two.call(w)));
        Assert.NotEqual(expected, Bits(other.call(w)));
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Perturb_AnyTypeAndStride_DrawsTheSameNoise(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        // Longer than one block of the generator.
        var reference = zeros(70, 50, dtype: ScalarType.Float64);
        using var quantizer = new NoiseInjectionQuantizer(Ternary);
        double[] expected = Values(quantizer.call(reference));

        quantizer.Draws = 0;
        double[] dense = Values(quantizer.call(reference.to(dtype)));
        quantizer.Draws = 0;
        var strided = Strided(reference.to(dtype));
        Assert.False(strided.is_contiguous());
        var result = quantizer.call(strided);
        Assert.Equal(dtype, result.dtype);

        // The noise is drawn in 32 bits, rounded to float32 and then to the type.
        AssertClose(expected, dense, relative: Roundoff(dtype) + (2 * Roundoff(ScalarType.Float32)), absolute: 1e-7);
        Assert.Equal(dense, Values(result));
    }

    [Fact]
    public void Perturb_NonZeroWeights_LeavesWhatRoundsToZero()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(Ternary, new NoiseOptions { Target = NoiseTarget.NonZeroWeights });
        const double Gain = 0.2;
        var w = Random(7, ScalarType.Float32, 40, 50).mul(2 * Gain);
        double[] before = Values(w);
        double[] after = Values(quantizer.Perturb(w, Gain));
        sbyte[] symbols = Symbols(quantizer.Quantize(w, Gain));
        Assert.Contains((sbyte)0, symbols);
        for (int i = 0; i < before.Length; i++)
        {
            Assert.True((symbols[i] == 0) == (before[i] == after[i]), $"Weight {before[i]}, symbol {symbols[i]}, perturbed {after[i]}.");
        }
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(-1, 0)]
    public void Perturb_NonZeroWeightsOneSidedRange_LeavesWhatRoundsToZero(double lower, double upper)
    {
        using var scope = NewDisposeScope();
        var range = new QuantizationOptions { NoiseLevel = 0.25, LowerLimit = lower, UpperLimit = upper };
        using var quantizer = new NoiseInjectionQuantizer(range, new NoiseOptions { Target = NoiseTarget.NonZeroWeights });
        var w = Random(8, ScalarType.Float32, 200);
        double[] before = Values(w);
        double[] after = Values(quantizer.Perturb(w));
        sbyte[] symbols = Symbols(quantizer.Quantize(w));
        for (int i = 0; i < before.Length; i++)
        {
            Assert.True((symbols[i] == 0) == (before[i] == after[i]), $"Weight {before[i]}, symbol {symbols[i]}, perturbed {after[i]}.");
        }
    }

    [Fact]
    public void Perturb_BadArguments_Throw()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer();
        var w = ones(3);
        Assert.Throws<ArgumentNullException>(() => quantizer.Perturb(null!));
        Assert.Throws<ArgumentException>(() => quantizer.Perturb(ones(3, dtype: ScalarType.Int32)));
        foreach (double gain in new[] { 0, -1, double.NaN, double.PositiveInfinity })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => quantizer.Perturb(w, gain));
            Assert.Throws<ArgumentOutOfRangeException>(() => quantizer.Quantize(w, gain));
        }

        foreach (double scale in new[] { -0.1, 1.1, double.NaN })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => quantizer.Scale = scale);
        }
    }

    [Fact]
    public void Perturb_Empty_ReturnsEmpty()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer();
        Assert.Equal([0L, 3L], quantizer.call(zeros(0, 3)).shape);
    }

    private static sbyte[] Symbols(Codec.QuantizedTensor quantized)
    {
        Assert.True(quantized.TryGetSymbols(out ReadOnlyMemory<sbyte> symbols));
        return symbols.ToArray();
    }
}
