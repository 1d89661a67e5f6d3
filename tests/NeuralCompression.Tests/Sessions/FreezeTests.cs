using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>FreezeZeros: zeros stay zero and the rest keeps its sign, whatever the optimizer's momentum wants.</summary>
public sealed class FreezeTests
{
    public static TheoryData<MappingKind, bool, LossMode> Cases
    {
        get
        {
            var data = new TheoryData<MappingKind, bool, LossMode>();
            foreach (var kind in Enum.GetValues<MappingKind>())
            {
                data.Add(kind, true, LossMode.Autograd);
                data.Add(kind, false, LossMode.DirectGradient);
                data.Add(kind, false, LossMode.Proximal);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void FreezeZeros_ManyStepsWithMomentum_KeepsZerosAndSigns(MappingKind kind, bool trainGains, LossMode mode)
    {
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains, o.Loss.Mode) = (kind, trainGains, mode)), dtype);
            var optimizer = fixture.Sgd(0.1, momentum: 0.9);
            fixture.Train(optimizer, 10);
            Check(fixture, optimizer);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    public void FreezeZeros_TensorPath_KeepsZerosAndSigns(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        foreach (bool trainGains in new[] { true, false })
        {
            foreach (var kind in new[] { MappingKind.Tanh, MappingKind.Identity })
            {
                using var model = new OneWeight(Strided(Random(1, dtype, 6, 4)));
                using var fixture = new SessionFixture(
                    SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (kind, trainGains)), dtype, model, Random(2, dtype, 8, 4));
                var optimizer = fixture.Sgd(0.1, momentum: 0.9);
                fixture.Train(optimizer, 5);
                Check(fixture, optimizer);
            }
        }
    }

    [Fact]
    public void FreezeZeros_OneSidedRange_TreatsTheOtherSideAsZero()
    {
        using var scope = NewDisposeScope();
        foreach (bool strided in new[] { false, true })
        {
            var start = Random(1, ScalarType.Float32, 6, 4).abs();
            using var model = new OneWeight(strided ? Strided(start) : start);
            using var fixture = new SessionFixture(
                SessionFixture.Small(o => (o.Mapping, o.Quantization.LowerLimit) = (MappingKind.Identity, 0)), ScalarType.Float32, model, Random(2, ScalarType.Float32, 8, 4));
            var optimizer = fixture.Sgd(0.5, momentum: 0.9);
            fixture.Train(optimizer, 10);
            Assert.Contains(Values(model.Weight), w => w < -0.5 * fixture.Session.Weights[0].Gain * 0.25);
            Check(fixture, optimizer);
        }
    }

    [Fact]
    public void FreezeZeros_Frozen_GetNoNoise()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        fixture.Session.FreezeZeros();
        bool[] zero = [.. Values(fixture.Session.Weights[0].Parameter).Select(w => w == 0)];
        Assert.Contains(true, zero);
        Assert.Contains(false, zero);
        using (fixture.Session.BeginStep())
        {
            double[] noisy = Values(fixture.Session.Weights[0].Parameter);
            Assert.All(zero.Zip(noisy), p => Assert.Equal(p.First, p.Second == 0));
        }
    }

    [Fact]
    public void FreezeZeros_Twice_FreezesWhatIsZeroNow()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        Assert.False(fixture.Session.IsFrozen);
        fixture.Session.FreezeZeros();
        Assert.True(fixture.Session.IsFrozen);
        double sparsity = fixture.Session.Sparsity;
        fixture.Session.FreezeZeros();
        Assert.Equal(sparsity, fixture.Session.Sparsity);
        Check(fixture, fixture.Adam());
    }

    private static void Check(SessionFixture fixture, optim.Optimizer optimizer)
    {
        var weights = fixture.Session.Weights;
        double[] sparsity = [.. weights.Select(w => w.Sparsity)];
        Assert.All(sparsity, s => Assert.InRange(s, 0.05, 0.95));
        fixture.Session.FreezeZeros();
        double a = fixture.Options.Quantization.NoiseLevel;
        int[][] signs = [.. weights.Select(w => Array.ConvertAll(Values(w.Parameter), Math.Sign))];
        for (int i = 0; i < weights.Count; i++)
        {
            Assert.Equal(sparsity[i], signs[i].Count(s => s == 0) / (double)signs[i].Length);
        }

        for (int step = 0; step < 30; step++)
        {
            fixture.Train(optimizer, 1);
            for (int i = 0; i < weights.Count; i++)
            {
                double[] now = Values(weights[i].Parameter);
                Assert.Equal(signs[i], Array.ConvertAll(now, Math.Sign));
                double[] mapped = fixture.Reference.Mapped(weights[i]);
                Assert.All(mapped.Where((_, j) => now[j] != 0), m => Assert.True(Math.Abs(m) > a, "A survivor would round to zero."));
                Assert.Equal(sparsity[i], weights[i].Sparsity);
            }
        }
    }
}
