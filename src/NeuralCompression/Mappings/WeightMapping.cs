using System.Globalization;
using System.Numerics;
using static TorchSharp.torch;

namespace NeuralCompression;

/// <summary>
/// A strictly increasing function m from raw parameters θ into a weight range (L, U), with its inverse, its slope and the part of its domain in which it is
/// not saturated. Immutable and safe to share between threads.
/// </summary>
/// <remarks>Source: claims 11 to 14; formulas in docs/training.md, section "Mappings".</remarks>
public abstract class WeightMapping
{
    private protected WeightMapping(MappingKind kind, double lowerLimit, double upperLimit, double steepness = 1)
    {
        Kind = kind;
        LowerLimit = lowerLimit;
        UpperLimit = upperLimit;
        Steepness = steepness;
    }

    /// <summary>Which function this is.</summary>
    public MappingKind Kind { get; }

    /// <summary>Lower limit L of the mapped values; dimensionless; −∞ for <see cref="Identity"/>.</summary>
    public double LowerLimit { get; }

    /// <summary>Upper limit U of the mapped values; dimensionless; ∞ for <see cref="Identity"/>.</summary>
    public double UpperLimit { get; }

    /// <summary>Factor s on θ, m(s · θ): an inverse temperature that makes a squashing function steeper; dimensionless, range (0, ∞); 1 for <see cref="Clamp"/> and <see cref="Identity"/>.</summary>
    public double Steepness { get; }

    /// <summary>Largest slope; dimensionless, range (0, ∞).</summary>
    public abstract double MaxSlope { get; }

    /// <summary>m(θ) = c + h · tanh(s · θ / h) with c = (L + U) / 2 and h = (U − L) / 2: slope s in the middle.</summary>
    /// <param name="lowerLimit">L; dimensionless, finite.</param>
    /// <param name="upperLimit">U; dimensionless, finite, above <paramref name="lowerLimit"/>.</param>
    /// <param name="steepness">s; dimensionless, range (0, ∞), default 1.</param>
    /// <returns>The mapping.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A limit is not finite, <paramref name="upperLimit"/> is not above <paramref name="lowerLimit"/>, or the steepness is not positive and finite.</exception>
    public static WeightMapping Tanh(double lowerLimit = -1, double upperLimit = 1, double steepness = 1) => new TanhMapping(lowerLimit, upperLimit, steepness);

    /// <summary>m(θ) = θ, cut at the limits: slope 1 within them, 0 beyond. A session keeps θ within the limits after every step, so that no weight is stuck outside.</summary>
    /// <param name="lowerLimit">L; dimensionless, finite.</param>
    /// <param name="upperLimit">U; dimensionless, finite, above <paramref name="lowerLimit"/>.</param>
    /// <returns>The mapping.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A limit is not finite, or <paramref name="upperLimit"/> is not above <paramref name="lowerLimit"/>.</exception>
    public static WeightMapping Clamp(double lowerLimit = -1, double upperLimit = 1) => new ClampMapping(lowerLimit, upperLimit);

    /// <summary>m(θ) = L + (U − L) / (1 + exp(−s · θ)): slope s (U − L) / 4 in the middle.</summary>
    /// <param name="lowerLimit">L; dimensionless, finite.</param>
    /// <param name="upperLimit">U; dimensionless, finite, above <paramref name="lowerLimit"/>.</param>
    /// <param name="steepness">s; dimensionless, range (0, ∞), default 1.</param>
    /// <returns>The mapping.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A limit is not finite, <paramref name="upperLimit"/> is not above <paramref name="lowerLimit"/>, or the steepness is not positive and finite.</exception>
    public static WeightMapping Sigmoid(double lowerLimit = -1, double upperLimit = 1, double steepness = 1) => new SigmoidMapping(lowerLimit, upperLimit, steepness);

    /// <summary>m(θ) = θ, without limits: it never saturates, and only the quantiser clips.</summary>
    public static WeightMapping Identity { get; } = new IdentityMapping();

    /// <summary>The mapping of a kind.</summary>
    /// <param name="kind">Which function.</param>
    /// <param name="lowerLimit">L; dimensionless, finite; ignored by <see cref="MappingKind.Identity"/>.</param>
    /// <param name="upperLimit">U; dimensionless, finite, above <paramref name="lowerLimit"/>; ignored by <see cref="MappingKind.Identity"/>.</param>
    /// <param name="steepness">s; dimensionless, range (0, ∞), default 1; ignored by <see cref="MappingKind.Clamp"/> and <see cref="MappingKind.Identity"/>.</param>
    /// <returns>The mapping.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="kind"/> is unknown, a limit or the steepness is not finite, the limits are not in order, or the steepness is not positive.</exception>
    public static WeightMapping Create(MappingKind kind, double lowerLimit = -1, double upperLimit = 1, double steepness = 1) => kind switch
    {
        MappingKind.Tanh => Tanh(lowerLimit, upperLimit, steepness),
        MappingKind.Clamp => Clamp(lowerLimit, upperLimit),
        MappingKind.Sigmoid => Sigmoid(lowerLimit, upperLimit, steepness),
        MappingKind.Identity => Identity,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Unknown mapping."),
    };

