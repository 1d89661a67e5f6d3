using NeuralCompression.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Losses;

/// <summary>Groups, strengths by name, and the equaliser, against formulas in plain doubles.</summary>
public sealed class StructuredLossTests
{
    private static readonly long[] Shape = [3, 4, 2];

    public static TheoryData<LossGroups, GroupMeasure, LossVariant> Cases
    {
        get
        {
            var data = new TheoryData<LossGroups, GroupMeasure, LossVariant>();
            foreach (var groups in Enum.GetValues<LossGroups>())
            {
                foreach (var measure in Enum.GetValues<GroupMeasure>())
                {
                    data.Add(groups, measure, LossVariant.Ratio);
                    data.Add(groups, measure, LossVariant.SquaredRatio);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Call_Groups_MatchTheFormulaAndItsDifferences(LossGroups groups, GroupMeasure measure, LossVariant variant)
    {
        var options = new LossOptions { Growth = LossGrowth.Full, Lambda = 0.7, Groups = groups, GroupMeasure = measure, Variant = variant, Equalizer = 0.3 };
        using var loss = new SparsityEqualizingLoss(options);
        double[] values = Numbers(3, 24);
        values[5] = 0;
        foreach (bool strided in new[] { false, true })
        {
            using var scope = NewDisposeScope();
            var dense = Of(values, ScalarType.Float64, Shape);
            var w = (strided ? dense.permute(2, 1, 0).contiguous().permute(2, 1, 0) : dense).detach().requires_grad_();
            Assert.Equal(!strided, w.is_contiguous());
            var value = loss.call(w);
            value.backward();
            Assert.Equal(Value(values, options), TestTensors.Value(value), 1e-12);
            double[] differences = [.. values.Select((x, i) => x == 0 ? 0 : ClosedForm.Difference(y => Value([.. values.Select((v, j) => j == i ? y : v)], options), x, 1e-6))];
            AssertClose(differences, Values(w.grad!), relative: 0, absolute: 1e-8);
        }
    }

    [Theory]
    [InlineData(LossGroups.Rows)]
    [InlineData(LossGroups.Columns)]
    [InlineData(LossGroups.Kernels)]
    public void Call_ShrinkOnlyNorms_LeaveLargeGroupsAlone(LossGroups groups)
    {
        var options = new LossOptions { Growth = LossGrowth.Full, Lambda = 1, Groups = groups, GroupMeasure = GroupMeasure.Norms };
        double[] values = Numbers(4, 24);
        double[] norms = GroupsOf(values, groups).Select(g => Math.Sqrt(g.Sum(i => values[i] * values[i]))).ToArray();
        double critical = norms.Sum(n => n * n) / norms.Sum();
        double[] full = Gradient(values, options);
        options.Growth = LossGrowth.ShrinkOnly;
        double[] shrink = Gradient(values, options);
        Assert.Contains(norms, n => n > critical);
        foreach (var (group, norm) in GroupsOf(values, groups).Zip(norms))
        {
            foreach (int i in group)
            {
                Assert.Equal(norm > critical ? 0 : full[i], shrink[i], 1e-15);
            }
        }
    }

    [Fact]
    public void Call_ZeroGroup_HasNoGradient()
    {
        double[] values = Numbers(5, 24);
        Array.Clear(values, 8, 8);
        foreach (var measure in Enum.GetValues<GroupMeasure>())
        {
            double[] gradient = Gradient(values, new LossOptions { Growth = LossGrowth.Full, Lambda = 1, Groups = LossGroups.Rows, GroupMeasure = measure });
            Assert.All(gradient[8..16], g => Assert.Equal(0, g));
            Assert.All(gradient[..8], g => Assert.NotEqual(0, g));
        }
    }

    [Fact]
    public void Call_MatrixWithoutKernels_CountsAsAWhole()
    {
        using var scope = NewDisposeScope();
        var w = TestTensors.Random(6, ScalarType.Float64, 5, 6);
        using var kernels = new SparsityEqualizingLoss(new LossOptions { Groups = LossGroups.Kernels });
        using var whole = new SparsityEqualizingLoss();
        Assert.Equal(TestTensors.Value(whole.call(w)), TestTensors.Value(kernels.call(w)));
    }

    [Fact]
    public void Equalizer_EqualMagnitudes_IsZeroAndCritical()
    {
        double[] values = [0.5, -0.5, 0, 0.5, 0, -0.5];
        using var scope = NewDisposeScope();
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 0, Equalizer = 2 });
        var w = Of(values, ScalarType.Float64).requires_grad_();
        var value = loss.call(w);
        value.backward();
        Assert.Equal(0, TestTensors.Value(value), 1e-15);
        Assert.All(Values(w.grad!), g => Assert.Equal(0, g, 1e-15));
        using var zeros = torch.zeros(4, dtype: ScalarType.Float64);
        Assert.Equal(0, TestTensors.Value(loss.call(zeros)));
    }

    [Fact]
    public void Strengths_ByName_FirstMatchCounts()
    {
        using var scope = NewDisposeScope();
        using var model = TestModels.Mlp(ScalarType.Float64);
        using var one = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        double first = TestTensors.Value(one.call(model.get_parameter("fc1.weight")!));
        double second = TestTensors.Value(one.call(model.get_parameter("fc2.weight")!));
        Assert.Equal((3 * first) + (0.5 * second), Sum([new("fc1.*", 3), new("*", 0.5)]), 1e-13);
        Assert.Equal(second, Sum([new("fc?.weight", 1), new("fc2*", 7)], excluded: "fc1.weight"), 1e-13);
        Assert.Equal(first, Sum([new("fc2.weight", 0)]), 1e-13);

        double Sum(LossStrength[] strengths, string? excluded = null)
        {
            var options = new LossOptions { Growth = LossGrowth.Full, Lambda = 1, Include = excluded is null ? null : (n, p) => p.dim() == 2 && n != excluded };
            foreach (var strength in strengths)
            {
                options.Strengths.Add(strength);
            }

            using var loss = new SparsityEqualizingLoss(options);
            return TestTensors.Value(loss.call(model));
        }
    }

    [Fact]
    public void Strengths_PatternWithoutMatch_IsNamed()
    {
        using var model = TestModels.Mlp(ScalarType.Float64);
        using var loss = new SparsityEqualizingLoss(new LossOptions { Strengths = { new("fc9.*", 2) } });
        var alone = Assert.Throws<ArgumentException>(() => loss.call(model));
        Assert.Contains("'fc9.*'", alone.Message, StringComparison.Ordinal);
        Assert.Contains("'fc1.weight'", alone.Message, StringComparison.Ordinal);
        var session = Assert.Throws<ArgumentException>(() => new CompressionSession(model, new CompressionOptions { Loss = { Strengths = { new("FC1*", 1) } } }));
        Assert.Contains("'FC1*'", session.Message, StringComparison.Ordinal);
        new CompressionSession(model).Dispose();
    }

    [Fact]
    public void Options_OutOfRange_AreAllNamed()
    {
        var options = new LossOptions { Equalizer = -1, Groups = (LossGroups)9, GroupMeasure = (GroupMeasure)9, Strengths = { new("", 1), new("*", -1) } };
        var error = Assert.Throws<Microsoft.Extensions.Options.OptionsValidationException>(() => new SparsityEqualizingLoss(options));
        Assert.Equal(5, error.Failures.Count());
    }

    [Theory]
    [InlineData(LossMode.Autograd, LossGroups.WholeTensor, GroupMeasure.Elements)]
    [InlineData(LossMode.DirectGradient, LossGroups.WholeTensor, GroupMeasure.Elements)]
    [InlineData(LossMode.Autograd, LossGroups.Columns, GroupMeasure.Norms)]
    [InlineData(LossMode.DirectGradient, LossGroups.Rows, GroupMeasure.Norms)]
    [InlineData(LossMode.DirectGradient, LossGroups.Columns, GroupMeasure.Elements)]
    public void Session_FrozenWithEqualizerAndGroups_AddsTheGradientByTheChainRule(LossMode mode, LossGroups groups, GroupMeasure measure)
    {
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.BFloat16 })
        {
            CompressionOptions Options(double lambda, double equalizer) => SessionFixture.Small(o =>
            {
                (o.Loss.Mode, o.Loss.Groups, o.Loss.GroupMeasure, o.Loss.Lambda, o.Loss.Equalizer) = (mode, groups, measure, lambda, equalizer);
                o.Loss.Strengths.Add(new LossStrength("fc2*", 2));
            });
            using var fixture = new SessionFixture(Options(0.05, 0.2), dtype);
            using var plain = new SessionFixture(Options(0, 0), dtype);
            fixture.Session.FreezeZeros();
            plain.Session.FreezeZeros();
            fixture.Collect();
            plain.Collect();
            for (int k = 0; k < 2; k++)
            {
                var weight = fixture.Session.Weights[k];
                double[] theta = Values(weight.Raw);
                double[] mapped = [.. Values(weight.Parameter).Select(w => w / weight.Gain)];
                double[] loss = Gradient(mapped, fixture.Options.Loss, weight.Parameter.shape);
                double[] task = Values(plain.Session.Weights[k].Raw.grad!);
                double[] expected = [.. task.Select((g, i) => g + ((k + 1) * loss[i] * (mapped[i] == 0 ? 0 : fixture.Session.Mapping.Derivative(theta[i]))))];
                bool wide = dtype == ScalarType.Float64;
                AssertClose(expected, Values(weight.Raw.grad!), relative: wide ? 1e-9 : 2e-2, absolute: wide ? 1e-11 : 2e-3);
            }
        }
    }

