using System.Numerics;
using System.Numerics.Tensors;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression;

/// <summary>
/// L1 and L2 of one tensor, accumulated in double precision, and the numbers that follow: the ratio R = L1/L2 and the critical magnitude c = L2²/L1, above which the ratio's gradient points outwards.
/// With a strength s for every weight, L1 is Σ s|w|, and the gradient of a weight points outwards above s · c.
/// </summary>
internal readonly record struct SparsityRatio(double L1, double SumOfSquares)
{
    // float32 sums over this many elements keep 1e-7; beyond, libtorch's and naive float32 sums drift (1.2 % at 25 M elements).
    /// <summary>Weights that <see cref="OfBlock"/> takes at a time.</summary>
    public const int SumBlock = 4096;

    // Outside [this, 1 / this] float32 squares under- or overflow, and a tensor of tiny weights would count as zero.
    private const double SafeSquares = 1e-28;

    public bool IsZero => SumOfSquares == 0;

    public double L2 => Math.Sqrt(SumOfSquares);

    public double Ratio => IsZero ? 0 : L1 / L2;

    public double CriticalMagnitude => IsZero ? 0 : SumOfSquares / L1;

    /// <param name="weights">The weights.</param>
    /// <param name="strengths">One for each weight, or none where all are 1.</param>
    public static SparsityRatio Of<T>(ReadOnlySpan<T> weights, ReadOnlySpan<T> strengths = default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var sum = default(SparsityRatio);
        for (int i = 0; i < weights.Length; i += SumBlock)
        {
            int n = Math.Min(SumBlock, weights.Length - i);
            sum += OfBlock(weights.Slice(i, n), strengths.IsEmpty ? strengths : strengths.Slice(i, n));
        }

        return sum;
    }

    /// <summary>The sums of a part of the weights, at most <see cref="SumBlock"/>; for passes that have it in cache.</summary>
    public static SparsityRatio OfBlock<T>(ReadOnlySpan<T> block, ReadOnlySpan<T> strengths = default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        double l1 = double.CreateTruncating(strengths.IsEmpty ? TensorPrimitives.SumOfMagnitudes(block) : SumOfMagnitudes(block, strengths));
        double squares = double.CreateTruncating(TensorPrimitives.SumOfSquares(block));
        return new SparsityRatio(l1, l1 > 0 && squares is not (> SafeSquares and < 1 / SafeSquares) ? WideSquares(block) : squares);
    }

    public static SparsityRatio operator +(SparsityRatio left, SparsityRatio right) => new(left.L1 + right.L1, left.SumOfSquares + right.SumOfSquares);

    private static T SumOfMagnitudes<T>(ReadOnlySpan<T> block, ReadOnlySpan<T> strengths)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var sums = Vector<T>.Zero;
        int i = 0;
        for (; Vector<T>.IsSupported && i <= block.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            sums += Vector.Abs(new Vector<T>(block[i..])) * new Vector<T>(strengths[i..]);
        }

        T sum = Vector.Sum(sums);
        for (; i < block.Length; i++)
        {
            sum += T.Abs(block[i]) * strengths[i];
        }

        return sum;
    }

    private static double WideSquares<T>(ReadOnlySpan<T> block)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        double squares = 0;
        foreach (var weight in block)
        {
            double wide = double.CreateTruncating(weight);
            squares += wide * wide;
        }

        return squares;
    }

    public static SparsityRatio Of(Tensor weights)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var wide = weights.detach().to(ScalarType.Float64).abs();
        return new SparsityRatio(wide.sum().item<double>(), wide.square().sum().item<double>());
    }

    /// <summary>The term's value for strength 1.</summary>
    public double Value(LossOptions options)
    {
        double ratio = Ratio;
        // Weighting by the (detached) ratio turns R into R^2; squaring a weighted ratio turns R^2 into R^3.
        double value = options.Variant == LossVariant.SquaredRatio ? ratio * ratio : ratio;
        return options.Weighting == LossWeighting.Rate ? value * ratio : value;
    }

    /// <summary>What multiplies (sign(w) − w · L1 / L2²) / L2 for strength 1: 1 for the ratio, 2R for its square, and R more for the rate weighting.</summary>
    public double GradientScale(LossOptions options)
    {
        double scale = options.Variant == LossVariant.SquaredRatio ? 2 * Ratio : 1;
        return options.Weighting == LossWeighting.Rate ? scale * Ratio : scale;
    }

    /// <summary>Coefficients of strength · ∂R/∂w, or with <see cref="LossGrowth.ShrinkOnly"/> of its part that points towards zero.</summary>
    public GradientCoefficients Coefficients(double strength, LossGrowth growth)
    {
        if (IsZero)
        {
            return GradientCoefficients.Everywhere(0, 0);
        }

        double sign = strength / L2;
        double weight = sign * L1 / SumOfSquares;
        return growth == LossGrowth.ShrinkOnly
            ? new GradientCoefficients(sign, weight, 0, 0, CriticalMagnitude)
            : GradientCoefficients.Everywhere(sign, weight);
    }

    public static long CountNonZeros<T>(ReadOnlySpan<T> weights)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        long zeros = 0;
        int i = 0;
        while (Vector<T>.IsSupported && i <= weights.Length - Vector<T>.Count)
        {
            // Within a block the counts are exact in any floating-point type.
            int end = Math.Min(i + SumBlock, weights.Length - Vector<T>.Count + 1);
            var counts = Vector<T>.Zero;
            for (; i < end; i += Vector<T>.Count)
            {
                counts += Vector.BitwiseAnd(Vector.Equals(new Vector<T>(weights[i..]), Vector<T>.Zero), Vector<T>.One);
            }

            zeros += long.CreateTruncating(Vector.Sum(counts));
        }

        for (; i < weights.Length; i++)
        {
            zeros += weights[i] == T.Zero ? 1 : 0;
        }

        return weights.Length - zeros;
    }
}
