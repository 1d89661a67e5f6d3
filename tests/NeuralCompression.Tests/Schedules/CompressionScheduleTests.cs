using NeuralCompression.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Schedules;

public sealed class CompressionScheduleTests
{
    [Theory]
    [InlineData(RampShape.Linear, 0.25, 2.5)]
    [InlineData(RampShape.Cosine, 0.5, 2.5)]
    [InlineData(RampShape.Cosine, 1.0 / 3, 1.75)]
    [InlineData(RampShape.Exponential, 0.5, 2)]
    public void Ramp_Shapes_GoFromStartToEnd(RampShape shape, double fraction, double expected)
    {
        var ramp = new ScheduleRamp(1, 4, shape);
        if (shape == RampShape.Linear)
        {
            expected = 1.75;
        }

        Assert.Equal(1, ramp.At(0), 1e-15);
        Assert.Equal(4, ramp.At(1));
        Assert.Equal(expected, ramp.At(fraction), 1e-14);
        ScheduleRamp constant = 0.5;
        Assert.Equal(0.5, constant.At(0.3));
    }

    [Fact]
    public void Session_DrivenByPhases_HasTheirValuesAtEveryStep()
    {
        var schedule = new CompressionSchedule(
            [
                SchedulePhase.Pretrain(2),
                SchedulePhase.BlendQuantized(3) with { LearningRateScale = 1 },
                SchedulePhase.Ramp(3) with { LearningRateScale = new(1, 0.25, RampShape.Exponential) },
                SchedulePhase.Equalize(1, 0.5),
                SchedulePhase.FineTune(1) with { LearningRateScale = 0.125 },
                SchedulePhase.FineTuneGains(2),
            ]);
        Assert.Equal(12, schedule.Steps);
        using var fixture = new SessionFixture(SessionFixture.Small(o => o.Schedule = schedule));
        var session = fixture.Session;
        var optimizer = fixture.Adam(0.01);
        var seen = new List<(double Lambda, double Noise, double Rounded, double Equalizer, double Rate, bool Frozen, bool Fixed)>();
        var names = new List<string>();
        for (int i = 0; i < 14; i++)
        {
            names.Add(session.Phase!.Name);
            fixture.Train(optimizer, 1);
            seen.Add((session.LambdaScale, session.NoiseScale, session.QuantizedForward, session.Equalizer, optimizer.ParamGroups.First().LearningRate / 0.01, session.IsFrozen, session.IsFixed));
        }

        double root = Math.Sqrt(0.1);
        (double, double, double, double, double, bool, bool)[] expected =
        [
            (0, 0, 0, 0, 1, false, false), (0, 0, 0, 0, 1, false, false),
            (0.1, 0, 0, 0, 1, false, false), (0.1, 0, 0.5, 0, 1, false, false), (0.1, 0, 1, 0, 1, false, false),
            (0.1, 0, 1, 0, 1, false, false), (root, 0.5, 1, 0, 0.5, false, false), (1, 1, 1, 0, 0.25, false, false),
            (0, 1, 1, 0.5, 0.25, true, false),
            (0, 0, 1, 0, 0.125, true, false),
            (0, 0, 1, 0, 0.125, true, true), (0, 0, 1, 0, 0.125, true, true), (0, 0, 1, 0, 0.125, true, true), (0, 0, 1, 0, 0.125, true, true),
        ];
        for (int i = 0; i < expected.Length; i++)
        {
            var (lambda, noise, rounded, equalizer, rate, frozen, isFixed) = expected[i];
            Assert.Equal(lambda, seen[i].Lambda, 1e-14);
            Assert.Equal((noise, rounded, equalizer, frozen, isFixed), (seen[i].Noise, seen[i].Rounded, seen[i].Equalizer, seen[i].Frozen, seen[i].Fixed));
            Assert.Equal(rate, seen[i].Rate, 1e-12);
        }

        Assert.Equal(["pretrain", "pretrain", "blend quantized", "blend quantized"], names[..4]);
        Assert.Equal("fine-tune gains", names[^1]);
        Assert.Equal(14, session.Steps);
    }

    [Fact]
    public void LambdaScale_Settable_MultipliesTheStrength()
    {
        using var scaled = new SessionFixture(SessionFixture.Small());
        using var plain = new SessionFixture(SessionFixture.Small(o => o.Loss.Lambda = 0.025));
        scaled.Session.LambdaScale = 0.5;
        Assert.Equal(plain.Collect(), scaled.Collect(), 1e-15);
        AssertClose(Values(plain.Parameters[0].grad!), Values(scaled.Parameters[0].grad!), relative: 1e-13, absolute: 0);
        Assert.Throws<ArgumentOutOfRangeException>(() => scaled.Session.LambdaScale = -1);
        Assert.Throws<ArgumentOutOfRangeException>(() => scaled.Session.Equalizer = double.NaN);
    }

