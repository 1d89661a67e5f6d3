using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>LossMode.Proximal against its closed form in docs/training.md.</summary>
public sealed class ProximalTests
{
    private const double Rate = 0.05;

    [Theory]
    [InlineData(MappingKind.Tanh, LossGrowth.Full, LossWeighting.Equal)]
    [InlineData(MappingKind.Tanh, LossGrowth.ShrinkOnly, LossWeighting.Rate)]
    [InlineData(MappingKind.Clamp, LossGrowth.ShrinkOnly, LossWeighting.Rate)]
    [InlineData(MappingKind.Sigmoid, LossGrowth.ShrinkOnly, LossWeighting.Equal)]
    [InlineData(MappingKind.Identity, LossGrowth.ShrinkOnly, LossWeighting.Equal)]
    public void Step_SeveralSteps_MatchTheClosedForm(MappingKind kind, LossGrowth growth, LossWeighting weighting)
    {
        foreach (bool trainGains in new[] { true, false })
        {
            using var fixture = new SessionFixture(SessionFixture.Small(o =>
            {
                o.Mapping = kind;
                o.TrainGains = trainGains;
                (o.Loss.Mode, o.Loss.Growth, o.Loss.Weighting, o.Loss.Lambda) = (LossMode.Proximal, growth, weighting, 0.02);
            }));
            var optimizer = fixture.Sgd(Rate);
            int count = fixture.Session.Weights.Count;
            double[][] moments = new double[count][];
            bool snapped = false;
            for (int step = 1; step <= 4; step++)
            {
                optimizer.zero_grad();
                fixture.Collect();
                double[][] expected = new double[count][];
                for (int i = 0; i < count; i++)
                {
                    var weight = fixture.Session.Weights[i];
                    double[] gradient = Values(weight.Raw.grad!);
                    moments[i] ??= new double[gradient.Length];
                    for (int j = 0; j < gradient.Length; j++)
                    {
                        moments[i][j] = (0.999 * moments[i][j]) + (0.001 * gradient[j] * gradient[j]);
                    }

                    (expected[i], bool any) = Proximal(fixture, weight, gradient, moments[i], 1 - Math.Pow(0.999, step));
                    snapped |= any;
                }

                fixture.Session.Step(optimizer);
                for (int i = 0; i < count; i++)
                {
                    AssertClose(expected[i], Values(fixture.Session.Weights[i].Raw), relative: 1e-11, absolute: 1e-13);
                }
            }

            Assert.True(snapped, "No weight reached zero, so stopping there was not tested.");
            Assert.Contains(fixture.Session.Weights.SelectMany(w => Values(w.Parameter)), x => x == 0);
        }
    }

    [Fact]
    public void Step_LambdaZero_IsPlainTraining()
    {
        using var proximal = new SessionFixture(SessionFixture.Small(o => (o.Loss.Mode, o.Loss.Lambda) = (LossMode.Proximal, 0)));
        using var plain = new SessionFixture(SessionFixture.Small(o => o.Loss.Lambda = 0));
        proximal.Train(proximal.Adam(), 5);
        plain.Train(plain.Adam(), 5);
        TestModels.AssertEqual(plain.Model, proximal.Model);
    }

    [Fact]
    public void Loss_Proximal_LeavesTheGradientToTheTask()
    {
        using var proximal = new SessionFixture(SessionFixture.Small(o => o.Loss.Mode = LossMode.Proximal));
        using var plain = new SessionFixture(SessionFixture.Small(o => o.Loss.Lambda = 0));
        proximal.Collect();
        plain.Collect();
        for (int i = 0; i < plain.Parameters.Length; i++)
        {
            AssertSameBits(plain.Parameters[i].grad!, proximal.Parameters[i].grad!);
        }
    }

