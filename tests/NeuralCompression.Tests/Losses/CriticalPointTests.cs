using CsCheck;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Losses;

/// <summary>Claims 3, 5 and 6: critical points are the tensors {-c, 0, c}, and more zeros mean a lower value.</summary>
public sealed class CriticalPointTests
{
    // Fewer than eleven entries, so that every subset can be tried; rounded values make ties common.
    private static readonly Gen<double[]> Small = Gen.OneOf(
        Gen.Double[-2, 2].Array[1, 10],
        Gen.Int[-4, 4].Select(i => i / 4.0).Array[1, 10]);

    [Fact]
    public void Value_CriticalTensor_IsTheLossThere() => Gen.Select(Gen.Int[1, 12], Gen.Int[0, 12], Gen.Double[0.01, 10]).SampleRepeatably(
        (nonZeros, zeros, amplitude) =>
        {
            using var scope = NewDisposeScope();
            using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = 1 });
            double[] values = [.. Enumerable.Range(0, nonZeros).Select(i => i % 2 == 0 ? amplitude : -amplitude), .. new double[zeros]];
            var w = Of(values, ScalarType.Float64).requires_grad_();
            var value = loss.call(w);
            value.backward();
            Assert.Equal(CriticalPoint.Value(nonZeros), Value(value), 1e-13);
            Assert.All(Values(w.grad!), g => Assert.Equal(0, g * amplitude, 1e-14));
            Assert.True(CriticalPoint.IsCritical(w));
        },
        iter: 100);

    [Fact]
    public void Value_MoreZeros_IsLower()
    {
        for (int k = 1; k < 100; k++)
        {
            Assert.True(CriticalPoint.Value(k - 1) < CriticalPoint.Value(k));
            Assert.Equal(k, Math.Pow(CriticalPoint.Value(k), 2), 1e-12);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => CriticalPoint.Value(-1));
    }

    [Fact]
    public void IsCritical_UnequalMagnitudes_IsFalse()
    {
        using var scope = NewDisposeScope();
        Assert.False(CriticalPoint.IsCritical(Of([1, -1, 0, 1.001], ScalarType.Float64)));
        Assert.True(CriticalPoint.IsCritical(zeros(4)));
        Assert.True(CriticalPoint.IsCritical(zeros(0)));
    }

    [Fact]
    public void IsCritical_Tolerance_IsTheLargestRelativeDeviation()
    {
        using var scope = NewDisposeScope();
        double[] values = [1, -1.1, 0, 0.95];
        double critical = Math.Pow(ClosedForm.L2(values), 2) / ClosedForm.L1(values);
        double deviation = values.Where(x => x != 0).Max(x => Math.Abs((Math.Abs(x) / critical) - 1));
        var w = Of(values, ScalarType.Float64);
        Assert.False(CriticalPoint.IsCritical(w, deviation * (1 - 1e-9)));
        Assert.True(CriticalPoint.IsCritical(w, deviation * (1 + 1e-9)));
        Assert.Throws<ArgumentOutOfRangeException>(() => CriticalPoint.IsCritical(w, double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => CriticalPoint.IsCritical(w, -1));
        Assert.Throws<ArgumentNullException>(() => CriticalPoint.IsCritical(null!));
    }

    [Fact]
    public void NearestTernary_AnyTensor_IsAsNearAsBruteForce() => Small.SampleRepeatably(
        values =>
        {
            using var scope = NewDisposeScope();
            var nearest = CriticalPoint.NearestTernary(Of(values, ScalarType.Float64));
            double[] point = Values(nearest);
            Assert.True(CriticalPoint.IsCritical(nearest));
            double distance = values.Zip(point, (a, b) => (a - b) * (a - b)).Sum();
            Assert.Equal(BruteForceDistance(values), distance, 1e-12);
        },
        iter: 300);

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    public void NearestTernary_OtherTypes_KeepTypeAndShape(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var w = Random(11, dtype, 4, 5);
        byte[] before = Bits(w);
        var nearest = CriticalPoint.NearestTernary(w);
        Assert.Equal(dtype, nearest.dtype);
        Assert.Equal([4L, 5L], nearest.shape);
        Assert.Single(Values(nearest).Where(x => x != 0).Select(Math.Abs).Distinct());
        Assert.Equal(before, Bits(w));
    }

    [Fact]
    public void NearestTernary_ZerosOrNothing_ReturnsTheSame()
    {
        using var scope = NewDisposeScope();
        Assert.All(Values(CriticalPoint.NearestTernary(zeros(5))), x => Assert.Equal(0.0, x));
        Assert.Equal(0, CriticalPoint.NearestTernary(zeros(0)).numel());
        Assert.Throws<ArgumentNullException>(() => CriticalPoint.NearestTernary(null!));
    }

    // Every support; the best amplitude for one is the mean magnitude on it.
    private static double BruteForceDistance(double[] values)
    {
        double best = double.PositiveInfinity;
        for (int support = 0; support < 1 << values.Length; support++)
        {
            double sum = 0;
            double distance = 0;
            int count = 0;
            for (int i = 0; i < values.Length; i++)
            {
                distance += values[i] * values[i];
                if ((support >> i & 1) == 1)
                {
                    sum += Math.Abs(values[i]);
                    count++;
                }
            }

            best = Math.Min(best, distance - (count == 0 ? 0 : sum * sum / count));
        }

        return best;
    }
}
