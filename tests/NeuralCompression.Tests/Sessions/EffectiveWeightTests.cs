using NeuralCompression.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>Contracts 0 and 1: what the module holds inside and outside a step.</summary>
public sealed class EffectiveWeightTests
{
    public static TheoryData<MappingKind, bool> Cases
    {
        get
        {
            var data = new TheoryData<MappingKind, bool>();
            foreach (var kind in Enum.GetValues<MappingKind>())
            {
                data.Add(kind, true);
                data.Add(kind, false);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Constructor_SeedWeights_KeepTheFunction(MappingKind kind, bool trainGains)
    {
        using var scope = NewDisposeScope();
        var model = TestModels.Mlp(ScalarType.Float64);
        var input = Random(100, ScalarType.Float64, 8, 4);
        double[] before = Values(model.call(input));
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (kind, trainGains)), model: model, input: input);
        AssertClose(before, Values(fixture.Output()), relative: 1e-13, absolute: 1e-14);
        AssertHoldsEffectiveWeights(fixture, relative: 1e-14);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Parameters_OutsideSteps_HoldEffectiveWeightsWhileTraining(MappingKind kind, bool trainGains)
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (kind, trainGains)));
        var optimizer = fixture.Adam(0.05);
        for (int i = 0; i < 20; i++)
        {
            fixture.Train(optimizer, 1);
            AssertHoldsEffectiveWeights(fixture, relative: 1e-14);
        }
    }

    [Theory]
    [InlineData(NoiseTarget.AllWeights, 1, 0)]
    [InlineData(NoiseTarget.AllWeights, 0.3, 0)]
    [InlineData(NoiseTarget.NonZeroWeights, 1, 0)]
    [InlineData(NoiseTarget.AllWeights, 1, 0.4)]
    [InlineData(NoiseTarget.NonZeroWeights, 0.5, 1)]
    [InlineData(NoiseTarget.AllWeights, 0, 1)]
    [InlineData(NoiseTarget.AllWeights, 0, 0)]
    public void BeginStep_Parameters_HoldTheDocumentedNoisyWeights(NoiseTarget target, double scale, double fraction)
    {
        foreach (var kind in Enum.GetValues<MappingKind>())
        {
            using var fixture = new SessionFixture(SessionFixture.Small(o =>
            {
                o.Mapping = kind;
                o.Noise.Target = target;
                o.Noise.Scale = scale;
                o.QuantizedForward = fraction;
            }));
            for (ulong draw = 0; draw < 3; draw++)
            {
                using (fixture.Session.BeginStep())
                {
                    for (int i = 0; i < fixture.Session.Weights.Count; i++)
                    {
                        // Reference is called for identity with theta still clean, so only where theta is not the parameter.
                        AssertClose(fixture.Reference.Noisy(i, draw), Values(fixture.Session.Weights[i].Parameter), relative: 1e-13, absolute: 1e-14);
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void BeginStep_Disposed_RestoresEveryBit(MappingKind kind, bool trainGains)
    {
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (kind, trainGains)), dtype);
            fixture.Train(fixture.Adam(), 3);
            var before = TestModels.Snapshot(fixture.Model);
            using (fixture.Session.BeginStep())
            {
                Assert.True(TestModels.Differs(before, fixture.Model));
                using var scope = NewDisposeScope();
                fixture.Task().backward();
            }

            TestModels.AssertUnchanged(before, fixture.Model);
            using (fixture.Session.BeginStep())
            {
            }

            TestModels.AssertUnchanged(before, fixture.Model);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void BeginStep_UserCodeThrows_RestoresEveryBit(MappingKind kind, bool trainGains)
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (kind, trainGains)));
        fixture.Train(fixture.Adam(), 2);
        var before = TestModels.Snapshot(fixture.Model);
        Assert.Throws<DivideByZeroException>((Action)(() =>
        {
            using (fixture.Session.BeginStep())
            {
                using var scope = NewDisposeScope();
                fixture.Task().backward();
                throw new DivideByZeroException();
            }
        }));
        TestModels.AssertUnchanged(before, fixture.Model);

        // And after an exception of torch itself.
        Assert.ThrowsAny<Exception>(() =>
        {
            using (fixture.Session.BeginStep())
            {
                using var scope = NewDisposeScope();
                fixture.Model.call(zeros(2, 17, dtype: ScalarType.Float64));
            }
        });
        TestModels.AssertUnchanged(before, fixture.Model);
    }

    [Fact]
    public void BeginStep_Closed_ClearsTheParametersGradient()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        fixture.Collect();
        Assert.All(fixture.Session.Weights, w => Assert.Null(w.Parameter.grad));
        Assert.All(fixture.Parameters, p => Assert.NotNull(p.grad));
    }

    [Fact]
    public void BeginStep_GradientLeftInAParameter_IsNotTaken()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        using var plain = new SessionFixture(SessionFixture.Small());
        fixture.Session.Weights[0].Parameter.grad = ones(5, 4, dtype: ScalarType.Float64);
        fixture.Collect();
        plain.Collect();
        AssertSameBits(plain.Session.Weights[0].Raw.grad!, fixture.Session.Weights[0].Raw.grad!);
    }

    [Fact]
    public void BeginStep_Twice_DrawsFreshNoise()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        byte[] Draw()
        {
            using (fixture.Session.BeginStep())
            {
                return Bits(fixture.Session.Weights[0].Parameter);
            }
        }

        Assert.NotEqual(Draw(), Draw());
    }

    [Fact]
    public void BeginStep_SameSeed_DrawsTheSameNoise()
    {
        using var one = new SessionFixture(SessionFixture.Small());
        using var two = new SessionFixture(SessionFixture.Small());
        using var other = new SessionFixture(SessionFixture.Small(o => o.Noise.Seed = 4));
        using (one.Session.BeginStep())
        using (two.Session.BeginStep())
        using (other.Session.BeginStep())
        {
            TestModels.AssertEqual(one.Model, two.Model);
            Assert.NotEqual(Bits(one.Session.Weights[0].Parameter), Bits(other.Session.Weights[0].Parameter));
        }
    }

    [Fact]
    public void Parameters_AnyModel_AreEachOnceAndTheSameEveryTime()
    {
        using var model = new TiedEmbedding(ScalarType.Float64);
        using var session = new CompressionSession(model, SessionFixture.Small());
        Parameter[] parameters = [.. session.Parameters()];

        // Theta, its log-gain and the decoder's bias: the tied weight is listed twice by the module.
        Assert.Equal(3, parameters.Length);
        Assert.Equal(parameters, session.Parameters());
        Assert.Equal(3, parameters.Select(p => p.Handle).Distinct().Count());
        Assert.All(parameters, p => Assert.True(p.requires_grad && p.is_leaf));
    }

    [Fact]
    public void Parameters_FixedGains_LeaveOutTheGains()
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => o.TrainGains = false));
        Assert.Equal(4, fixture.Parameters.Length);
        var gains = fixture.Session.Weights.Select(w => w.Gain).ToArray();
        fixture.Train(fixture.Adam(), 5);
        Assert.Equal(gains, fixture.Session.Weights.Select(w => w.Gain));
    }

    [Fact]
    public void Parameters_FrozenByTheUser_AreLeftOut()
    {
        var model = TestModels.Mlp(ScalarType.Float64);
        model.get_parameter("fc1.bias")!.requires_grad = false;
        model.get_parameter("fc2.weight")!.requires_grad = false;
        using var fixture = new SessionFixture(SessionFixture.Small(), model: model);
        Assert.Equal(["fc1.weight"], fixture.Session.Weights.Select(w => w.Name));
        Assert.Equal(3, fixture.Parameters.Length);
        var before = TestModels.Snapshot(model);
        fixture.Train(fixture.Adam(), 3);
        Assert.Equal(before["fc1.bias"], Bits(model.get_parameter("fc1.bias")!));
        Assert.Equal(before["fc2.weight"], Bits(model.get_parameter("fc2.weight")!));
    }

    [Fact]
    public void Raw_IdentityWithFixedGain_IsTheParameter()
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (MappingKind.Identity, false)));
        Assert.All(fixture.Session.Weights, w => Assert.Same(w.Parameter, w.Raw));
        var modelParameters = fixture.Model.parameters().Select(p => p.Handle).Order();
        Assert.Equal(modelParameters, fixture.Parameters.Select(p => p.Handle).Order());
    }

    [Theory]
    [InlineData(LossMode.Autograd)]
    [InlineData(LossMode.DirectGradient)]
    public void Step_IdentityFixedGainNoNoise_IsPlainTraining(LossMode mode)
    {
        // Nothing but the loss term distinguishes this from an ordinary loop, so an ordinary loop must give the same weights.
        using var fixture = new SessionFixture(SessionFixture.Small(o =>
        {
            (o.Mapping, o.TrainGains, o.Noise.Scale, o.Loss.Mode) = (MappingKind.Identity, false, 0, mode);
        }));
        using var model = TestModels.Mlp(ScalarType.Float64);
        using var plain = new SessionFixture(SessionFixture.Small(), model: TestModels.Mlp(ScalarType.Float64));
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 0.05 });
        using var input = Random(100, ScalarType.Float64, 8, 4);
        using var target = Random(101, ScalarType.Float64, 8, 3);
        var optimizer = optim.Adam(model.parameters(), 0.01);
        fixture.Train(fixture.Adam(), 10);
        for (int i = 0; i < 10; i++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            ((model.call(input) - target).square().mean() + loss.call(model)).backward();
            optimizer.step();
        }

        foreach (var (name, parameter) in model.named_parameters())
        {
            AssertClose(Values(parameter), Values(fixture.Model.get_parameter(name)!), relative: 1e-10, absolute: 1e-12);
        }
    }

    [Fact]
    public void AutogradAndDirectGradient_TrainAlike()
    {
        foreach (var kind in Enum.GetValues<MappingKind>())
        {
            using var autograd = new SessionFixture(SessionFixture.Small(o => o.Mapping = kind));
            using var direct = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.Loss.Mode) = (kind, LossMode.DirectGradient)));
            autograd.Train(autograd.Adam(), 20);
            direct.Train(direct.Adam(), 20);
            for (int i = 0; i < autograd.Session.Weights.Count; i++)
            {
                AssertClose(Values(autograd.Session.Weights[i].Parameter), Values(direct.Session.Weights[i].Parameter), relative: 1e-9, absolute: 1e-10);
            }
        }
    }

    [Fact]
    public void Step_Clamp_KeepsRawsWithinTheLimits()
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => o.Mapping = MappingKind.Clamp));
        var optimizer = fixture.Adam(0.5);
        for (int i = 0; i < 10; i++)
        {
            fixture.Train(optimizer, 1);
            Assert.All(fixture.Session.Weights, w => Assert.All(Values(w.Raw), x => Assert.InRange(x, -1, 1)));
        }

        Assert.Contains(fixture.Session.Weights.SelectMany(w => Values(w.Raw)), x => Math.Abs(x) == 1);
    }

    [Fact]
    public void Dispose_WithinAStep_RestoresTheWeights()
    {
        using var model = TestModels.Mlp(ScalarType.Float64);
        var session = new CompressionSession(model, SessionFixture.Small());
        var before = TestModels.Snapshot(model);
        var step = session.BeginStep();
        Assert.True(TestModels.Differs(before, model));
        session.Dispose();
        TestModels.AssertUnchanged(before, model);
        step.Dispose();
        session.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.BeginStep());
        Assert.Throws<ObjectDisposedException>(() => session.Loss());
        Assert.Throws<ObjectDisposedException>(() => session.Quantize());
        Assert.Throws<ObjectDisposedException>(() => session.EstimateBytes());
    }

    [Fact]
    public void BeginStep_EarlierStepDisposedAgain_LeavesTheOpenStepOpen()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        var first = fixture.Session.BeginStep();
        first.Dispose();
        first.Dispose();
        var before = TestModels.Snapshot(fixture.Model);
        using (fixture.Session.BeginStep())
        {
            first.Dispose();
            Assert.True(TestModels.Differs(before, fixture.Model), "Disposing a closed step a second time closed the next one.");
        }
    }

    [Fact]
    public void Constructor_RandomStart_GivesTheLayersTheirSpread()
    {
        using var model = TestModels.WideMlp(hidden: 2000);
        using var session = new CompressionSession(model, SessionFixture.Small(o => o.Initialization.Start = StartingPoint.Random));
        foreach (var weight in session.Weights)
        {
            double[] w = Values(weight.Parameter);
            double target = 1 / Math.Sqrt(3.0 * weight.Parameter.shape[1]);
            Assert.Equal(target, Math.Sqrt(w.Average(x => x * x)), target * 5 / Math.Sqrt(2.0 * w.Length));
        }

        Assert.NotEqual(Values(session.Weights[0].Raw).Take(10), Values(session.Weights[1].Raw).Take(10));
    }

    [Fact]
    public void Sparsity_KnownWeights_CountsWhatRoundsToZero()
    {
        using var scope = NewDisposeScope();
        // Gain 1 / 0.7 puts 1 at 0.7 of the limit; noise level 0.25 then rounds |w| <= 0.357 to zero.
        using var model = new OneWeight(Of([1, 0.1, -0.35, 0.36, 0, -1], ScalarType.Float64, 2, 3));
        using var session = new CompressionSession(model, SessionFixture.Small());
        Assert.Equal(3 / 6.0, session.Sparsity);
        Assert.Equal(3 / 6.0, session.Weights[0].Sparsity);
        Assert.Equal(0.0, session.Weights[0].ClippedFraction);
        Assert.Equal("weight", session.Weights[0].Name);
    }

    private static void AssertHoldsEffectiveWeights(SessionFixture fixture, double relative)
    {
        foreach (var weight in fixture.Session.Weights)
        {
            AssertClose(
                [.. fixture.Reference.Mapped(weight).Select(m => weight.Gain * m)], Values(weight.Parameter), relative, absolute: 1e-15 * weight.Gain);
        }
    }
}
