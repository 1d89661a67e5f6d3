using Microsoft.Extensions.Options;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Initialization;

/// <summary>Claims 11 and 12: random raw parameters in the non-saturated region, with a spread solved for the mapping.</summary>
public sealed class RandomStartTests
{
    private const int Count = 200_000;

    public static TheoryData<MappingKind, double, double> Mappings => new()
    {
        { MappingKind.Tanh, -1, 1 },
        { MappingKind.Clamp, -1, 1 },
        { MappingKind.Sigmoid, -1, 1 },
        { MappingKind.Identity, -1, 1 },
        { MappingKind.Tanh, -0.5, 1.5 },
        { MappingKind.Sigmoid, -2, 1 },
        { MappingKind.Clamp, 0, 2 },
        { MappingKind.Identity, -0.5, 1.5 },
    };

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Random_EveryMapping_StaysInTheNonSaturatedRegion(MappingKind kind, double lower, double upper)
    {
        var mapping = WeightMapping.Create(kind, lower, upper);
        foreach (double fraction in new[] { 0.3, 0.5 })
        {
            // At 0.4 of half the width the cut of the normal distribution matters.
            using var start = Draw(mapping, lower, upper, new InitializationOptions { SlopeFraction = fraction, Occupancy = 0.4, SeedReach = 0.1 });
            double[] raw = Values(start.Raw);
            var (low, high) = mapping.NonSaturatedRegion(fraction);
            low = double.IsFinite(low) ? low : lower;
            high = double.IsFinite(high) ? high : upper;
            Assert.InRange(raw.Min(), low, high);
            Assert.InRange(raw.Max(), low, high);
            Assert.True(raw.Max() - raw.Min() > 0.9 * (high - low));
            Assert.All(raw, x => Assert.True(mapping.Derivative(x) >= fraction * mapping.MaxSlope * (1 - 1e-12)));
        }
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Random_EveryMapping_FillsTheOccupancy(MappingKind kind, double lower, double upper)
    {
        var mapping = WeightMapping.Create(kind, lower, upper);
        foreach (double occupancy in new[] { 0.001, 0.01, 0.05, 0.25, 0.4 })
        {
            using var start = Draw(mapping, lower, upper, new InitializationOptions { Occupancy = occupancy, SeedReach = 0.1 });
            double spread = Spread([.. Values(start.Raw).Select(mapping.Map)]);

            // The sample deviation of n values of kurtosis at most 3 has the relative standard error 1 / sqrt(2 n) = 0.16 %; five of them.
            Assert.Equal(occupancy * (upper - lower) / 2, spread, occupancy * (upper - lower) / 2 * 5 / Math.Sqrt(2.0 * Count));
        }
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Random_Gain_GivesTheWeightsTheirTargetSpread(MappingKind kind, double lower, double upper)
    {
        var mapping = WeightMapping.Create(kind, lower, upper);
        using var start = Draw(mapping, lower, upper, new InitializationOptions { SeedReach = 0.1 }, targetSpread: 0.037);
        double spread = Spread([.. Values(start.Raw).Select(x => start.Gain * mapping.Map(x))]);
        Assert.Equal(0.037, spread, 0.037 * 5 / Math.Sqrt(2.0 * Count));
        Assert.Equal(0, start.ClippedFraction);
    }

    [Fact]
    public void Random_FourMappings_SpreadWeightsAlikeAndRawsDifferently()
    {
        var weights = new Dictionary<MappingKind, double>();
        var raws = new Dictionary<MappingKind, double>();
        foreach (var kind in Enum.GetValues<MappingKind>())
        {
            var mapping = WeightMapping.Create(kind);
            using var start = Draw(mapping, -1, 1, new InitializationOptions { Occupancy = 0.4 });
            weights[kind] = Spread([.. Values(start.Raw).Select(x => start.Gain * mapping.Map(x))]);
            raws[kind] = Spread(Values(start.Raw));
        }

        double error = 5 / Math.Sqrt(2.0 * Count);
        Assert.All(weights.Values, s => Assert.Equal(0.05, s, 0.05 * error));
        Assert.Equal(raws[MappingKind.Clamp], raws[MappingKind.Identity], 1e-12);
        Assert.True(raws[MappingKind.Tanh] > raws[MappingKind.Clamp] * (1 + (2 * error)));
        Assert.True(raws[MappingKind.Sigmoid] > raws[MappingKind.Tanh] * (1 + (2 * error)));
    }

    [Fact]
    public void Random_SymmetricRange_IsCentredWhereTheWeightIsZero()
    {
        foreach (var kind in Enum.GetValues<MappingKind>())
        {
            var mapping = WeightMapping.Create(kind);
            using var start = Draw(mapping, -1, 1, new InitializationOptions());
            double[] mapped = [.. Values(start.Raw).Select(mapping.Map)];
            Assert.Equal(0, mapped.Average(), 5 * 0.25 / Math.Sqrt(Count));
        }
    }

    [Fact]
    public void Random_InfeasibleOccupancy_ErrorNamesTheMostThatWorks()
    {
        foreach (var (kind, occupancy) in new[] { (MappingKind.Tanh, 0.5), (MappingKind.Sigmoid, 0.5), (MappingKind.Clamp, 0.6), (MappingKind.Identity, 0.6) })
        {
            var mapping = WeightMapping.Create(kind);
            var error = Assert.Throws<InvalidOperationException>(() => Draw(mapping, -1, 1, new InitializationOptions { Occupancy = occupancy }));
            Assert.Contains("Occupancy", error.Message, StringComparison.Ordinal);
            string text = error.Message[(error.Message.IndexOf("the most is ", StringComparison.Ordinal) + 12)..].Split(". ")[0];
            double most = double.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
            Assert.InRange(most, 0.4, occupancy);

            // What the message names can be had; a little more cannot.
            using var start = Draw(mapping, -1, 1, new InitializationOptions { Occupancy = most - 0.001 });
            Assert.Throws<InvalidOperationException>(() => Draw(mapping, -1, 1, new InitializationOptions { Occupancy = most + 0.002 }));
        }
    }

    [Fact]
    public void Random_SameSeedAndTensor_GivesTheSameWeights()
    {
        var mapping = WeightMapping.Tanh();
        using var one = Draw(mapping, -1, 1, new InitializationOptions { Seed = 5 });
        using var two = Draw(mapping, -1, 1, new InitializationOptions { Seed = 5 });
        using var otherSeed = Draw(mapping, -1, 1, new InitializationOptions { Seed = 6 });
        using var otherTensor = Draw(mapping, -1, 1, new InitializationOptions { Seed = 5 }, tensorIndex: 1);
        AssertSameBits(one.Raw, two.Raw);
        Assert.Equal(one.Gain, two.Gain);
        Assert.InRange(Math.Abs(Correlation(Values(one.Raw), Values(otherSeed.Raw))), 0, 5 / Math.Sqrt(Count));
        Assert.InRange(Math.Abs(Correlation(Values(one.Raw), Values(otherTensor.Raw))), 0, 5 / Math.Sqrt(Count));
    }

    [Fact]
    public void Random_ShapeTypeAndArguments_AreHonoured()
    {
        using var scope = NewDisposeScope();
        var initializer = new SeedAwareInitializer(WeightMapping.Tanh());
        using var start = initializer.Random([3, 4, 5], 0.1, 0, ScalarType.Float64);
        Assert.Equal([3L, 4L, 5L], start.Raw.shape);
        Assert.Equal(ScalarType.Float64, start.Raw.dtype);
        using var empty = initializer.Random([0, 4], 0.1);
        Assert.Equal(0, empty.Raw.numel());
        foreach (double spread in new[] { 0, -1, double.NaN, double.PositiveInfinity })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => initializer.Random([2], spread));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => initializer.Random([2], 0.1, -1));
        Assert.Throws<ArgumentNullException>(() => new SeedAwareInitializer(null!));
    }

