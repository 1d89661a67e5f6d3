using NeuralCompression.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>Refit: another gain or steepness, the same function, the optimizer's means rescaled.</summary>
public sealed class RefitTests
{
    [Theory]
    [InlineData(MappingKind.Tanh, true, 2.0)]
    [InlineData(MappingKind.Tanh, false, 3.0)]
    [InlineData(MappingKind.Sigmoid, true, 0.5)]
    [InlineData(MappingKind.Sigmoid, false, 4.0)]
    [InlineData(MappingKind.Clamp, true, null)]
    [InlineData(MappingKind.Identity, true, null)]
    public void Refit_GainsAndSteepness_KeepTheFunctionAndRescaleAdam(MappingKind kind, bool gains, double? steepness)
    {
        using var scope = NewDisposeScope();
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.Loss.Mode) = (kind, LossMode.Proximal)));
        var optimizer = (Adam)fixture.Adam(0.05);
        fixture.Train(optimizer, 20);
        var session = fixture.Session;
        double[] output = Values(fixture.Output());
        double[][] slopes = Slopes();
        double[] gainsBefore = [.. session.Weights.Select(w => w.Gain)];
        double[][] first = Moments(s => s.exp_avg);
        double[][] second = Moments(s => s.exp_avg_sq);
        var report = session.Refit(optimizer, gains, steepness);
        Assert.True(report.OptimizerCarried);
        Assert.Equal(0, report.ClippedFraction);
        AssertClose(output, Values(fixture.Output()), relative: 1e-11, absolute: 1e-12);
        Assert.Equal(steepness ?? 1, session.Mapping.Steepness);
        double[][] after = Slopes();
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(gains, gainsBefore[i] != session.Weights[i].Gain);
            double[] ratio = [.. after[i].Zip(slopes[i], (a, b) => a / b)];
            AssertClose([.. first[i].Zip(ratio, (m, r) => m * r)], Moments(s => s.exp_avg)[i], relative: 1e-10, absolute: 1e-15);
            AssertClose([.. second[i].Zip(ratio, (m, r) => m * r * r)], Moments(s => s.exp_avg_sq)[i], relative: 1e-10, absolute: 1e-15);
        }

        fixture.Train(optimizer, 3);
        fixture.Session.Quantize();

        double[][] Slopes() => [.. session.Weights.Select(w => Array.ConvertAll(Values(w.Raw), t => w.Gain * session.Mapping.Derivative(t)))];

        double[][] Moments(Func<Adam.State, Tensor> part) =>
            [.. session.Weights.Select(w => Values(part((Adam.State)optimizer.state_dict().State[Array.IndexOf(fixture.Parameters, w.Raw)])))];
    }

    [Fact]
    public void Refit_SgdMomentum_IsCarriedAndOthersAreNot()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        var sgd = fixture.Sgd(0.01, momentum: 0.9);
        fixture.Train(sgd, 3);
        Assert.True(fixture.Session.Refit(sgd).OptimizerCarried);
        var other = optim.RMSProp(fixture.Session.Parameters(), 0.01);
        fixture.Train(other, 1);
        Assert.False(fixture.Session.Refit(other).OptimizerCarried);
        Assert.False(fixture.Session.Refit().OptimizerCarried);
    }

    [Fact]
    public void Refit_SavedAndLoaded_KeepsTheSteepness()
    {
        using var folder = new TemporaryFolder();
        using var fixture = new SessionFixture(SessionFixture.Small());
        fixture.Session.Refit(steepness: 2);
        fixture.Session.SaveState(folder.File("state.ncm"));
        using var other = new SessionFixture(SessionFixture.Small());
        other.Session.LoadState(folder.File("state.ncm"));
        Assert.Equal(2, other.Session.Mapping.Steepness);
        fixture.Train(fixture.Sgd(), 2);
        other.Train(other.Sgd(), 2);
        TestModels.AssertEqual(fixture.Model, other.Model);
    }

    [Fact]
    public void Refit_WhereItMakesNoSense_Throws()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        using var clamp = new SessionFixture(SessionFixture.Small(o => o.Mapping = MappingKind.Clamp));
        Assert.Throws<ArgumentOutOfRangeException>(() => clamp.Session.Refit(steepness: 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => fixture.Session.Refit(steepness: 0));
        fixture.Session.FreezeZeros();
        Assert.Throws<InvalidOperationException>(() => fixture.Session.Refit());
        fixture.Session.Refit(gains: false, steepness: 2);
        fixture.Session.FixLevels();
        Assert.Throws<InvalidOperationException>(() => fixture.Session.Refit(gains: false, steepness: 1));
    }
}
