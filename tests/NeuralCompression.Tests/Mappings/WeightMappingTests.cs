using CsCheck;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Mappings;

/// <summary>Claims 11 to 14 rest on these: values, slopes, inverses and limits, on every path.</summary>
public sealed class WeightMappingTests
{
    public static TheoryData<MappingKind, double, double> Mappings
    {
        get
        {
            var data = new TheoryData<MappingKind, double, double>();
            foreach (var kind in Enum.GetValues<MappingKind>())
            {
                data.Add(kind, -1, 1);
                data.Add(kind, -0.5, 1.5);
                data.Add(kind, 0, 2);
                data.Add(kind, -3, 0);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Map_AnyRaw_MatchesTheDocumentedFormula(MappingKind kind, double lower, double upper)
    {
        var mapping = WeightMapping.Create(kind, lower, upper);
        Gen.Double[-4, 4].SampleRepeatably(
            raw =>
            {
                double h = (upper - lower) / 2;
                double c = (upper + lower) / 2;
                double expected = kind switch
                {
                    MappingKind.Tanh => c + (h * Math.Tanh(raw / h)),
                    MappingKind.Sigmoid => lower + ((upper - lower) / (1 + Math.Exp(-raw))),
                    MappingKind.Clamp => Math.Min(Math.Max(raw, lower), upper),
                    _ => raw,
                };
                Assert.Equal(expected, mapping.Map(raw), 1e-14);
            },
            iter: 100);
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Map_TensorAndSpan_AgreeWithScalar(MappingKind kind, double lower, double upper)
    {
        using var scope = NewDisposeScope();
        var mapping = WeightMapping.Create(kind, lower, upper);
        double[] raw = [.. Numbers(1, 101).Select(x => 5 * x), 0, lower, upper];
        double[] expected = Array.ConvertAll(raw, mapping.Map);
        double[] slopes = Array.ConvertAll(raw, mapping.Derivative);

        var wide = new double[raw.Length];
        var slope = new double[raw.Length];
        mapping.Map<double>(raw, wide);
        mapping.Derivative<double>(raw, wide, slope);
        AssertClose(expected, wide, relative: 1e-14, absolute: 1e-15);

        // 1 - ((m - c) / h)^2 loses what m lost: a few roundoffs of the whole range.
        AssertClose(slopes, slope, relative: 1e-13, absolute: 1e-14);
        AssertClose(expected, Values(mapping.Map(Of(raw, ScalarType.Float64))), relative: 1e-14, absolute: 1e-15);
        AssertClose(slopes, Values(mapping.Derivative(Of(raw, ScalarType.Float64))), relative: 1e-13, absolute: 1e-14);

        float[] narrowRaw = Array.ConvertAll(raw, x => (float)x);
        var narrow = new float[raw.Length];
        var narrowSlope = new float[raw.Length];
        mapping.Map<float>(narrowRaw, narrow);
        mapping.Derivative<float>(narrowRaw, narrow, narrowSlope);
        double size = 5 * Math.Max(Math.Abs(lower), Math.Abs(upper));
        AssertClose(expected, Array.ConvertAll(narrow, x => (double)x), relative: 0, absolute: size * 4 * Roundoff(ScalarType.Float32));
        AssertClose(
            Array.ConvertAll(narrowRaw, x => mapping.Derivative((double)x)),
            Array.ConvertAll(narrowSlope, x => (double)x),
            relative: 0,
            absolute: size * 8 * Roundoff(ScalarType.Float32));
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Derivative_AwayFromKinks_MatchesFiniteDifferences(MappingKind kind, double lower, double upper)
    {
        var mapping = WeightMapping.Create(kind, lower, upper);
        Gen.Double[-4, 4].Where(x => Math.Abs(x - lower) > 1e-4 && Math.Abs(x - upper) > 1e-4).SampleRepeatably(
            raw => Assert.Equal(ClosedForm.Difference(mapping.Map, raw, 1e-5), mapping.Derivative(raw), 1e-9),
            iter: 200);
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Map_Autograd_GivesTheDerivative(MappingKind kind, double lower, double upper)
    {
        using var scope = NewDisposeScope();
        var mapping = WeightMapping.Create(kind, lower, upper);
        double[] raw = Array.ConvertAll(Numbers(2, 60), x => 4 * x);
        var theta = Of(raw, ScalarType.Float64, 6, 10).requires_grad_();
        mapping.Map(theta).sum().backward();
        AssertClose(Array.ConvertAll(raw, mapping.Derivative), Values(theta.grad!), relative: 1e-13, absolute: 1e-14);
        Assert.False(mapping.Derivative(theta).requires_grad);
        Assert.Equal(raw, Values(theta));
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Inverse_OfMap_ReturnsTheRaw(MappingKind kind, double lower, double upper)
    {
        using var scope = NewDisposeScope();
        var mapping = WeightMapping.Create(kind, lower, upper);
        var (low, high) = mapping.NonSaturatedRegion(0.1);
        low = double.IsFinite(low) ? low : -4;
        high = double.IsFinite(high) ? high : 4;
        double[] raw = Array.ConvertAll(Numbers(3, 50), x => low + ((high - low) * ((0.999 * x) + 1) / 2));

        // The slope is at least a tenth of the largest, so rounding grows at most by that.
        double tolerance = 1e-13 * Math.Max(1, upper - lower) * 10 / mapping.MaxSlope;
        AssertClose(raw, Array.ConvertAll(raw, x => mapping.Inverse(mapping.Map(x))), relative: 0, absolute: tolerance);
        AssertClose(raw, Values(mapping.Inverse(mapping.Map(Of(raw, ScalarType.Float64)))), relative: 0, absolute: tolerance);
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Map_Limits_AreNeverExceeded(MappingKind kind, double lower, double upper)
    {
        using var scope = NewDisposeScope();
        var mapping = WeightMapping.Create(kind, lower, upper);
        if (kind == MappingKind.Identity)
        {
            Assert.Equal(double.NegativeInfinity, mapping.LowerLimit);
            Assert.Equal(double.PositiveInfinity, mapping.UpperLimit);
            return;
        }

        Assert.Equal(lower, mapping.LowerLimit);
        Assert.Equal(upper, mapping.UpperLimit);
        double[] raw = [-1e30, -50, 50, 1e30, double.NegativeInfinity, double.PositiveInfinity, 3.7, -3.7];
        var span = new double[raw.Length];
        mapping.Map<double>(raw, span);

        // Adding the centre to h tanh rounds once, in units of the range.
        double rounding = 2e-16 * (upper - lower);
        foreach (double m in raw.Select(mapping.Map).Concat(span).Concat(Values(mapping.Map(Of(raw, ScalarType.Float64)))))
        {
            Assert.InRange(m, lower - rounding, upper + rounding);
        }
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Inverse_AtOrBeyondALimit_Throws(MappingKind kind, double lower, double upper)
    {
        using var scope = NewDisposeScope();
        var mapping = WeightMapping.Create(kind, lower, upper);
        double[] bad = kind == MappingKind.Identity
            ? [double.NaN, double.NegativeInfinity, double.PositiveInfinity]
            : [double.NaN, lower, upper, lower - 1, upper + 1, double.NegativeInfinity, double.PositiveInfinity];
        double middle = (lower + upper) / 2;
        foreach (double value in bad)
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => mapping.Inverse(value));
            Assert.Throws<ArgumentOutOfRangeException>(() => mapping.Inverse(Of([middle, value, middle], ScalarType.Float64)));
        }

        Assert.True(double.IsFinite(mapping.Inverse(middle)));
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void NonSaturatedRegion_Edges_HaveExactlyThatSlope(MappingKind kind, double lower, double upper)
    {
        var mapping = WeightMapping.Create(kind, lower, upper);
        foreach (double fraction in new[] { 0.01, 0.1, 0.5, 0.9, 1 })
        {
            var (low, high) = mapping.NonSaturatedRegion(fraction);
            if (kind is MappingKind.Tanh or MappingKind.Sigmoid)
            {
                Assert.Equal(fraction * mapping.MaxSlope, mapping.Derivative(low), 1e-12);
                Assert.Equal(fraction * mapping.MaxSlope, mapping.Derivative(high), 1e-12);
            }
            else if (kind == MappingKind.Clamp)
            {
                Assert.Equal((lower, upper), (low, high));
                Assert.Equal(0.0, mapping.Derivative(Math.BitDecrement(low)));
                Assert.Equal(0.0, mapping.Derivative(Math.BitIncrement(high)));
            }
            else
            {
                Assert.Equal((double.NegativeInfinity, double.PositiveInfinity), (low, high));
            }
        }

        foreach (double fraction in new[] { 0, -0.1, 1.1, double.NaN })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => mapping.NonSaturatedRegion(fraction));
        }
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void MaxSlope_Samples_AreNeverSteeper(MappingKind kind, double lower, double upper)
    {
        var mapping = WeightMapping.Create(kind, lower, upper);
        double[] slopes = [.. Enumerable.Range(-4000, 8001).Select(i => mapping.Derivative(i / 1000.0))];
        Assert.Equal(mapping.MaxSlope, slopes.Max(), 1e-6);
        Assert.All(slopes, s => Assert.InRange(s, 0, mapping.MaxSlope));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, -1)]
    [InlineData(double.NaN, 1)]
    [InlineData(-1, double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity, 1)]
    public void Create_BadLimits_Throws(double lower, double upper)
    {
        foreach (var kind in new[] { MappingKind.Tanh, MappingKind.Clamp, MappingKind.Sigmoid })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => WeightMapping.Create(kind, lower, upper));
        }
    }

    [Fact]
    public void Tanh_Single_IsAccurateIncreasingAndBounded()
    {
        var mapping = WeightMapping.Tanh(-1, 1);
        float[] raw = [.. Enumerable.Range(-40_003, 80_007).Select(i => i * 2.5e-4f), float.MaxValue, float.MinValue, 1e-30f, float.NaN];
        var mapped = new float[raw.Length];
        mapping.Map<float>(raw, mapped);
        for (int i = 0; i < raw.Length - 1; i++)
        {
            double exact = Math.Tanh(raw[i]);
            Assert.True(Math.Abs(mapped[i] - exact) <= 4e-7 * Math.Abs(exact), $"tanh({raw[i]}) = {mapped[i]}, not {exact}");
            Assert.InRange(mapped[i], -1, 1);
        }

        Assert.True(float.IsNaN(mapped[^1]));
        Assert.Equal(0, mapped[40_003]);
        Assert.Equal(1e-30f, mapped[^2]);
        // But for the last units of a ratio whose error is as above.
        for (int i = 1; i < 80_007; i++)
        {
            Assert.True(mapped[i] >= mapped[i - 1] - 5e-7f, $"falls at {raw[i]}");
        }

        // A value does not depend on its place.
        for (int length = 1; length < 20; length++)
        {
            var part = new float[length];
            mapping.Map<float>(raw.AsSpan(41_000, length), part);
            Assert.Equal(mapped[41_000..(41_000 + length)], part);
        }
    }

    [Fact]
    public void Create_UnknownKindOrNull_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => WeightMapping.Create((MappingKind)9));
        foreach (var kind in Enum.GetValues<MappingKind>())
        {
            var mapping = WeightMapping.Create(kind);
            Assert.Equal(kind, mapping.Kind);
            Assert.Throws<ArgumentNullException>(() => mapping.Map(null!));
            Assert.Throws<ArgumentNullException>(() => mapping.Derivative((Tensor)null!));
            Assert.Throws<ArgumentNullException>(() => mapping.Inverse((Tensor)null!));
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    public void Map_OtherTypesAndStrides_KeepTypeAndShape(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var raw = Strided(Random(4, dtype, 6, 7));
        foreach (var kind in Enum.GetValues<MappingKind>())
        {
            var mapping = WeightMapping.Create(kind);
            var mapped = mapping.Map(raw);
            Assert.Equal(dtype, mapped.dtype);
            Assert.Equal(raw.shape, mapped.shape);
            AssertClose(Array.ConvertAll(Values(raw), mapping.Map), Values(mapped), relative: 3 * Roundoff(dtype), absolute: 3 * Roundoff(dtype));
        }
    }

    [Theory]
    [InlineData(MappingKind.Tanh)]
    [InlineData(MappingKind.Sigmoid)]
    [InlineData(MappingKind.Clamp)]
    [InlineData(MappingKind.Identity)]
    public void Map_ZeroInASpan_IsExactlyZero(MappingKind kind)
    {
        // Every length, so that vector and scalar parts of the loop both meet it.
        for (int length = 1; length < 70; length++)
        {
            var narrow = new float[length];
            var wide = new double[length];
            WeightMapping.Create(kind).Map<float>(new float[length], narrow);
            WeightMapping.Create(kind).Map<double>(new double[length], wide);
            Assert.All(narrow, m => Assert.Equal(0f, m));
            Assert.All(wide, m => Assert.Equal(0.0, m));
        }
    }

    [Fact]
    public void Map_SmallRawsInASpan_KeepTheirRelativePrecision()
    {
        double[] raw = [.. Enumerable.Range(-400, 801).Select(i => Math.Sign(i) * Math.Pow(10, (Math.Abs(i) - 400) / 40.0))];
        foreach (double scale in new[] { 1, 1e-6, 1e-12 })
        {
            double[] scaled = Array.ConvertAll(raw, x => (double)(float)(x * scale));
            var narrow = new float[raw.Length];
            var wide = new double[raw.Length];
            WeightMapping.Tanh().Map<float>(Array.ConvertAll(scaled, x => (float)x), narrow);
            WeightMapping.Tanh().Map<double>(scaled, wide);

            // Beyond the series the error is a few roundoffs of 1, so relative to the smallest value there, 1/16 and 1/512.
            double[] expected = Array.ConvertAll(scaled, Math.Tanh);
            AssertClose(expected, Array.ConvertAll(narrow, x => (double)x), relative: 64 * Roundoff(ScalarType.Float32), absolute: 1e-45);
            AssertClose(expected, wide, relative: 2048 * Roundoff(ScalarType.Float64), absolute: 0);
        }
    }
}
