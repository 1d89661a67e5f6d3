using System.Globalization;
using CsCheck;
using Microsoft.Extensions.Options;

namespace NeuralCompression.Tests.Noise;

/// <summary>Claim 10: one record of noise level and limits, checked before anything is done.</summary>
public sealed class QuantizationOptionsTests
{
    [Theory]
    [InlineData(1.0 / 6, -1, 1, 7)]
    [InlineData(0.5, -1, 1, 3)]
    [InlineData(0.1, -1, 1, 11)]
    [InlineData(0.05, -0.3, 0.7, 11)]
    [InlineData(0.25, 0, 1, 3)]
    [InlineData(1.0 / 30_000, -1, 1, 30_001)]
    public void Levels_ValidRecord_IsRangeOverStepPlusOne(double level, double lower, double upper, int levels)
    {
        var options = new QuantizationOptions { NoiseLevel = level, LowerLimit = lower, UpperLimit = upper };
        using var quantizer = new NoiseInjectionQuantizer(options);
        Assert.Equal(levels, options.Levels);
        Assert.Equal(2 * level, options.StepSize);
        Assert.Equal(options.Levels, options.MaxSymbol - options.MinSymbol + 1);
    }

    [Fact]
    public void Constructor_LimitOffTheGrid_NamesTheNearestValidValues() => Gen.Select(Gen.Double[0.01, 1], Gen.Double[0.05, 0.95], Gen.Int[0, 20], Gen.Bool).SampleRepeatably(
        (level, fraction, multiple, isUpper) =>
        {
            double limit = 2 * level * (multiple + fraction);
            var options = isUpper
                ? new QuantizationOptions { NoiseLevel = level, LowerLimit = -2 * level, UpperLimit = limit }
                : new QuantizationOptions { NoiseLevel = level, LowerLimit = -limit, UpperLimit = 2 * level };
            string failure = Assert.Single(Failures(options));
            Assert.StartsWith(isUpper ? "Quantization.UpperLimit" : "Quantization.LowerLimit", failure, StringComparison.Ordinal);

            double[] named = [.. failure[(failure.IndexOf("values are", StringComparison.Ordinal) + 10)..].TrimEnd('.').Split(" and ")
                .Select(t => double.Parse(t, CultureInfo.InvariantCulture)).Order()];
            double[] expected = isUpper ? [2 * level * multiple, 2 * level * (multiple + 1)] : [-2 * level * (multiple + 1), -2 * level * multiple];
            Assert.Equal(expected[0], named[0], 1e-12);
            Assert.Equal(expected[1], named[1], 1e-12);

            // What the message names is valid.
            foreach (double value in named.Where(v => v != 0))
            {
                using var repaired = new NoiseInjectionQuantizer(isUpper
                    ? new QuantizationOptions { NoiseLevel = level, LowerLimit = -2 * level, UpperLimit = value }
                    : new QuantizationOptions { NoiseLevel = level, LowerLimit = value, UpperLimit = 2 * level });
            }
        },
        iter: 100);

    [Theory]
    [InlineData(0, -1, 1, "NoiseLevel")]
    [InlineData(-0.5, -1, 1, "NoiseLevel")]
    [InlineData(double.NaN, -1, 1, "NoiseLevel")]
    [InlineData(double.PositiveInfinity, -1, 1, "NoiseLevel")]
    [InlineData(0.5, 1, 2, "LowerLimit")]
    [InlineData(0.5, double.NaN, 1, "LowerLimit")]
    [InlineData(0.5, double.NegativeInfinity, 1, "LowerLimit")]
    [InlineData(0.5, -2, -1, "UpperLimit")]
    [InlineData(0.5, -1, double.NaN, "UpperLimit")]
    [InlineData(0.5, 0, 0, "UpperLimit")]
    [InlineData(1e-6, -1, 1, "NoiseLevel")]
    [InlineData(0.5, 0, 40_000, "NoiseLevel")]
    public void Constructor_InvalidRecord_NamesTheMember(double level, double lower, double upper, string member) =>
        Assert.Contains(
            Failures(new QuantizationOptions { NoiseLevel = level, LowerLimit = lower, UpperLimit = upper }),
            f => f.StartsWith("Quantization." + member, StringComparison.Ordinal));

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(16, true)]
    [InlineData(17, false)]
    public void OtherBits_OutsideTwoToSixteen_IsAnError(int bits, bool valid) =>
        Assert.Equal(valid, !Failures(new QuantizationOptions { OtherBits = bits }).Any());

    [Fact]
    public void Constructor_TwoRecordsWrong_NamesAllFaultsAtOnce()
    {
        var error = Assert.Throws<OptionsValidationException>(() => new NoiseInjectionQuantizer(
            new QuantizationOptions { NoiseLevel = 0.3, LowerLimit = -1, UpperLimit = 1, OtherBits = 99 },
            new NoiseOptions { Scale = 2, Target = (NoiseTarget)7 }));
        Assert.Equal(
            ["Noise.Scale", "Noise.Target", "Quantization.LowerLimit", "Quantization.OtherBits", "Quantization.UpperLimit"],
            error.Failures.Select(f => f.Split(' ')[0]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Constructor_Options_AreCopied()
    {
        var options = new QuantizationOptions { NoiseLevel = 0.5 };
        using var quantizer = new NoiseInjectionQuantizer(options);
        options.NoiseLevel = 0.001;
        using var w = TestTensorsOf(0.4);
        Assert.Equal(1.0, quantizer.Quantize(w).Sparsity);
    }

    private static TorchSharp.torch.Tensor TestTensorsOf(double value) => Support.TestTensors.Of([value], TorchSharp.torch.ScalarType.Float32);

    private static IEnumerable<string> Failures(QuantizationOptions options)
    {
        try
        {
            using var quantizer = new NoiseInjectionQuantizer(options);
            return [];
        }
        catch (OptionsValidationException e)
        {
            return e.Failures;
        }
    }
}
