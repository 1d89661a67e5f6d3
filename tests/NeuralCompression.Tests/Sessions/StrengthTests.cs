using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>A strength of the compression term for every weight.</summary>
public sealed class StrengthTests
{
    private const double Rate = 0.05;

    [Theory]
    [InlineData(LossMode.Autograd, LossGrowth.Full, LossWeighting.Equal)]
    [InlineData(LossMode.DirectGradient, LossGrowth.Full, LossWeighting.Equal)]
    public void Collect_Strengths_MatchFiniteDifferences(LossMode mode, LossGrowth growth, LossWeighting weighting)
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Loss.Mode, o.Loss.Growth, o.Loss.Weighting) = (mode, growth, weighting)));
        SetStrengths(fixture);
        fixture.Collect();
        foreach (var weight in fixture.Session.Weights)
        {
            double[] expected = fixture.Reference.Differences(weight.Raw, 1e-5, 0);
            AssertClose(expected, Values(weight.Raw.grad!), relative: 1e-6, absolute: 1e-8);
        }
    }

    [Theory]
    [InlineData(LossGrowth.Full, LossWeighting.Rate)]
    [InlineData(LossGrowth.ShrinkOnly, LossWeighting.Rate)]
    [InlineData(LossGrowth.ShrinkOnly, LossWeighting.Equal)]
    public void Collect_SurrogatesWithStrengths_MatchTheClosedForm(LossGrowth growth, LossWeighting weighting)
    {
        foreach (bool span in new[] { true, false })
        {
            using var fixture = Surrogate(growth, weighting, span ? ScalarType.Float64 : ScalarType.BFloat16);
            using var without = Surrogate(growth, weighting, span ? ScalarType.Float64 : ScalarType.BFloat16);
            SetStrengths(fixture);
            fixture.Session.Lambda = 0.05;
            without.Session.Lambda = 0;
            fixture.Collect();
            without.Collect();
            for (int i = 0; i < fixture.Session.Weights.Count; i++)
            {
                var weight = fixture.Session.Weights[i];
                double[] task = Values(without.Session.Weights[i].Raw.grad!);
                double[] loss = ClosedForm.Gradient(fixture.Reference.Mapped(weight), fixture.Options.Loss, Values(weight.Strength!));
                double[] expected = [.. task.Zip(loss, (t, l) => t + (0.05 * l))];
                AssertClose(expected, Values(weight.Raw.grad!), relative: span ? 1e-10 : 1e-4, absolute: span ? 1e-12 : 1e-6);
            }
        }
    }

    [Fact]
    public void Step_ProximalWithStrengths_ShrinksByThem()
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o =>
            (o.Mapping, o.Loss.Mode, o.Loss.Growth, o.Loss.Lambda, o.Noise.Scale) = (MappingKind.Clamp, LossMode.Proximal, LossGrowth.ShrinkOnly, 0.02, 0)));
        var optimizer = fixture.Sgd(Rate);
        var weight = fixture.Session.Weights[0];
        using var none = zeros_like(weight.Raw);
        weight.Strength = none;
        double[] before = Values(weight.Raw);
        fixture.Collect();
        double[] gradient = Values(weight.Raw.grad!);
        fixture.Session.Step(optimizer);
        double[] expected = [.. before.Zip(gradient, (x, g) => Math.Clamp(x - (Rate * g), -1, 1))];
        AssertClose(expected, Values(weight.Raw), relative: 1e-12, absolute: 1e-14);
        Assert.Contains(fixture.Session.Weights.Skip(1).SelectMany(w => Values(w.Parameter)), x => x == 0);
    }

    [Fact]
    public void Strength_AllOnes_IsTheSameAsNone()
    {
        using var plain = new SessionFixture(SessionFixture.Small(o => o.Loss.Mode = LossMode.Proximal));
        using var ones = new SessionFixture(SessionFixture.Small(o => o.Loss.Mode = LossMode.Proximal));
        foreach (var weight in ones.Session.Weights)
        {
            using var one = torch.ones(1, dtype: ScalarType.Float64);
            weight.Strength = one;
            Assert.Equal(weight.Parameter.shape, weight.Strength!.shape);
        }

        plain.Train(plain.Adam(), 5);
        ones.Train(ones.Adam(), 5);
        for (int i = 0; i < plain.Session.Weights.Count; i++)
        {
            AssertClose(Values(plain.Session.Weights[i].Raw), Values(ones.Session.Weights[i].Raw), relative: 1e-10, absolute: 1e-12);
        }
    }

    [Fact]
    public void LoadState_BringsStrengthsBack()
    {
        using var folder = new TemporaryFolder();
        using var saved = new SessionFixture(SessionFixture.Small());
        using var loaded = new SessionFixture(SessionFixture.Small());
        saved.Session.Weights[0].Strength = rand(saved.Session.Weights[0].Parameter.shape, ScalarType.Float64);
        loaded.Session.Weights[1].Strength = ones_like(loaded.Session.Weights[1].Parameter);
        saved.Session.SaveState(folder.File("state.ncm"));
        loaded.Session.LoadState(folder.File("state.ncm"));
        AssertSameBits(saved.Session.Weights[0].Strength!, loaded.Session.Weights[0].Strength!);
        Assert.Null(loaded.Session.Weights[1].Strength);
    }

    [Fact]
    public void Strength_BadValues_ThrowAndChangeNothing()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        var weight = fixture.Session.Weights[0];
        foreach (double bad in new[] { -1, double.NaN, double.PositiveInfinity })
        {
            Assert.Throws<ArgumentException>(() => weight.Strength = full_like(weight.Parameter, bad));
        }

        Assert.Throws<ArgumentException>(() => weight.Strength = torch.ones(7, 7, 7));
        Assert.Null(weight.Strength);
    }

    private static SessionFixture Surrogate(LossGrowth growth, LossWeighting weighting, ScalarType type) => new(
        SessionFixture.Small(o => (o.Mapping, o.Loss.Mode, o.Loss.Growth, o.Loss.Weighting, o.Noise.Scale) = (MappingKind.Clamp, LossMode.DirectGradient, growth, weighting, 0)), type);

    private static void SetStrengths(SessionFixture fixture)
    {
        foreach (var weight in fixture.Session.Weights)
        {
            using var strength = TestTensors.Random(7, weight.Raw.dtype, weight.Parameter.shape).abs();
            weight.Strength = strength;
        }
    }
}