    [Fact]
    public void Session_BeforeFreezing_TheEqualizerCountsNothing()
    {
        using var with = new SessionFixture(SessionFixture.Small(o => o.Loss.Equalizer = 5));
        using var without = new SessionFixture(SessionFixture.Small());
        Assert.Equal(without.Collect(), with.Collect());
        Assert.Equal(Values(without.Parameters[0].grad!), Values(with.Parameters[0].grad!));
    }

    [Theory]
    [InlineData(LossMode.DirectGradient)]
    [InlineData(LossMode.Proximal)]
    public void Session_Equalizing_MakesSurvivorsEqual(LossMode mode)
    {
        using var fixture = new SessionFixture(SessionFixture.Small(o => (o.Loss.Mode, o.Noise.Scale, o.TrainGains) = (mode, 0, false)));
        fixture.Session.FreezeZeros();
        fixture.Session.Lambda = 0;
        fixture.Session.Equalizer = mode == LossMode.Proximal ? 0.002 : 1;
        double before = Spread();
        fixture.Train(fixture.Sgd(0.05), 500);
        Assert.True(Spread() < 0.5 * before, $"{before} -> {Spread()}");

        double Spread()
        {
            double[] magnitudes = [.. Values(fixture.Session.Weights[0].Parameter).Where(w => w != 0).Select(Math.Abs)];
            double mean = magnitudes.Average();
            return Math.Sqrt(magnitudes.Average(m => (m - mean) * (m - mean))) / mean;
        }
    }

