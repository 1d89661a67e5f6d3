using static TorchSharp.torch;

namespace NeuralCompression;

/// <summary>The critical points of L1/L2: tensors whose non-zeros all have one magnitude, {−c, 0, c}.</summary>
/// <remarks>
/// <para>With k non-zeros the ratio there is √k, so more zeros mean a lower value. For k &gt; 1 they are saddles of the ratio, not minima (docs/training.md); a bounded mapping makes them stable.</para>
/// <para>Source: claims 3, 5 and 6.</para>
/// </remarks>
public static class CriticalPoint
{
    /// <summary>The ratio at a critical point, √k.</summary>
    /// <param name="nonZeros">Number k of non-zeros; range [0, ∞).</param>
    /// <returns>√k; dimensionless.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="nonZeros"/> is negative.</exception>
    public static double Value(long nonZeros)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(nonZeros);
        return Math.Sqrt(nonZeros);
    }

    /// <summary>Whether every non-zero has the same magnitude, within a tolerance.</summary>
    /// <param name="weights">Weights; shape <c>[…]</c>, floating point. Not modified.</param>
    /// <param name="tolerance">Largest |‖w_i‖ / c − 1| allowed for a non-zero, with c = L2²/L1: the largest gradient entry times L2; dimensionless, range [0, ∞), default 1e-6.</param>
    /// <returns>True for a critical point, and for an all-zero tensor, whose gradient is zero by definition.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="weights"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="tolerance"/> is negative or NaN.</exception>
    public static bool IsCritical(Tensor weights, double tolerance = 1e-6)
    {
        ArgumentNullException.ThrowIfNull(weights);
        if (!(tolerance >= 0))
        {
            throw new ArgumentOutOfRangeException(nameof(tolerance), tolerance, "The tolerance must not be negative.");
        }

        var ratio = SparsityRatio.Of(weights);
        if (ratio.IsZero)
        {
            return true;
        }

        using var scope = NewDisposeScope();
        var term = new CompressionTerm(new LossOptions(), weights.shape);
        term.Measure(weights, strengths: null, equalizer: false);
        term.Prepare(new LossStrengths(Lambda: ratio.L2, Equalizer: 0));
        using var gradient = term.Gradient(weights, strengths: null);
        return gradient.abs().max().item<double>() <= tolerance;
    }

    /// <summary>The critical point nearest to given weights in Euclidean distance.</summary>
    /// <param name="weights">Weights; shape <c>[…]</c>, floating point. Not modified.</param>
    /// <returns>A new tensor {−c, 0, c}; shape and type of <paramref name="weights"/>, weight units; the caller owns it. All zeros for all zeros.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="weights"/> is null.</exception>
    /// <remarks>
    /// Keeping the k largest magnitudes at their mean leaves the distance ‖w‖² − (Σ of the k largest)² / k, so the best k maximises the last term; equal magnitudes are kept or dropped together. Cost: one sort.
    /// </remarks>
    public static Tensor NearestTernary(Tensor weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (weights.numel() == 0)
        {
            return weights.detach().clone().MoveToOuterDisposeScope();
        }

        var wide = weights.detach().to(ScalarType.Float64);
        var magnitudes = wide.abs();
        var (sorted, _) = magnitudes.flatten().sort(dim: 0, descending: true);
        var sums = sorted.cumsum(0);
        var counts = arange(1, sorted.numel() + 1, dtype: ScalarType.Float64, device: weights.device);
        long best = sums.square().div(counts).argmax().item<long>();
        double amplitude = sums[best].item<double>() / (best + 1);
        double threshold = sorted[best].item<double>();
        var keep = magnitudes.ge(threshold).logical_and(magnitudes.gt(0));
        return wide.sign().mul(amplitude).mul(keep.to(ScalarType.Float64)).to(weights.dtype).MoveToOuterDisposeScope();
    }
}