    /// <summary>m(θ), element by element, with its gradient.</summary>
    /// <param name="raw">Raw parameters θ; shape <c>[…]</c>, floating point. Not modified.</param>
    /// <returns>A new tensor; shape of <paramref name="raw"/>, dimensionless, within the limits; the caller owns it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="raw"/> is null.</exception>
    public abstract Tensor Map(Tensor raw);

    /// <summary>m′(θ), element by element.</summary>
    /// <param name="raw">Raw parameters θ; shape <c>[…]</c>, floating point. Not modified.</param>
    /// <returns>A new tensor without gradient; shape of <paramref name="raw"/>, dimensionless, range [0, <see cref="MaxSlope"/>]; the caller owns it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="raw"/> is null.</exception>
    public abstract Tensor Derivative(Tensor raw);

    /// <summary>θ with m(θ) = <paramref name="mapped"/>, element by element.</summary>
    /// <param name="mapped">Mapped values; shape <c>[…]</c>, floating point, strictly within the limits. Not modified.</param>
    /// <returns>A new tensor without gradient; shape of <paramref name="mapped"/>; the caller owns it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="mapped"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value is NaN, or at or beyond a limit, where the inverse would be infinite or undefined.</exception>
    public Tensor Inverse(Tensor mapped)
    {
        ArgumentNullException.ThrowIfNull(mapped);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (mapped.numel() > 0)
        {
            double smallest = mapped.min().to(ScalarType.Float64).item<double>();
            double largest = mapped.max().to(ScalarType.Float64).item<double>();
            ThrowUnlessInside(smallest);
            ThrowUnlessInside(largest);
        }

        return InverseInside(mapped).MoveToOuterDisposeScope();
    }

    /// <summary>m(θ).</summary>
    /// <param name="raw">θ.</param>
    /// <returns>Mapped value; dimensionless.</returns>
    public abstract double Map(double raw);

    /// <summary>m′(θ).</summary>
    /// <param name="raw">θ.</param>
    /// <returns>Slope; dimensionless, range [0, <see cref="MaxSlope"/>].</returns>
    public abstract double Derivative(double raw);

    /// <summary>θ with m(θ) = <paramref name="mapped"/>.</summary>
    /// <param name="mapped">Mapped value; dimensionless, strictly within the limits.</param>
    /// <returns>θ, finite.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The value is NaN, or at or beyond a limit.</exception>
    public double Inverse(double mapped)
    {
        ThrowUnlessInside(mapped);
        return InverseInside(mapped);
    }

    /// <summary>The interval of θ in which the slope is at least a fraction of the largest slope.</summary>
    /// <param name="slopeFraction">That fraction; range (0, 1]; default 0.5.</param>
    /// <returns>Closed interval of θ; (−∞, ∞) for <see cref="Identity"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="slopeFraction"/> lies outside (0, 1].</exception>
    public (double Lower, double Upper) NonSaturatedRegion(double slopeFraction = 0.5)
    {
        if (slopeFraction is not (> 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(slopeFraction), slopeFraction, "The fraction of the largest slope must lie in (0, 1].");
        }

        return RegionOf(slopeFraction);
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Kind}({LowerLimit:R}, {UpperLimit:R})");

    // The same functions on contiguous memory, for the session's step. They need not be bit-identical to torch's: a session uses one or the other throughout.
    internal abstract void Map<T>(ReadOnlySpan<T> raw, Span<T> mapped)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>;

    /// <summary>m′ from θ and the already computed m(θ).</summary>
    internal abstract void Derivative<T>(ReadOnlySpan<T> raw, ReadOnlySpan<T> mapped, Span<T> slope)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>;

    /// <summary>Where θ must stay for its gradient not to vanish for good: the limits for <see cref="Clamp"/>, everything for the others.</summary>
    internal virtual (double Lower, double Upper) Domain => (double.NegativeInfinity, double.PositiveInfinity);

    private protected abstract Tensor InverseInside(Tensor mapped);

    private protected abstract double InverseInside(double mapped);

    private protected abstract (double Lower, double Upper) RegionOf(double slopeFraction);

    private protected static void ThrowUnlessLimits(double lowerLimit, double upperLimit, double steepness = 1)
    {
        if (!(double.IsFinite(steepness) && steepness > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(steepness), steepness, "The steepness must be positive and finite.");
        }

        if (!double.IsFinite(lowerLimit))
        {
            throw new ArgumentOutOfRangeException(nameof(lowerLimit), lowerLimit, "The lower limit must be finite.");
        }

        if (!double.IsFinite(upperLimit) || upperLimit <= lowerLimit)
        {
            throw new ArgumentOutOfRangeException(nameof(upperLimit), upperLimit, "The upper limit must be finite and above the lower limit.");
        }
    }

    private void ThrowUnlessInside(double mapped)
    {
        if (!(mapped > LowerLimit && mapped < UpperLimit))
        {
            throw new ArgumentOutOfRangeException(nameof(mapped), mapped, string.Create(
                CultureInfo.InvariantCulture,
                $"The inverse of {this} is defined strictly between its limits; scale the weights by a larger gain, or clip them first."));
        }
    }
}