    private static double[] Gradient(double[] values, LossOptions options, long[]? shape = null)
    {
        using var scope = NewDisposeScope();
        using var loss = new SparsityEqualizingLoss(options);
        var w = Of(values, ScalarType.Float64, shape ?? Shape).requires_grad_();
        loss.call(w).backward();
        return Values(w.grad!);
    }

    private static IEnumerable<int[]> GroupsOf(double[] values, LossGroups groups) =>
        Enumerable.Range(0, values.Length).GroupBy(i => groups switch
        {
            LossGroups.Rows => i / 8,
            LossGroups.Columns => i / 2 % 4,
            LossGroups.Kernels => i / 2,
            _ => 0,
        }).Select(g => g.ToArray());

    private static double Value(double[] values, LossOptions options)
    {
        double[][] groups = [.. GroupsOf(values, options.Groups).Select(g => Array.ConvertAll(g, i => values[i]))];
        double sum = options.Groups != LossGroups.WholeTensor && options.GroupMeasure == GroupMeasure.Norms
            ? ClosedForm.Loss([.. groups.Select(ClosedForm.L2)], options)
            : groups.Sum(g => ClosedForm.Loss(g, options));
        double ratio = ClosedForm.Ratio(values);
        return (options.Lambda * sum) + (options.Equalizer * (1 - (ratio * ratio / values.Count(v => v != 0))));
    }
}
