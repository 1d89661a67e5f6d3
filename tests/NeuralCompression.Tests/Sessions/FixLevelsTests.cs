using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>After FixLevels only gains, biases and norms move.</summary>
public sealed class FixLevelsTests
{
    [Theory]
    [InlineData(MappingKind.Tanh, true, ScalarType.Float64)]
    [InlineData(MappingKind.Clamp, true, ScalarType.Float32)]
    [InlineData(MappingKind.Identity, false, ScalarType.Float32)]
    [InlineData(MappingKind.Sigmoid, true, ScalarType.BFloat16)]
    public void Train_FixedLevels_KeepSymbolsAndMoveGains(MappingKind kind, bool trainGains, ScalarType dtype)
    {
        using var folder = new TemporaryFolder();
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Mapping, o.TrainGains) = (kind, trainGains)), dtype);
        var session = fixture.Session;
        var optimizer = fixture.Adam();
        fixture.Train(optimizer, 3);
        session.FixLevels();
        Assert.True(session.IsFixed && session.IsFrozen);
        double[][] levels = [.. session.Weights.Select(Levels)];
        double[] gains = [.. session.Weights.Select(w => w.Gain)];
        double[] bias = Values(fixture.Model.get_parameter("fc1.bias")!);
        fixture.Train(optimizer, 5);
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(levels[i], Levels(session.Weights[i]));
            Assert.Equal(trainGains, gains[i] != session.Weights[i].Gain);
        }

        Assert.NotEqual(bias, Values(fixture.Model.get_parameter("fc1.bias")!));
        session.Save(folder.File("model.ncm"));
        using var loaded = TestModels.Mlp(dtype, 7);
        loaded.LoadCompressed(folder.File("model.ncm"));
        TestModels.AssertEqual(fixture.Model, loaded);
        session.SaveState(folder.File("state.ncm"));
        session.FixLevels();

        double[] Levels(CompressedWeight weight) => [.. Values(weight.Parameter).Select(w => Math.Round(w / weight.Gain / 0.5))];
    }

    [Fact]
    public void BeginStep_FixedLevels_HasExactGradientsOfGainsOnly()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        fixture.Session.FixLevels();
        double[][] held = [.. fixture.Session.Weights.Select(w => Values(w.Parameter))];
        fixture.Collect();
        for (int i = 0; i < 2; i++)
        {
            Assert.Null(fixture.Session.Weights[i].Raw.grad);
            Assert.Equal(held[i], Values(fixture.Session.Weights[i].Parameter));
            using var task = NewDisposeScope();
            var parameter = fixture.Session.Weights[i].Parameter;
            fixture.Task().backward();
            double expected = Values(parameter.grad!).Zip(held[i], (g, w) => g * w).Sum();
            foreach (var p in fixture.Model.parameters())
            {
                p.grad = null;
            }

            Assert.Equal(expected, Value(fixture.Parameters[(2 * i) + 1].grad!), 1e-12);
        }
    }

    [Fact]
    public void FixLevels_GradientsWaiting_Throws()
    {
        using var fixture = new SessionFixture(SessionFixture.Small());
        fixture.Collect();
        Assert.Throws<InvalidOperationException>(fixture.Session.FixLevels);
    }
}
