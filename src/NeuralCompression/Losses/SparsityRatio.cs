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
    private const int SumBlock = 4096;

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
        double l1 = 0;
        double squares = 0;
        for (int i = 0; i < weights.Length; i += SumBlock)
        {
            var block = weights.Slice(i, Math.Min(SumBlock, weights.Length - i));
            double blockL1 = double.CreateTruncating(strengths.IsEmpty ? TensorPrimitives.SumOfMagnitudes(block) : SumOfMagnitudes(block, strengths.Slice(i, block.Length)));
            double blockSquares = double.CreateTruncating(TensorPrimitives.SumOfSquares(block));
            l1 += blockL1;
            squares += blockL1 > 0 && blockSquares is not (> SafeSquares and < 1 / SafeSquares) ? WideSquares(block) : blockSquares;
        }

        return new SparsityRatio(l1, squares);
    }

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

    public static SparsityRatio Of(Tensor weights, Tensor? strengths = null)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var wide = weights.detach().to(ScalarType.Float64).abs();
        var weighted = strengths is null ? wide : wide.mul(strengths);
        return new SparsityRatio(weighted.sum().item<double>(), wide.square().sum().item<double>());
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

    /// <summary>Writes strength · ∂value/∂w, or with <see cref="LossGrowth.ShrinkOnly"/> its part that points towards zero.</summary>
    public void Gradient<T>(ReadOnlySpan<T> weights, double strength, LossOptions options, Span<T> gradient, ReadOnlySpan<T> strengths = default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (IsZero)
        {
            gradient.Clear();
            return;
        }

        double scale = strength * GradientScale(options) / L2;
        var signScale = T.CreateTruncating(scale);
        var weightScale = T.CreateTruncating(scale * L1 / SumOfSquares);
        var critical = options.Growth == LossGrowth.ShrinkOnly ? T.CreateTruncating(CriticalMagnitude) : T.PositiveInfinity;
        int width = Vector<T>.Count;
        int i = 0;
        if (!strengths.IsEmpty)
        {
            WeightedGradient(weights, strengths, signScale, weightScale, critical, gradient);
            return;
        }

        if (Vector<T>.IsSupported && weights.Length >= width)
        {
            var vSign = new Vector<T>(signScale);
            var vWeight = new Vector<T>(weightScale);
            var vCritical = new Vector<T>(critical);
            for (; i <= weights.Length - width; i += width)
            {
                var w = new Vector<T>(weights[i..]);
                var signed = Vector.CopySign(vSign, w);
                var value = signed - (w * vWeight);
                var keep = Vector.AndNot(Vector.LessThanOrEqual(Vector.Abs(w), vCritical), Vector.Equals(w, Vector<T>.Zero));
                (value & keep).CopyTo(gradient[i..]);
            }
        }

        for (; i < weights.Length; i++)
        {
            var w = weights[i];
            gradient[i] = w == T.Zero || T.Abs(w) > critical ? T.Zero : T.CopySign(signScale, w) - (w * weightScale);
        }
    }

    private static void WeightedGradient<T>(ReadOnlySpan<T> weights, ReadOnlySpan<T> strengths, T signScale, T weightScale, T critical, Span<T> gradient)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int i = 0;
        for (; Vector<T>.IsSupported && i <= weights.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            var w = new Vector<T>(weights[i..]);
            var s = new Vector<T>(strengths[i..]);
            var value = Vector.CopySign(s * signScale, w) - (w * weightScale);

            // An infinite critical magnitude times a strength of zero is no number, which nothing is larger than.
            var drop = Vector.BitwiseOr(Vector.GreaterThan(Vector.Abs(w), s * critical), Vector.Equals(w, Vector<T>.Zero));
            Vector.AndNot(value, drop).CopyTo(gradient[i..]);
        }

        for (; i < weights.Length; i++)
        {
            var w = weights[i];
            gradient[i] = w == T.Zero || T.Abs(w) > strengths[i] * critical ? T.Zero : T.CopySign(strengths[i] * signScale, w) - (w * weightScale);
        }
    }

    /// <summary>The same with tensor operations, in double precision: for other devices, types and strides.</summary>
    public Tensor Gradient(Tensor weights, double strength, LossOptions options, Tensor? strengths = null)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var wide = weights.detach().to(ScalarType.Float64);
        if (IsZero)
        {
            return zeros_like(wide).MoveToOuterDisposeScope();
        }

        double scale = strength * GradientScale(options) / L2;
        var signs = wide.sign().mul(scale);
        var gradient = (strengths is null ? signs : signs.mul(strengths)).sub(wide.mul(scale * L1 / SumOfSquares));
        if (options.Growth == LossGrowth.ShrinkOnly)
        {
            var shrinks = strengths is null ? wide.abs().le(CriticalMagnitude) : wide.abs().le(strengths.mul(CriticalMagnitude));
            gradient = gradient.mul(shrinks.to(ScalarType.Float64));
        }

        return gradient.MoveToOuterDisposeScope();
    }
}
