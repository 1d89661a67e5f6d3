using Microsoft.Extensions.Options;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Initialization;

/// <summary>Claims 13 and 14: the gain is fitted so that given weights lie in the non-saturated region, and the network keeps its function.</summary>
public sealed class SeedStartTests
{
    [Theory]
    [InlineData(MappingKind.Tanh)]
    [InlineData(MappingKind.Clamp)]
    [InlineData(MappingKind.Sigmoid)]
    [InlineData(MappingKind.Identity)]
    public void FromSeed_EveryMapping_ReproducesTheWeights(MappingKind kind)
    {
        using var scope = NewDisposeScope();
        var mapping = WeightMapping.Create(kind);

        // Weights of size 30 would saturate every default mapping: fitting the gain is claim 14.
        foreach (double size in new[] { 1e-3, 0.5, 30 })
        {
            double[] weights = Array.ConvertAll(Numbers(1, 500), x => size * x);
            using var start = new SeedAwareInitializer(mapping).FromSeed(Of(weights, ScalarType.Float64, 20, 25));
            Assert.Equal([20L, 25L], start.Raw.shape);
            Assert.Equal(0.0, start.ClippedFraction);
            double[] mapped = [.. Values(start.Raw).Select(mapping.Map)];

            // Inverse and map each lose a few roundoffs, grown by the inverse slope of at most 2.
            AssertClose(weights, [.. mapped.Select(m => start.Gain * m)], relative: 1e-14, absolute: 1e-14 * size);
            Assert.Equal(0.7, mapped.Max(Math.Abs), 1e-12);
            Assert.All(Values(start.Raw), x => Assert.True(mapping.Derivative(x) >= 0.5 * mapping.MaxSlope));
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    public void FromSeed_NarrowTypes_GiveFloat32Raws(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var weights = Strided(Random(2, dtype, 9, 11));
        byte[] before = Bits(weights);
        using var start = new SeedAwareInitializer(WeightMapping.Tanh()).FromSeed(weights);
        Assert.Equal(ScalarType.Float32, start.Raw.dtype);
        var reproduced = WeightMapping.Tanh().Map(start.Raw).mul(start.Gain);
        AssertClose(Values(weights), Values(reproduced), relative: 4 * Roundoff(ScalarType.Float32), absolute: 4 * Roundoff(ScalarType.Float32));
        Assert.Equal(before, Bits(weights));
    }

    [Fact]
    public void FromSeed_AsymmetricLimits_FitsTheTighterSide()
    {
        using var scope = NewDisposeScope();
        var mapping = WeightMapping.Tanh(-0.5, 1.5);
        var options = new InitializationOptions { SeedReach = 0.4 };
        foreach (double[] weights in new double[][] { [-1, 0, 1], [-0.1, 0.2, 3], [0.5, 0.25, 0], [-0.5, -0.25, 0] })
        {
            using var start = new SeedAwareInitializer(mapping, options).FromSeed(Of(weights, ScalarType.Float64));
            AssertClose(weights, [.. Values(start.Raw).Select(x => start.Gain * mapping.Map(x))], relative: 1e-14, absolute: 1e-14);
            double expected = Math.Max(-weights.Min() / (0.4 * 0.5), weights.Max() / (0.4 * 1.5));
            Assert.Equal(expected, start.Gain, 1e-14);
        }
    }

    [Fact]
    public void Constructor_ReachOutsideTheRegion_Throws()
    {
        // The lower edge of the non-saturated part of tanh(-0.5, 1.5) is 0.5 - 0.707 = -0.207; 0.7 of the limit is -0.35.
        var error = Assert.Throws<OptionsValidationException>(() => new SeedAwareInitializer(WeightMapping.Tanh(-0.5, 1.5)));
        Assert.Contains("SeedReach", Assert.Single(error.Failures), StringComparison.Ordinal);
        Assert.Throws<OptionsValidationException>(() => new SeedAwareInitializer(WeightMapping.Tanh(), new InitializationOptions { SeedReach = 0.8 }));
    }

    [Theory]
    [InlineData(MappingKind.Tanh)]
    [InlineData(MappingKind.Clamp)]
    [InlineData(MappingKind.Sigmoid)]
    [InlineData(MappingKind.Identity)]
    public void FromSeed_QuantileBelowOne_ClipsAndReports(MappingKind kind)
    {
        using var scope = NewDisposeScope();
        var mapping = WeightMapping.Create(kind);
        double[] weights = Array.ConvertAll(Numbers(3, 1000), x => Math.Pow(x, 3));
        var options = new InitializationOptions { SeedQuantile = 0.8 };
        using var start = new SeedAwareInitializer(mapping, options).FromSeed(Of(weights, ScalarType.Float64));
        double[] mapped = [.. Values(start.Raw).Select(mapping.Map)];
        double edge = kind is MappingKind.Tanh or MappingKind.Sigmoid ? Math.Sqrt(0.5) : 1;

        // The 800th magnitude of 1000 lands at the reach.
        double quantile = weights.Select(Math.Abs).Order().ElementAt(799);
        Assert.Equal(quantile / 0.7, start.Gain, 1e-12);
        int clipped = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            double wanted = weights[i] / start.Gain;
            clipped += Math.Abs(wanted) > edge ? 1 : 0;
            Assert.Equal(Math.Clamp(wanted, -edge, edge), mapped[i], 1e-12);
        }

        Assert.InRange(clipped, 1, 200);
        Assert.Equal(clipped / 1000.0, start.ClippedFraction, 1e-15);
    }

    [Fact]
    public void FromSeed_ClampWeightExactlyAtTheLimit_IsKept()
    {
        using var scope = NewDisposeScope();
        // The quantile is 0.5, which lands at reach 0.5: gain 1, and the weight 1 lies exactly at the limit.
        var options = new InitializationOptions { SeedQuantile = 0.75, SeedReach = 0.5 };
        using var start = new SeedAwareInitializer(WeightMapping.Clamp(), options).FromSeed(Of([0.25, -0.25, 0.5, 1], ScalarType.Float64));
        Assert.Equal(1, start.Gain, 1e-15);
        Assert.Equal([0.25, -0.25, 0.5, 1], Values(start.Raw));
    }

    [Fact]
    public void FromSeed_ClampFromZero_KeepsZeros()
    {
        using var scope = NewDisposeScope();
        using var start = new SeedAwareInitializer(WeightMapping.Clamp(0, 1)).FromSeed(Of([0, 0.35, 0.7], ScalarType.Float64));
        AssertClose([0, 0.35, 0.7], [.. Values(start.Raw).Select(x => x * start.Gain)], relative: 1e-14, absolute: 0);
    }

    [Theory]
    [InlineData(MappingKind.Tanh)]
    [InlineData(MappingKind.Sigmoid)]
    public void FromSeed_WholeSeedOutsideTheRegion_ThrowsInsteadOfClipping(MappingKind kind)
    {
        using var scope = NewDisposeScope();
        // tanh(0, 1) cannot represent 0 without saturating; a quantile of 1 promises that nothing is clipped.
        var initializer = new SeedAwareInitializer(WeightMapping.Create(kind, 0, 1));
        var error = Assert.Throws<ArgumentException>(() => initializer.FromSeed(Of([0, 0.1, 1], ScalarType.Float64)));
        Assert.Contains("non-saturated", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => initializer.FromSeed(zeros(3)));
    }

    [Fact]
    public void FromSeed_AllZeros_HasGainOneAndZeroWeights()
    {
        using var scope = NewDisposeScope();
        foreach (var kind in Enum.GetValues<MappingKind>())
        {
            var mapping = WeightMapping.Create(kind);
            using var start = new SeedAwareInitializer(mapping).FromSeed(zeros(2, 3));
            Assert.Equal(1.0, start.Gain);
            Assert.All(Values(start.Raw), x => Assert.Equal(0.0, mapping.Map(x)));
        }
    }

    [Fact]
    public void FromSeed_Empty_Works()
    {
        using var scope = NewDisposeScope();
        using var start = new SeedAwareInitializer(WeightMapping.Tanh()).FromSeed(zeros(0, 3));
        Assert.Equal([0L, 3L], start.Raw.shape);
        Assert.Equal(0.0, start.ClippedFraction);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void FromSeed_NotFinite_Throws(double value)
    {
        using var scope = NewDisposeScope();
        var initializer = new SeedAwareInitializer(WeightMapping.Tanh());
        Assert.Contains("finite", Assert.Throws<ArgumentException>(() => initializer.FromSeed(Of([1, value], ScalarType.Float32))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => initializer.FromSeed(null!));
    }

    [Fact]
    public void FromSeed_WrongSide_Throws()
    {
        using var scope = NewDisposeScope();
        foreach (var mapping in new[] { WeightMapping.Clamp(0, 1), WeightMapping.Tanh(0, 1) })
        {
            Assert.Throws<ArgumentException>(() => new SeedAwareInitializer(mapping).FromSeed(Of([-1, 1], ScalarType.Float32)));
        }
    }
}