    [Fact]
    public void Raw_MadeInAScope_OutlivesIt()
    {
        InitializedWeights start;
        using (NewDisposeScope())
        {
            start = new SeedAwareInitializer(WeightMapping.Tanh()).Random([2, 2], 0.1);
        }

        Assert.Equal(4, Values(start.Raw).Length);
        start.Dispose();
        Assert.True(start.Raw.IsInvalid);
    }

    [Fact]
    public void TargetSpread_Shapes_IsScaleOverRootOfFanIn()
    {
        var initializer = new SeedAwareInitializer(WeightMapping.Tanh(), new InitializationOptions { SpreadScale = 2 });
        Assert.Equal(2 / Math.Sqrt(12), initializer.TargetSpread([7, 3, 2, 2]), 1e-15);
        Assert.Equal(2.0, initializer.TargetSpread([7]));
        Assert.Equal(2.0, initializer.TargetSpread([]));
    }

    [Fact]
    public void Initialize_Module_SetsWeightsAndNothingElse()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("a", nn.Linear(400, 300)), ("b", nn.Linear(300, 200, dtype: ScalarType.Float64)));
        TestModels.Fill(model, 1);
        byte[] bias = Bits(model.get_parameter("a.bias")!);
        var initializer = new SeedAwareInitializer(WeightMapping.Tanh());
        initializer.Initialize(model);
        Assert.Equal(bias, Bits(model.get_parameter("a.bias")!));
        foreach (var (name, fanIn) in new[] { ("a.weight", 400), ("b.weight", 300) })
        {
            double[] w = Values(model.get_parameter(name)!);
            double target = 1 / Math.Sqrt(3 * fanIn);
            Assert.Equal(target, Spread(w), target * 5 / Math.Sqrt(2.0 * w.Length));
        }

        byte[] first = Bits(model.get_parameter("a.weight")!);
        initializer.Initialize(model);
        Assert.Equal(first, Bits(model.get_parameter("a.weight")!));
        Assert.Throws<ArgumentNullException>(() => initializer.Initialize(null!));
    }

    [Fact]
    public void Constructor_InvalidOptions_NamesEveryFault()
    {
        var options = new InitializationOptions
        {
            Start = (StartingPoint)7, SlopeFraction = 0, Occupancy = 1, SpreadScale = double.NaN, SeedReach = 1, SeedQuantile = 0,
        };
        var error = Assert.Throws<OptionsValidationException>(() => new SeedAwareInitializer(WeightMapping.Tanh(), options));
        Assert.Equal(6, error.Failures.Count());
        Assert.All(error.Failures, f => Assert.StartsWith("Initialization.", f, StringComparison.Ordinal));
    }

    private static InitializedWeights Draw(
        WeightMapping mapping, double lower, double upper, InitializationOptions options, double targetSpread = 0.05, int tensorIndex = 0)
    {
        var range = new QuantizationOptions { NoiseLevel = 0.25, LowerLimit = lower, UpperLimit = upper };
        return new SeedAwareInitializer(mapping, options, range).Random([Count], targetSpread, tensorIndex, ScalarType.Float64);
    }

    private static double Spread(double[] values)
    {
        double mean = values.Average();
        return Math.Sqrt(values.Average(x => (x - mean) * (x - mean)));
    }

    private static double Correlation(double[] a, double[] b)
    {
        double meanA = a.Average();
        double meanB = b.Average();
        return a.Zip(b, (x, y) => (x - meanA) * (y - meanB)).Average() / (Spread(a) * Spread(b));
    }
}
