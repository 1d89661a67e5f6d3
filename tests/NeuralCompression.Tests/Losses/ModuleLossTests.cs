using Microsoft.Extensions.Options;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Losses;

/// <summary>The loss called on a module (claims 4 and 7), and its options.</summary>
public sealed class ModuleLossTests
{
    [Fact]
    public void Call_Module_SumsWeightsOnly()
    {
        using var scope = NewDisposeScope();
        using var model = TestModels.ConvolutionWithNorm();
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 0.1 });
        double expected = model.named_parameters().Where(p => p.parameter.dim() >= 2).Sum(p => 0.1 * ClosedForm.Ratio(Values(p.parameter)));
        Assert.Equal(2, model.parameters().Count(p => p.dim() >= 2));
        AssertClose([expected], [Value(loss.call(model))], relative: 1e-6, absolute: 0);
    }

    [Fact]
    public void Backward_Module_LeavesBiasesAndNormsAlone()
    {
        using var scope = NewDisposeScope();
        using var model = TestModels.ConvolutionWithNorm();
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        loss.call(model).backward();
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (parameter.dim() < 2)
            {
                Assert.True(parameter.grad is null, name);
                continue;
            }

            double[] expected = ClosedForm.Gradient(Values(parameter), new LossOptions());
            AssertClose(expected, Values(parameter.grad!), relative: 1e-5, absolute: 1e-6 / ClosedForm.L2(Values(parameter)));
        }
    }

    [Fact]
    public void Call_TiedNative_CountsOnce()
    {
        using var scope = NewDisposeScope();
        using var model = new TiedEmbedding(ScalarType.Float64);
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        var tied = model.named_parameters().First(p => p.parameter.dim() == 2).parameter;
        AssertClose([ClosedForm.Ratio(Values(tied))], [Value(loss.call(model))], relative: 1e-13, absolute: 0);
        loss.call(model).backward();
        AssertClose(ClosedForm.Gradient(Values(tied), new LossOptions()), Values(tied.grad!), relative: 1e-12, absolute: 1e-14);
    }

    [Fact]
    public void Call_TiedManaged_CountsOnce()
    {
        using var scope = NewDisposeScope();
        using var model = new TiedLinear(ScalarType.Float64);
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        AssertClose([ClosedForm.Ratio(Values(model.First.weight!))], [Value(loss.call(model))], relative: 1e-13, absolute: 0);
    }

    [Fact]
    public void Call_FrozenParameter_IsLeftOut()
    {
        using var scope = NewDisposeScope();
        using var model = TestModels.Mlp(ScalarType.Float64);
        var frozen = model.named_parameters().Single(p => p.name == "fc1.weight").parameter;
        frozen.requires_grad = false;
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        var rest = model.named_parameters().Single(p => p.name == "fc2.weight").parameter;
        AssertClose([ClosedForm.Ratio(Values(rest))], [Value(loss.call(model))], relative: 1e-13, absolute: 0);
    }

    [Fact]
    public void Call_Include_TakesExactlyTheNamed()
    {
        using var scope = NewDisposeScope();
        using var model = TestModels.Mlp(ScalarType.Float64);
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1, Include = static (name, _) => name == "fc2.bias" });
        var bias = model.named_parameters().Single(p => p.name == "fc2.bias").parameter;
        AssertClose([ClosedForm.Ratio(Values(bias))], [Value(loss.call(model))], relative: 1e-13, absolute: 0);
    }

    [Fact]
    public void Call_NothingToCount_Throws()
    {
        using var norm = nn.BatchNorm1d(4);
        using var model = TestModels.Mlp(ScalarType.Float32);
        using var byDefault = new SparsityEqualizingLoss();
        using var byChoice = new SparsityEqualizingLoss(new LossOptions { Include = static (_, _) => false });
        Assert.Contains("Include", Assert.Throws<ArgumentException>(() => byDefault.call(norm)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => byChoice.call(model));
    }

    [Fact]
    public void Lambda_Zero_GivesZeroGradient()
    {
        using var scope = NewDisposeScope();
        using var model = TestModels.Mlp(ScalarType.Float32);
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 0 });
        var value = loss.call(model);
        value.backward();
        Assert.Equal(0.0, Value(value));
        Assert.All(model.parameters().Where(p => p.dim() == 2), p => Assert.All(Values(p.grad!), g => Assert.Equal(0.0, g)));
    }

    [Fact]
    public void Lambda_Changed_TakesEffectAtTheNextCall()
    {
        using var scope = NewDisposeScope();
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        var w = Of([3, 4], ScalarType.Float64);
        loss.Lambda = 10;
        Assert.Equal(14, Value(loss.call(w)), 12);
        foreach (double bad in new[] { -1, double.NaN, double.PositiveInfinity })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => loss.Lambda = bad);
        }

        Assert.Equal(10, loss.Lambda);
    }

    [Fact]
    public void Constructor_InvalidOptions_NamesEveryFault()
    {
        var options = new LossOptions
        {
            Lambda = -1,
            Variant = (LossVariant)9,
            Weighting = (LossWeighting)9,
            Growth = (LossGrowth)9,
            Mode = (LossMode)9,
        };
        var error = Assert.Throws<OptionsValidationException>(() => new SparsityEqualizingLoss(options));
        Assert.Equal(
            ["Loss.Growth", "Loss.Lambda", "Loss.Mode", "Loss.Variant", "Loss.Weighting"],
            error.Failures.Select(f => f.Split(' ')[0]).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(-1e-9)]
    public void Constructor_InvalidLambda_Throws(double lambda) =>
        Assert.Throws<OptionsValidationException>(() => new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = lambda }));

    [Fact]
    public void Constructor_Options_AreCopied()
    {
        using var scope = NewDisposeScope();
        var options = new LossOptions { Growth = LossGrowth.Full, Lambda = 1 };
        using var loss = new SparsityEqualizingLoss(options);
        options.Variant = LossVariant.SquaredRatio;
        options.Lambda = 5;
        Assert.Equal(1.4, Value(loss.call(Of([3, 4], ScalarType.Float64))), 14);
    }

    [Fact]
    public void Parameters_OfTheLoss_AreNone()
    {
        using var loss = new SparsityEqualizingLoss();
        Assert.Empty(loss.parameters());
        Assert.Empty(loss.state_dict());
    }
}
