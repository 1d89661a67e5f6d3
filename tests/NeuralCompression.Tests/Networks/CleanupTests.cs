using NeuralCompression.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Networks;

/// <summary>Norms measured anew and folded, and units that do nothing.</summary>
public sealed class CleanupTests
{
    [Fact]
    public void ReestimateNorms_Batches_GivesTheirMeanAndRestoresModes()
    {
        using var scope = NewDisposeScope();
        using var model = TestModels.ConvolutionWithNorm();
        model.train();
        var act = model.children().ElementAt(2);
        act.eval();
        var first = Random(3, ScalarType.Float32, 6, 1, 4, 4);
        var second = Random(4, ScalarType.Float32, 6, 1, 4, 4);
        var before = TestModels.Snapshot(model);
        Assert.Equal(1, model.ReestimateNorms([first, second]));
        var norm = (BatchNorm)model.children().ElementAt(1);
        var conv = (nn.Module<Tensor, Tensor>)model.children().First();
        double[] expected = [.. Mean(first).Zip(Mean(second), (a, b) => (a + b) / 2)];
        AssertClose(expected, Values(norm.running_mean!), relative: 1e-5, absolute: 1e-6);
        Assert.Equal(0.1, norm.momentum);
        Assert.True(model.training && norm.training && !act.training);
        var after = TestModels.Snapshot(model);
        Assert.True(before["conv.weight"].AsSpan().SequenceEqual(after["conv.weight"]));

        double[] Mean(Tensor x)
        {
            using var _ = no_grad();
            return Values(conv.call(x).mean([0, 2, 3]));
        }
    }

    [Fact]
    public void ReestimateNorms_NoData_KeepsTheStatistics()
    {
        using var scope = NewDisposeScope();
        using var model = TestModels.ConvolutionWithNorm();
        model.train();
        ((nn.Module<Tensor, Tensor>)model).call(Random(3, ScalarType.Float32, 6, 1, 4, 4));
        var before = TestModels.Snapshot(model);
        Assert.Equal(0, model.ReestimateNorms([]));
        TestModels.AssertUnchanged(before, model);
        Assert.Throws<NotSupportedException>(() => model.ReestimateNorms(() =>
        {
            model.call(Random(4, ScalarType.Float32, 6, 1, 4, 4));
            throw new NotSupportedException();
        }));
        TestModels.AssertUnchanged(before, model);
    }

    // Without a momentum torch's instance norms measure nothing: they would keep what a reset leaves.
    [Fact]
    public void ReestimateNorms_InstanceNorm_IsLeftAlone()
    {
        using var scope = NewDisposeScope();
        using var norm = nn.InstanceNorm2d(2, track_running_stats: true);
        norm.train();
        norm.call(Random(3, ScalarType.Float32, 6, 2, 4, 4));
        var before = TestModels.Snapshot(norm);
        Assert.Equal(0, norm.ReestimateNorms([Random(4, ScalarType.Float32, 6, 2, 4, 4)]));
        TestModels.AssertUnchanged(before, norm);
    }

    [Fact]
    public void ReestimateNorms_ModuleThatReturnsItsInput_DoesNotDisposeIt()
    {
        using var scope = NewDisposeScope();
        using var module = new NormAside();
        var input = Random(3, ScalarType.Float32, 6, 2);
        Assert.Equal(1, module.ReestimateNorms([input]));
        Assert.False(input.IsInvalid);
    }