    [Theory]
    [InlineData(MappingKind.Tanh, -1, 1)]
    [InlineData(MappingKind.Sigmoid, -1, 1)]
    [InlineData(MappingKind.Clamp, -1, 1)]
    [InlineData(MappingKind.Identity, -1, 1)]
    [InlineData(MappingKind.Tanh, -0.5, 1)]
    [InlineData(MappingKind.Sigmoid, -1, 1.5)]
    [InlineData(MappingKind.Clamp, -0.5, 1)]
    public void Step_StrongProximal_MakesExactZerosThatStay(MappingKind kind, double lower, double upper)
    {
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            using var fixture = new SessionFixture(
                SessionFixture.Small(o =>
                {
                    o.Mapping = kind;
                    (o.Quantization.LowerLimit, o.Quantization.UpperLimit) = (lower, upper);
                    o.Initialization.SeedReach = 0.3;
                    (o.Loss.Mode, o.Loss.Growth, o.Loss.Lambda) = (LossMode.Proximal, LossGrowth.ShrinkOnly, 0.5);
                    o.Noise.Scale = 0;
                }),
                dtype);
            fixture.Train(fixture.Adam(0.003), 150);
            double[] weights = [.. fixture.Session.Weights.SelectMany(w => Values(w.Parameter))];

            // Strength and steps are far beyond what the start needs, so most weights must be gone, and gone means zero, not almost.
            Assert.True(weights.Count(w => w == 0) > weights.Length / 3, $"{weights.Count(w => w == 0)} zeros of {weights.Length}: {string.Join(", ", weights.Select(w => w.ToString("G3", null)))}");
        }
    }

    [Fact]
    public void Step_ProximalWithClosure_Throws()
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => o.Loss.Mode = LossMode.Proximal));
        var optimizer = fixture.Adam();
        Assert.Contains("Proximal", Assert.Throws<InvalidOperationException>(() => fixture.Session.Step(optimizer, () => zeros(1))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Step_ParameterGroups_UseTheirOwnLearningRate()
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Loss.Mode, o.Loss.Lambda) = (LossMode.Proximal, 0.02)));
        var parameters = fixture.Parameters;
        var slow = fixture.Session.Weights[0].Raw;
        var optimizer = optim.SGD(
            [
                new TorchSharp.Modules.SGD.ParamGroup([slow], new TorchSharp.Modules.SGD.Options { LearningRate = 0 }),
                new TorchSharp.Modules.SGD.ParamGroup(parameters.Where(p => !ReferenceEquals(p, slow)), new TorchSharp.Modules.SGD.Options { LearningRate = Rate }),
            ],
            learningRate: 0.5);
        double[] before = Values(slow);
        double[] other = Values(fixture.Session.Weights[1].Raw);
        fixture.Train(optimizer, 2);
        Assert.Equal(before, Values(slow));
        Assert.NotEqual(other, Values(fixture.Session.Weights[1].Raw));
    }

    // theta after the optimizer's step and the proximal step of the document.
    private static (double[] Theta, bool Snapped) Proximal(SessionFixture fixture, CompressedWeight weight, double[] gradient, double[] moment, double correction)
    {
        var mapping = fixture.Session.Mapping;
        bool isDirect = ReferenceEquals(weight.Raw, weight.Parameter);
        double[] theta = [.. Values(weight.Raw).Zip(gradient, (x, g) => x - (Rate * g))];
        double[] mapped = isDirect ? [.. theta.Select(x => x / weight.Gain)] : [.. theta.Select(mapping.Map)];
        double[] loss = ClosedForm.Gradient(mapped, fixture.Options.Loss, weight.Strength is { } s ? Values(s) : null);
        bool snapped = false;
        for (int i = 0; i < theta.Length; i++)
        {
            double slope = isDirect ? 1 / weight.Gain : mapping.Derivative(theta[i]);
            double after = theta[i] - (Rate * fixture.Session.Lambda * loss[i] * slope / (Math.Sqrt(moment[i] / correction) + 1e-7));
            bool crossed = theta[i] * after < 0;
            snapped |= crossed;
            theta[i] = crossed ? 0 : after;
            theta[i] = mapping.Kind == MappingKind.Clamp ? Math.Clamp(theta[i], -1, 1) : theta[i];
        }

        return (theta, snapped);
    }
}
