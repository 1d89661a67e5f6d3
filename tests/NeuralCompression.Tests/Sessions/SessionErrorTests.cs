using Microsoft.Extensions.Options;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>Contract 1: every mistake that would silently train or save the wrong weights is an error that says what to do.</summary>
public sealed class SessionErrorTests
{
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Step_ParameterChangedSinceTheStepWasClosed_IsNoticed(ScalarType dtype)
    {
        foreach (var mode in new[] { LossMode.DirectGradient, LossMode.Proximal })
        {
            using var fixture = new SessionFixture(SessionFixture.Small(o => o.Loss.Mode = mode), dtype);
            var optimizer = fixture.Adam();
            fixture.Train(optimizer, 2);
            fixture.Collect();
            using (no_grad())
            {
                fixture.Model.get_parameter("fc2.weight")!.add_(0.5);
            }

            AssertError(() => fixture.Session.Step(optimizer), "fc2.weight");
            fixture.Train(optimizer, 1);
        }
    }

    [Fact]
    public void Step_OptimizerOverModelParameters_Throws()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        var optimizer = optim.Adam(fixture.Model.parameters(), 0.01);
        fixture.Collect();
        AssertError(() => fixture.Session.Step(optimizer), "session.Parameters()");
    }

    [Fact]
    public void Constructor_SecondSessionOfAModule_ThrowsUntilTheFirstIsDisposed()
    {
        using var model = TestModels.Mlp(ScalarType.Float32);
        using (new CompressionSession(model))
        {
            AssertError(() => new CompressionSession(model).Dispose(), "already has a session");
        }

        using var second = new CompressionSession(model);
        Assert.NotEmpty(second.Weights);
    }

    [Fact]
    public void Constructor_NullSection_IsNamed()
    {
        using var model = TestModels.Mlp(ScalarType.Float32);
        var error = Assert.Throws<OptionsValidationException>(() => new CompressionSession(model, new CompressionOptions { Noise = null!, Loss = null! }));
        Assert.Contains("Noise", error.Message, StringComparison.Ordinal);
        Assert.Contains("Loss", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_LayerNormOverTwoDimensions_IsNoWeight()
    {
        using var model = nn.Sequential(("linear", nn.Linear(6, 6)), ("norm", nn.LayerNorm([4, 6])));
        using var session = new CompressionSession(model);
        Assert.Equal("linear.weight", Assert.Single(session.Weights).Name);
    }

    [Fact]
    public void SaveState_AfterQuantize_LeavesTheQuantisedWeightsInPlace()
    {
        using var folder = new TemporaryFolder();
        using var fixture = new SessionFixture(SessionFixture.Small());
        fixture.Session.Quantize();
        using var before = fixture.Output();
        fixture.Session.SaveState(folder.File("state"));
        using var after = fixture.Output();
        Assert.True(before.bytes.SequenceEqual(after.bytes));
    }

    [Fact]
    public void Step_OptimizerWithoutTheGains_Throws()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        var optimizer = optim.SGD(fixture.Parameters.Skip(1), 0.01);
        fixture.Collect();
        AssertError(() => fixture.Session.Step(optimizer), "lacks");
    }

    [Fact]
    public void Step_WithinAStep_Throws()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        var optimizer = fixture.Adam();
        using (fixture.Session.BeginStep())
        {
            AssertError(() => fixture.Session.Step(optimizer), "open");
            AssertError(() => fixture.Session.BeginStep(), "open");
            AssertError(() => fixture.Session.Quantize(), "open");
            AssertError(() => fixture.Session.FreezeZeros(), "open");
            AssertError(() => fixture.Session.SaveState("never written"), "open");
            AssertError(() => fixture.Session.LoadState("never read"), "open");
            AssertError(() => fixture.Session.Save("never written"), "open");
            AssertError(() => fixture.Session.Save(Stream.Null), "open");
        }
    }

    [Fact]
    public void Step_WithoutGradients_Throws()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        var optimizer = fixture.Adam();
        AssertError(() => fixture.Session.Step(optimizer), "gradients");
        using (fixture.Session.BeginStep())
        {
        }

        AssertError(() => fixture.Session.Step(optimizer), "gradients");
        fixture.Train(optimizer, 1);
        AssertError(() => fixture.Session.Step(optimizer), "gradients");
    }

    [Fact]
    public void Step_IdentityFixedGainWithoutGradients_Throws()
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (MappingKind.Identity, false)));
        var optimizer = fixture.Adam();
        AssertError(() => fixture.Session.Step(optimizer), "gradients");
        fixture.Train(optimizer, 1);

        // zero_grad leaves gradients of zeros, which are not what a step collected.
        optimizer.zero_grad();
        using (fixture.Session.BeginStep())
        {
        }

        AssertError(() => fixture.Session.Step(optimizer), "gradients");
    }

    [Fact]
    public void Step_CompressionTermAlone_Works()
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => o.Loss.Growth = LossGrowth.ShrinkOnly));
        var optimizer = fixture.Adam();
        double before = TestTensors.Value(fixture.Session.Loss());
        for (int i = 0; i < 20; i++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            using (fixture.Session.BeginStep())
            {
                fixture.Session.Loss().backward();
            }

            fixture.Session.Step(optimizer);
        }

        Assert.True(TestTensors.Value(fixture.Session.Loss()) < before);
    }

    [Fact]
    public void Step_NullArguments_Throw()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        var optimizer = fixture.Adam();
        Assert.Throws<ArgumentNullException>(() => fixture.Session.Step(null!));
        Assert.Throws<ArgumentNullException>(() => fixture.Session.Step(optimizer, null!));
        Assert.Throws<ArgumentNullException>(() => new CompressionSession(null!));
        Assert.Throws<ArgumentNullException>(() => fixture.Session.Save((Stream)null!));
        Assert.Throws<ArgumentException>(() => fixture.Session.Save(""));
        Assert.Throws<ArgumentException>(() => fixture.Session.SaveState(""));
        Assert.Throws<ArgumentException>(() => fixture.Session.LoadState(""));
    }

    [Theory]
    [InlineData(MappingKind.Tanh, true)]
    [InlineData(MappingKind.Clamp, false)]
    [InlineData(MappingKind.Identity, true)]
    [InlineData(MappingKind.Identity, false)]
    public void AnyCall_ParameterChangedOutside_Throws(MappingKind kind, bool trainGains)
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (kind, trainGains)));
        var optimizer = fixture.Adam();
        fixture.Train(optimizer, 1);
        TestModels.Fill(fixture.Model, 77);
        using var stream = new MemoryStream();
        AssertError(() => fixture.Session.Save(stream), "fc1.weight");
        Assert.Equal(0, stream.Length);
        AssertError(() => fixture.Session.Quantize(), "fc1.weight");
        AssertError(() => fixture.Session.BeginStep(), "fc1.weight");
    }

    [Fact]
    public void BeginStep_OptimizerSteppedDirectly_Throws()
    {
        foreach (var (kind, trainGains) in new[] { (MappingKind.Tanh, true), (MappingKind.Identity, false) })
        {
            using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (kind, trainGains)));
            var optimizer = fixture.Adam();
            fixture.Collect();
            optimizer.step();
            AssertError(() => fixture.Session.BeginStep(), "session.Step(optimizer)");
        }
    }

    [Fact]
    public void Save_OptimizerSteppedDirectly_Throws()
    {
        foreach (var (kind, trainGains) in new[] { (MappingKind.Tanh, true), (MappingKind.Identity, false) })
        {
            using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (kind, trainGains)));
            var optimizer = fixture.Adam();
            fixture.Collect();
            optimizer.step();
            using var stream = new MemoryStream();

            // Otherwise the file would hold the weights of before the step.
            AssertError(() => fixture.Session.Save(stream), "session.Step(optimizer)");
        }
    }

    [Fact]
    public void BeginStep_ModuleConvertedToAnotherType_Throws()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        fixture.Model.to(ScalarType.Float32);
        AssertError(() => fixture.Session.BeginStep(), "device or type");
        AssertError(() => fixture.Session.Save(Stream.Null), "device or type");
    }

    [Fact]
    public void BeginStep_NativeModuleConverted_Throws()
    {
        using var model = new TiedEmbedding(ScalarType.Float32);
        using var session = new CompressionSession(model, SessionFixture.Small());
        ((TorchSharp.Modules.Embedding)model.children().First()).to(ScalarType.Float64);
        AssertError(() => session.BeginStep(), "device or type");
    }

    [Fact]
    public void BeginStep_LoadCompressedMeanwhile_Throws()
    {
        using var folder = new TemporaryFolder();
        using var fixture = new SessionFixture(SessionFixture.Small(), ScalarType.Float32);
        using var other = TestModels.Mlp(ScalarType.Float32, seed: 9);
        other.SaveCompressed(folder.File("other.ncm"));
        fixture.Model.LoadCompressed(folder.File("other.ncm"));
        AssertError(() => fixture.Session.BeginStep(), "behind the session's back");
    }

    [Fact]
    public void Constructor_InvalidOptions_NamesEveryFault()
    {
        using var model = TestModels.Mlp(ScalarType.Float32);
        var before = TestModels.Snapshot(model);
        var options = new CompressionOptions
        {
            Mapping = (MappingKind)9,
            QuantizedForward = 2,
            Quantization = { NoiseLevel = 0.3, OtherBits = 1 },
            Loss = { Lambda = -1, Include = static (_, _) => true },
            Noise = { Scale = -1 },
            Initialization = { Occupancy = 0, SeedReach = 2 },
        };
        var error = Assert.Throws<OptionsValidationException>(() => new CompressionSession(model, options));
        Assert.Equal(
            [
                "Compression.Loss.Include", "Compression.Mapping", "Compression.QuantizedForward", "Initialization.Occupancy", "Initialization.SeedReach", "Loss.Lambda", "Noise.Scale",
                "Quantization.LowerLimit", "Quantization.OtherBits", "Quantization.UpperLimit",
            ],
            error.Failures.Select(f => f.Split(' ')[0]).Order(StringComparer.Ordinal));
        TestModels.AssertUnchanged(before, model);
    }

    [Fact]
    public void Constructor_NothingToCompress_Throws()
    {
        using var norm = nn.BatchNorm1d(3);
        Assert.Contains("Include", Assert.Throws<ArgumentException>(() => new CompressionSession(norm)).Message, StringComparison.Ordinal);
        using var model = TestModels.Mlp(ScalarType.Float32);
        Assert.Throws<ArgumentException>(() => new CompressionSession(model, new CompressionOptions { Include = static (_, _) => false }));
    }

    [Fact]
    public void Constructor_WeightNotFinite_NamesIt()
    {
        using var model = TestModels.Mlp(ScalarType.Float32);
        using (no_grad())
        {
            model.get_parameter("fc2.weight")!.fill_(double.NaN);
        }

        Assert.Contains("fc2.weight", Assert.Throws<ArgumentException>(() => new CompressionSession(model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Quantize_DivergedTraining_SaysSo()
    {
        foreach (var trainGains in new[] { true, false })
        {
            using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (MappingKind.Identity, trainGains)));
            var optimizer = fixture.Sgd(double.MaxValue);
            fixture.Train(optimizer, 1);
            var error = Record.Exception(() =>
            {
                fixture.Train(optimizer, 3);
                fixture.Session.Quantize();
            });
            Assert.Contains("diverged", Assert.IsType<InvalidOperationException>(error).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Schedules_OutOfRange_Throw()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        foreach (double bad in new[] { -1, double.NaN, double.PositiveInfinity })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => fixture.Session.Lambda = bad);
            Assert.Throws<ArgumentOutOfRangeException>(() => fixture.Session.NoiseScale = bad);
            Assert.Throws<ArgumentOutOfRangeException>(() => fixture.Session.QuantizedForward = bad);
        }

        Assert.Equal((0.05, 1, 0), (fixture.Session.Lambda, fixture.Session.NoiseScale, fixture.Session.QuantizedForward));
    }

    [Fact]
    public void Options_ChangedAfterwards_HaveNoEffect()
    {
        var options = SessionFixture.Small();
        using var fixture = new SessionFixture(options);
        using var twin = new SessionFixture(SessionFixture.Small());
        options.Noise.Seed = 99;
        options.Loss.Variant = LossVariant.SquaredRatio;
        options.Quantization.NoiseLevel = 0.5;
        fixture.Train(fixture.Adam(), 2);
        twin.Train(twin.Adam(), 2);
        TestModels.AssertEqual(twin.Model, fixture.Model);
    }

    private static void AssertError(Action action, string text) =>
        Assert.Contains(text, Assert.Throws<InvalidOperationException>(action).Message, StringComparison.Ordinal);
}
