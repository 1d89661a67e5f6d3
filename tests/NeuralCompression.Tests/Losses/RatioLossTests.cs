using CsCheck;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Losses;

/// <summary>Claim 4: value and gradient of L1/L2 of one tensor.</summary>
public sealed class RatioLossTests
{
    private static readonly Gen<double[]> Weights = Gen.Double[-3, 3].Array[1, 40];

    [Fact]
    public void Forward_ThreeFourFive_IsSevenFifths()
    {
        using var scope = NewDisposeScope();
        var w = Of([3, 0, -4, 0], ScalarType.Float64);
        Assert.Equal(1.4, Value(new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 }).call(w)), 15);
    }

    [Fact]
    public void Forward_AnyTensor_MatchesClosedForm() => Weights.SampleRepeatably(
        values =>
        {
            using var scope = NewDisposeScope();
            using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 0.5 });
            double value = Value(loss.call(Of(values, ScalarType.Float64)));
            AssertClose([0.5 * ClosedForm.Ratio(values)], [value], relative: 1e-14, absolute: 0);
        },
        iter: 200);

    [Fact]
    public void Forward_AnyTensor_LiesBetweenOneAndRootOfCount() => Weights.Where(v => v.Any(x => x != 0)).SampleRepeatably(
        values =>
        {
            using var scope = NewDisposeScope();
            using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
            double value = Value(loss.call(Of(values, ScalarType.Float64)));
            Assert.InRange(value, 1 - 1e-14, Math.Sqrt(values.Length) * (1 + 1e-14));
        },
        iter: 200);

    [Fact]
    public void Backward_AnyTensor_MatchesClosedForm() => Weights.SampleRepeatably(
        values =>
        {
            using var scope = NewDisposeScope();
            var w = Of(values, ScalarType.Float64).requires_grad_();
            using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 0.25 });
            loss.call(w).backward();
            double[] expected = Array.ConvertAll(ClosedForm.Gradient(values, new LossOptions()), g => 0.25 * g);

            // sign/L2 and w L1/L2^3 may cancel, so rounding is relative to the larger of them.
            double scale = values.All(x => x == 0) ? 1 : 1 / ClosedForm.L2(values);
            AssertClose(expected, Values(w.grad!), relative: 1e-13, absolute: 1e-14 * scale * (1 + ClosedForm.Ratio(values)));
        },
        iter: 200);

    [Theory]
    [InlineData(LossVariant.Ratio)]
    [InlineData(LossVariant.SquaredRatio)]
    public void Backward_Float64_MatchesFiniteDifferences(LossVariant variant)
    {
        using var scope = NewDisposeScope();
        double[] values = Numbers(1, 12);
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1, Variant = variant });
        var w = Of(values, ScalarType.Float64).requires_grad_();
        loss.call(w).backward();
        double[] gradient = Values(w.grad!);
        for (int i = 0; i < values.Length; i++)
        {
            int index = i;
            double difference = ClosedForm.Difference(
                x =>
                {
                    double[] moved = (double[])values.Clone();
                    moved[index] = x;
                    return Value(loss.call(Of(moved, ScalarType.Float64)));
                },
                values[i],
                step: 1e-5);

            // Truncation is step^2 times a third derivative of order 10, rounding is 1e-16 / step.
            Assert.Equal(difference, gradient[i], 1e-8);
        }
    }

    [Fact]
    public void Backward_AlongTheWeights_IsZero()
    {
        using var scope = NewDisposeScope();
        double[] values = Numbers(2, 100);
        var w = Of(values, ScalarType.Float64).requires_grad_();
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        loss.call(w).backward();
        double along = values.Zip(Values(w.grad!), (x, g) => x * g).Sum();
        Assert.Equal(0, along, 1e-13);
    }

    [Theory]
    [InlineData(ScalarType.Float64, 1e-100)]
    [InlineData(ScalarType.Float64, 1e100)]
    [InlineData(ScalarType.Float32, 1e-10)]
    [InlineData(ScalarType.Float32, 1e15)]
    [InlineData(ScalarType.Float32, 1e-25)]
    [InlineData(ScalarType.Float32, 1e25)]
    public void Forward_ScaledWeights_KeepTheValue(ScalarType dtype, double factor)
    {
        using var scope = NewDisposeScope();
        double[] values = Numbers(3, 1000);
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        double plain = Value(loss.call(Of(values, dtype)));
        double scaled = Value(loss.call(Of(Array.ConvertAll(values, x => x * factor), dtype)));

        // Scaling rounds every weight once.
        Assert.Equal(plain, scaled, plain * 4 * Roundoff(dtype) * 10);
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Call_AllZeros_HasValueZeroAndGradientZero(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var w = zeros(3, 4, dtype: dtype).requires_grad_();
        foreach (var options in Forms())
        {
            using var loss = new SparsityEqualizingLoss(options);
            var value = loss.call(w);
            value.backward();
            Assert.Equal(0.0, Value(value));
            Assert.All(Values(w.grad!), g => Assert.Equal(0.0, g));
        }
    }

    [Fact]
    public void Call_Empty_HasValueZero()
    {
        using var scope = NewDisposeScope();
        var w = zeros(0, 4).requires_grad_();
        using var loss = new SparsityEqualizingLoss();
        var value = loss.call(w);
        value.backward();
        Assert.Equal(0.0, Value(value));
    }

    [Fact]
    public void Backward_ZeroEntries_HaveGradientZero()
    {
        using var scope = NewDisposeScope();
        // Longer than a vector register, so that both the vector and the scalar part meet zeros, of both signs.
        double[] values = [0, 1, -0.0, -2, 0, 3, 0, 0, 4, -0.0, 0, 5, 0, 6, -7, 0, 8, 0, -0.0];
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64, ScalarType.Float16 })
        {
            var w = Of(values, dtype).requires_grad_();
            using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
            loss.call(w).backward();
            double[] gradient = Values(w.grad!);
            Assert.All(values.Select((v, i) => (v, i)).Where(p => p.v == 0), p => Assert.Equal(0.0, gradient[p.i]));
            Assert.All(values.Select((v, i) => (v, i)).Where(p => p.v != 0), p => Assert.NotEqual(0.0, gradient[p.i]));
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Call_AnyType_IsExactForTheRoundedWeights(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var w = Random(4, dtype, 30, 40).requires_grad_();
        double[] rounded = Values(w);
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        var value = loss.call(w);
        value.backward();
        Assert.Equal(dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32, value.dtype);
        Assert.Equal(dtype, w.grad!.dtype);

        double resultRoundoff = dtype == ScalarType.Float64 ? Math.Pow(2, -53) : Math.Pow(2, -24);
        AssertClose([ClosedForm.Ratio(rounded)], [Value(value)], relative: 50 * resultRoundoff, absolute: 0);

        // A gradient entry is a difference of two numbers of at most 2 / L2, then rounded to the type; below the smallest normal half (6e-5) roundoff is absolute.
        double[] expected = ClosedForm.Gradient(rounded, new LossOptions());
        double subnormal = dtype == ScalarType.Float16 ? Math.Pow(2, -25) : 0;
        AssertClose(expected, Values(w.grad!), relative: 2 * Roundoff(dtype), absolute: subnormal + (50 * resultRoundoff / ClosedForm.L2(rounded)));
    }

    [Fact]
    public void Call_HalfThatOverflowsInHalf_IsExact()
    {
        using var scope = NewDisposeScope();
        // 100,000 weights of magnitude 8: L1 = 8e5 is far beyond 65,504, the largest half.
        var w = full(100_000, 8.0, ScalarType.Float16).requires_grad_();
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        var value = loss.call(w);
        value.backward();
        AssertClose([Math.Sqrt(100_000)], [Value(value)], relative: 1e-6, absolute: 0);
        Assert.All(Values(w.grad!), g => Assert.Equal(0.0, g, 1e-7));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.BFloat16)]
    public void Call_NonContiguous_EqualsContiguous(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var dense = Random(5, dtype, 17, 23);
        var strided = Strided(dense);
        Assert.False(strided.is_contiguous());
        dense.requires_grad_();
        strided.requires_grad_();
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        var first = loss.call(dense);
        var second = loss.call(strided);
        first.backward();
        second.backward();
        double roundoff = dtype == ScalarType.Float64 ? Math.Pow(2, -53) : Math.Pow(2, -24);
        AssertClose([Value(first)], [Value(second)], relative: 20 * roundoff, absolute: 0);
        AssertClose(Values(dense.grad!), Values(strided.grad!), relative: 2 * Roundoff(dtype), absolute: 20 * roundoff / ClosedForm.L2(Values(dense)));
    }

    [Fact]
    public void Call_TwentyFiveMillionFloat32_IsAccurateToOneMillionth()
    {
        using var scope = NewDisposeScope();
        const int Count = 25_000_000;
        var w = empty(Count, dtype: ScalarType.Float32);
        var span = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(w.bytes);
        double l1 = 0;
        double squares = 0;
        uint state = 1;
        for (int i = 0; i < span.Length; i++)
        {
            state = (state * 1664525) + 1013904223;
            float x = (int)state * (1f / int.MaxValue);
            span[i] = x;
            l1 += Math.Abs((double)x);
            squares += (double)x * x;
        }

        w.requires_grad_();
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        var value = loss.call(w);
        value.backward();
        double ratio = l1 / Math.Sqrt(squares);
        AssertClose([ratio], [Value(value)], relative: 1e-6, absolute: 0);

        var gradient = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(w.grad!.bytes);
        double l2 = Math.Sqrt(squares);
        double worst = 0;
        for (int i = 0; i < span.Length; i += 997)
        {
            double expected = (Math.Sign(span[i]) - (span[i] * l1 / squares)) / l2;
            worst = Math.Max(worst, Math.Abs(expected - gradient[i]) * l2);
        }

        Assert.InRange(worst, 0, 1e-6);
    }

    [Fact]
    public void Backward_EveryVariant_MatchesItsClosedForm()
    {
        using var scope = NewDisposeScope();
        double[] values = Numbers(6, 50);
        foreach (var options in Forms())
        {
            options.Lambda = 0.75;
            using var loss = new SparsityEqualizingLoss(options);
            foreach (bool strided in new[] { false, true })
            {
                var dense = Of(values, ScalarType.Float64, 5, 10);
                var w = (strided ? Strided(dense) : dense).requires_grad_();
                var value = loss.call(w);
                value.backward();
                AssertClose([0.75 * ClosedForm.Loss(values, options)], [Value(value)], relative: 1e-14, absolute: 0);
                double[] expected = Array.ConvertAll(ClosedForm.Gradient(values, options), g => 0.75 * g);
                AssertClose(expected, Values(w.grad!), relative: 1e-12, absolute: 1e-13);
            }
        }
    }

    [Fact]
    public void Backward_ShrinkOnly_PushesNothingOutwards()
    {
        using var scope = NewDisposeScope();
        double[] values = Numbers(7, 200);
        var w = Of(values, ScalarType.Float32).requires_grad_();
        using var loss = new SparsityEqualizingLoss(new LossOptions { Lambda = 1, Growth = LossGrowth.ShrinkOnly });
        loss.call(w).backward();
        double[] gradient = Values(w.grad!);
        double critical = Math.Pow(ClosedForm.L2(values), 2) / ClosedForm.L1(values);
        for (int i = 0; i < values.Length; i++)
        {
            Assert.True(gradient[i] * values[i] >= 0, $"Entry {i} would grow.");
            Assert.Equal(Math.Abs(values[i]) > critical, gradient[i] == 0);
        }
    }

    [Fact]
    public void Call_UnderNoGrad_HasNoGraph()
    {
        using var scope = NewDisposeScope();
        var w = Random(8, ScalarType.Float32, 3, 4).requires_grad_();
        using var loss = new SparsityEqualizingLoss();
        using (no_grad())
        {
            Assert.False(loss.call(w).requires_grad);
        }

        Assert.True(loss.call(w).requires_grad);
        Assert.False(loss.call(w.detach()).requires_grad);
    }

    [Fact]
    public void Call_Weights_AreNotModified()
    {
        using var scope = NewDisposeScope();
        var w = Random(9, ScalarType.Float32, 3, 4).requires_grad_();
        byte[] before = Bits(w);
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        loss.call(w).backward();
        Assert.Equal(before, Bits(w));
    }

    [Fact]
    public void Call_BesideATaskLoss_GivesTheSumOfSeparateGradients()
    {
        using var scope = NewDisposeScope();
        double[] values = Numbers(10, 20);
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 0.3 });

        Tensor Gradient(bool task, bool compression)
        {
            var w = Of(values, ScalarType.Float64).requires_grad_();
            var objective = zeros(1, dtype: ScalarType.Float64).sum();
            objective = task ? objective + w.sin().square().sum() : objective;
            objective = compression ? objective + loss.call(w) : objective;
            objective.backward();
            return w.grad!;
        }

        AssertClose(Values(Gradient(true, false) + Gradient(false, true)), Values(Gradient(true, true)), relative: 1e-14, absolute: 1e-15);
    }

    [Fact]
    public void Call_SecondBackwardAfterChange_UsesTheNewWeights()
    {
        using var scope = NewDisposeScope();
        var w = Of([1, 2, 3], ScalarType.Float64).requires_grad_();
        using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
        loss.call(w).backward();
        using (no_grad())
        {
            w.grad!.zero_();
            w.mul_(2);
        }

        loss.call(w).backward();
        AssertClose(ClosedForm.Gradient([2, 4, 6], new LossOptions()), Values(w.grad!), relative: 1e-13, absolute: 1e-15);
    }

    [Fact]
    public void Call_Integers_Throws()
    {
        using var loss = new SparsityEqualizingLoss();
        using var w = ones(3, dtype: ScalarType.Int64);
        Assert.Contains("floating", Assert.Throws<ArgumentException>(() => loss.call(w)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => loss.forward((Tensor)null!));
        Assert.Throws<ArgumentNullException>(() => loss.forward((nn.Module)null!));
    }

    private static IEnumerable<LossOptions> Forms() =>
        from variant in Enum.GetValues<LossVariant>()
        from weighting in Enum.GetValues<LossWeighting>()
        from growth in Enum.GetValues<LossGrowth>()
        select new LossOptions { Variant = variant, Weighting = weighting, Growth = growth };
}