    [Fact]
    public void Phases_Lengths_MayBeEpochs()
    {
        var schedule = new CompressionSchedule([SchedulePhase.Ramp(1.5), SchedulePhase.Hold(2)], stepsPerUnit: 10);
        Assert.Equal(35, schedule.Steps);
        Assert.Equal("ramp", schedule.PhaseAt(14).Name);
        Assert.Equal("hold", schedule.PhaseAt(15).Name);
        Assert.Equal("hold", schedule.PhaseAt(1000).Name);
        Assert.False(schedule.DrivesLearningRate);
    }

    [Theory]
    [InlineData(50)]
    [InlineData(12_345)]
    public void Default_AnyLength_EndsFrozenAndUsesEveryStep(long steps)
    {
        var schedule = CompressionSchedule.Default(steps);
        Assert.Equal(steps, schedule.Steps);
        Assert.True(schedule.DrivesLearningRate);
        Assert.True(schedule.Phases[^1].FreezeZeros);
        Assert.Throws<ArgumentOutOfRangeException>(() => CompressionSchedule.Default(49));
    }

    [Fact]
    public void Default_Training_ShrinksTheFile()
    {
        using var dense = new SessionFixture(SessionFixture.Small());
        using var fixture = new SessionFixture(SessionFixture.Small(o =>
        {
            o.Schedule = CompressionSchedule.Default(200);
            (o.Mapping, o.Loss.Mode, o.Loss.Growth, o.Loss.Weighting, o.Loss.Lambda) = (MappingKind.Clamp, LossMode.Proximal, LossGrowth.ShrinkOnly, LossWeighting.Rate, 0.02);
        }));
        double before = fixture.Session.Sparsity;
        fixture.Train(fixture.Adam(8e-3), 200);
        Assert.True(fixture.Session.IsFrozen);
        Assert.True(fixture.Session.Sparsity > before + 0.1, $"{before} -> {fixture.Session.Sparsity}");
    }

    [Fact]
    public void BadPhases_Throw()
    {
        Assert.Throws<ArgumentNullException>(() => new CompressionSchedule(null!));
        Assert.Throws<ArgumentException>(() => new CompressionSchedule([]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CompressionSchedule([SchedulePhase.Hold(1)], 0));
        foreach (var phase in new[]
        {
            SchedulePhase.Hold(0), SchedulePhase.Hold(double.NaN), SchedulePhase.Hold(0.2), SchedulePhase.Hold(1) with { NoiseScale = 1.5 },
            SchedulePhase.Hold(1) with { QuantizedForward = new(0, 1, RampShape.Exponential) }, SchedulePhase.Hold(1) with { LambdaScale = -1 },
            SchedulePhase.Hold(1) with { LearningRateScale = double.PositiveInfinity }, SchedulePhase.Hold(1) with { Equalizer = new(0, 1, (RampShape)7) },
        })
        {
            Assert.Throws<ArgumentException>(() => new CompressionSchedule([phase]));
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void LoadState_AnywhereInTheSchedule_GoesOnBitForBit(ScalarType dtype)
    {
        CompressionOptions Options() => SessionFixture.Small(o =>
        {
            o.Loss.Mode = LossMode.Proximal;
            o.Schedule = new CompressionSchedule(
                [
                    SchedulePhase.Ramp(3) with { LearningRateScale = new(1, 0.5) }, SchedulePhase.Equalize(3, 0.1), SchedulePhase.FineTuneGains(3) with { LearningRateScale = new(0.5, 0.1) },
                ]);
        });
        for (int stop = 1; stop < 10; stop++)
        {
            using var folder = new TemporaryFolder();
            using var whole = new SessionFixture(Options(), dtype);
            var optimizer = whole.Adam();
            whole.Train(optimizer, stop);
            whole.Session.SaveState(folder.File("state.ncm"));
            ((OptimizerHelper)optimizer).save_state_dict(folder.File("optimizer.bin"));
            whole.Train(optimizer, 10 - stop);

            using var resumed = new SessionFixture(Options(), dtype);
            var second = resumed.Adam();
            resumed.Train(second, 1);
            resumed.Session.LoadState(folder.File("state.ncm"));
            ((OptimizerHelper)second).load_state_dict(folder.File("optimizer.bin"));
            Assert.Equal(stop, resumed.Session.Steps);
            resumed.Train(second, 10 - stop);
            TestModels.AssertEqual(whole.Model, resumed.Model);
            Assert.Equal(whole.Session.IsFixed, resumed.Session.IsFixed);
        }
    }

    [Fact]
    public void LoadState_OtherSchedule_Throws()
    {
        using var folder = new TemporaryFolder();
        using var first = new SessionFixture(SessionFixture.Small(o => o.Schedule = new CompressionSchedule([SchedulePhase.Hold(5)])));
        first.Session.SaveState(folder.File("state.ncm"));
        using var second = new SessionFixture(SessionFixture.Small(o => o.Schedule = new CompressionSchedule([SchedulePhase.Hold(6)])));
        Assert.Contains("schedule", Assert.Throws<InvalidOperationException>(() => second.Session.LoadState(folder.File("state.ncm"))).Message, StringComparison.Ordinal);
        using var third = new SessionFixture(SessionFixture.Small());
        Assert.Throws<InvalidOperationException>(() => third.Session.LoadState(folder.File("state.ncm")));
    }
}