    [Fact]
    public void ReestimateNorms_Session_UsesTheQuantisedWeightsAndSavesTheStatistics()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = TestModels.ConvolutionWithNorm();
        using var session = new CompressionSession(model, SessionFixture.Small());
        var x = Random(3, ScalarType.Float32, 6, 1, 4, 4);
        Assert.Equal(1, session.ReestimateNorms([x]));
        session.Save(folder.File("model.ncm"));
        using var loaded = TestModels.ConvolutionWithNorm(5);
        loaded.LoadCompressed(folder.File("model.ncm"));
        TestModels.AssertEqual(model, loaded);
        using var plain = TestModels.Mlp(ScalarType.Float32);
        Assert.Equal(0, plain.ReestimateNorms(() => { }));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void FoldNorms_Convolution_ComputesTheSame(bool hasBias)
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(
            ("conv", nn.Conv2d(2, 4, 3, bias: hasBias, dtype: ScalarType.Float64)), ("norm", nn.BatchNorm2d(4, dtype: ScalarType.Float64)), ("act", nn.ReLU()),
            ("flat", nn.Flatten()), ("fc", nn.Linear(16, 3, dtype: ScalarType.Float64)), ("norm2", nn.BatchNorm1d(3, dtype: ScalarType.Float64)));
        TestModels.Fill(model, 1);
        var x = Random(9, ScalarType.Float64, 5, 2, 4, 4);
        model.train();
        model.call(x);
        model.eval();
        double[] before = Values(model.call(x));
        var report = model.FoldNorms();
        Assert.Equal((2, 0), (report.FoldedNorms, report.Skipped.Count));
        AssertClose(before, Values(model.call(x)), relative: 1e-10, absolute: 1e-12);
        Assert.All(Values(model.get_parameter("norm2.bias")!), b => Assert.Equal(0, b));
        double[] weights = Values(model.get_parameter("conv.weight")!);
        Assert.Equal(2, model.FoldNorms().FoldedNorms);
        AssertClose(weights, Values(model.get_parameter("conv.weight")!), relative: 1e-12, absolute: 0);
    }

    [Fact]
    public void RemoveDeadUnits_ConvolutionPoolFlattenLinear_ComputesTheSame()
    {
        using var scope = NewDisposeScope();
        using var model = Network(padding: 0);
        Kill(model, "conv1.weight", row: 1);
        Kill(model, "conv2.weight", row: 2);
        Kill(model, "fc1.weight", row: 3);
        Kill(model, "fc2.weight", column: 4);
        Kill(model, "fc1.weight", column: (0, 4));
        var x = Random(9, ScalarType.Float64, 5, 1, 14, 14);
        model.eval();
        double[] before = Values(model.call(x));
        var report = model.RemoveDeadUnits();
        Assert.Empty(report.Skipped);
        Assert.Equal((3, 2), (report.ConstantUnits, report.UnusedUnits));
        AssertClose(before, Values(model.call(x)), relative: 1e-11, absolute: 1e-12);
        Assert.All(Values(model.get_parameter("conv2.weight")![TensorIndex.Single(0)]), w => Assert.Equal(0, w));
        Assert.All(Values(model.get_parameter("conv2.weight")![TensorIndex.Colon, TensorIndex.Single(1)]), w => Assert.Equal(0, w));
        Assert.Equal(0, Values(model.get_parameter("conv1.bias")!)[1]);
        Assert.All(Values(model.get_parameter("fc1.weight")![TensorIndex.Single(4)]), w => Assert.Equal(0, w));
        var again = model.RemoveDeadUnits();
        Assert.Equal((0, 0), (again.ConstantUnits, again.UnusedUnits));
    }

    [Fact]
    public void RemoveDeadUnits_Padding_SkipsConstantsAndSaysSo()
    {
        using var scope = NewDisposeScope();
        using var model = Network(padding: 1);
        Kill(model, "conv1.weight", row: 1);
        using (no_grad())
        {
            model.get_parameter("conv1.bias")![TensorIndex.Single(1)].fill_(0.3);
        }

        var x = Random(9, ScalarType.Float64, 5, 1, 14, 14);
        model.eval();
        double[] before = Values(model.call(x));
        var report = model.RemoveDeadUnits();
        Assert.Equal(0, report.ConstantUnits);
        Assert.Contains("pads with zeros", Assert.Single(report.Skipped), StringComparison.Ordinal);
        AssertClose(before, Values(model.call(x)), relative: 0, absolute: 0);
        using (no_grad())
        {
            model.get_parameter("conv1.bias")![TensorIndex.Single(1)].fill_(-0.3);
        }

        before = Values(model.call(x));
        Assert.Equal(1, model.RemoveDeadUnits().ConstantUnits);
        AssertClose(before, Values(model.call(x)), relative: 1e-12, absolute: 1e-13);
    }

    [Fact]
    public void RemoveDeadUnits_UnknownOrder_IsReportedAndAChainHelps()
    {
        using var scope = NewDisposeScope();
        using var model = new TiedLinear(ScalarType.Float64);
        Assert.Contains("not a Sequential", Assert.Single(model.RemoveDeadUnits().Skipped), StringComparison.Ordinal);
        Assert.Contains("shared", Assert.Single(model.RemoveDeadUnits([model.First, model.Second]).Skipped), StringComparison.Ordinal);
        using var softmax = nn.Sequential(("a", nn.Linear(3, 3)), ("s", nn.Softmax(1)), ("b", nn.Linear(3, 3)));
        Assert.Contains("Softmax", Assert.Single(softmax.RemoveDeadUnits().Skipped), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void RemoveDeadUnits_Session_KeepsTheQuantisedFunction(bool frozen, bool isFixed)
    {
        using var scope = NewDisposeScope();
        var model = Network(padding: 0);
        Kill(model, "conv1.weight", row: 1, factor: 0.01);
        Kill(model, "fc1.weight", row: 3, factor: 0.01);
        Kill(model, "fc2.weight", column: 4, factor: 0.01);
        using var fixture = new SessionFixture(SessionFixture.Small(o => o.Mapping = MappingKind.Clamp), model: model, input: Random(9, ScalarType.Float64, 5, 1, 14, 14));
        var session = fixture.Session;
        if (frozen)
        {
            session.FreezeZeros();
        }

        if (isFixed)
        {
            session.FixLevels();
        }

        model.eval();
        session.Quantize();
        double[] before = Values(fixture.Output());
        var report = session.RemoveDeadUnits();
        Assert.True(report.ConstantUnits >= 1 && report.UnusedUnits >= 1 && report.ConstantUnits + report.UnusedUnits >= 3, report.ToString());
        session.Quantize();
        AssertClose(before, Values(fixture.Output()), relative: 1e-10, absolute: 1e-11);
        model.train();
        fixture.Train(fixture.Adam(), 2);
        if (frozen)
        {
            Assert.All(Values(model.get_parameter("fc1.weight")![TensorIndex.Single(4)]), w => Assert.Equal(0, w));
        }
    }

    private static nn.Module<Tensor, Tensor> Network(int padding)
    {
        var type = ScalarType.Float64;
        var model = nn.Sequential(
            ("conv1", nn.Conv2d(1, 3, 3, dtype: type)), ("pool1", nn.MaxPool2d(2)), ("relu1", nn.ReLU()),
            ("conv2", nn.Conv2d(3, 4, 3, padding: padding, dtype: type)), ("norm", nn.BatchNorm2d(4, dtype: type)), ("act2", nn.Tanh()), ("pool2", nn.AvgPool2d(2)),
            ("flat", nn.Flatten()), ("drop", nn.Dropout(0.1)), ("fc1", nn.Linear(padding == 0 ? 16 : 36, 6, dtype: type)), ("act3", nn.Sigmoid()), ("fc2", nn.Linear(6, 3, dtype: type)));
        TestModels.Fill(model, 1);
        return model;
    }

    private static void Kill(nn.Module model, string name, long? row = null, object? column = null, double factor = 0)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var parameter = model.get_parameter(name)!;
        var part = (row, column) switch
        {
            ({ } r, _) => parameter.narrow(0, r, 1),
            (_, int c) => parameter.narrow(1, c, 1),
            (_, ValueTuple<int, int> c) => parameter.narrow(1, c.Item1, c.Item2),
            _ => throw new ArgumentException("Name a row or a column.", nameof(column)),
        };
        part.mul_(factor);
    }

    /// <summary>Measures and gives its input on.</summary>
    private sealed class NormAside : nn.Module<Tensor, Tensor>
    {
        private readonly BatchNorm1d norm = nn.BatchNorm1d(2);

        public NormAside()
            : base(nameof(NormAside)) => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            norm.call(input).Dispose();
            return input;
        }
    }
}
