using System.Globalization;
using NeuralCompression.Interop;
using static TorchSharp.torch;

namespace NeuralCompression;

/// <summary>
/// Chooses raw parameters and gain of a weight tensor so that the mapping is not saturated at the start: at random for a mapping, or from given seed weights by fitting the gain to them.
/// </summary>
/// <remarks>
/// <para>At random: θ is drawn from a normal distribution cut to the non-saturated region and centred where m is zero; its spread is solved so that m(θ) fills
/// <see cref="InitializationOptions.Occupancy"/> of the range, whatever the mapping, and the gain then gives the weights the spread their layer wants.</para>
/// <para>From seed weights: the gain puts their largest magnitude at <see cref="InitializationOptions.SeedReach"/> of the limits and θ follows through the inverse, so the network computes what it computed before.</para>
/// <para>Works without a session and without the other pieces. Immutable and safe to share between threads.</para>
/// <para>Source: claims 11 (random), 12 (for the mapping), 13 (from a seed), 14 (the mapping for the seed).</para>
/// </remarks>
public sealed class SeedAwareInitializer
{
    private readonly WeightMapping _mapping;
    private readonly InitializationOptions _options;
    private readonly (double Lower, double Upper) _limits;
    private readonly (double Lower, double Upper) _region;

    /// <summary>Makes an initializer for a mapping.</summary>
    /// <param name="mapping">The mapping.</param>
    /// <param name="options">How to start; copied. Null takes the defaults.</param>
    /// <param name="quantization">The weight range, which <see cref="WeightMapping.Identity"/> does not know by itself; copied. Null takes the mapping's limits, or [−1, 1].</param>
    /// <exception cref="ArgumentNullException"><paramref name="mapping"/> is null.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">An option is out of its range, or the seed's reach lies outside the non-saturated region.</exception>
    public SeedAwareInitializer(WeightMapping mapping, InitializationOptions? options = null, QuantizationOptions? quantization = null)
    {
        ArgumentNullException.ThrowIfNull(mapping);
        _mapping = mapping;
        _options = (options ?? new InitializationOptions()).Copy();
        var failures = _options.Validate();
        if (quantization is not null)
        {
            failures.Include(quantization.Validate());
        }

        failures.ThrowIfAny(typeof(InitializationOptions));
        _limits = double.IsFinite(mapping.LowerLimit) ? (mapping.LowerLimit, mapping.UpperLimit)
            : quantization is not null ? (quantization.LowerLimit, quantization.UpperLimit)
            : (-1, 1);
        var region = mapping.NonSaturatedRegion(_options.SlopeFraction);
        _region = (Math.Max(region.Lower, double.IsFinite(region.Lower) ? region.Lower : _limits.Lower), double.IsFinite(region.Upper) ? region.Upper : _limits.Upper);

        double lowest = mapping.Map(_region.Lower);
        double highest = mapping.Map(_region.Upper);
        bool reaches = (_limits.Lower == 0 || _options.SeedReach * _limits.Lower >= lowest) && (_limits.Upper == 0 || _options.SeedReach * _limits.Upper <= highest);
        failures.Require(reaches, nameof(InitializationOptions.SeedReach), string.Create(
            CultureInfo.InvariantCulture,
            $"= {_options.SeedReach} lies outside the non-saturated part [{lowest:G4}, {highest:G4}] of {mapping}; lower it, or lower SlopeFraction."));
        failures.ThrowIfAny(typeof(InitializationOptions));
    }

    /// <summary>Raw parameters at random.</summary>
    /// <param name="shape">Shape of the weight tensor.</param>
    /// <param name="targetSpread">Standard deviation the weights g · m(θ) shall have; weight units, range (0, ∞).</param>
    /// <param name="tensorIndex">Which tensor of the model, so that tensors of one seed differ; range [0, ∞), default 0.</param>
    /// <param name="dtype">Element type of the result, default float32.</param>
    /// <param name="device">Device of the result, default the CPU. The numbers do not depend on it.</param>
    /// <returns>Raw parameters and gain; the caller owns them.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="targetSpread"/> is not positive and finite, or <paramref name="tensorIndex"/> is negative.</exception>
    /// <exception cref="InvalidOperationException">The occupancy cannot be reached within the mapping's non-saturated region; the message says what can.</exception>
    public InitializedWeights Random(ReadOnlySpan<long> shape, double targetSpread, int tensorIndex = 0, ScalarType dtype = ScalarType.Float32, Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tensorIndex);
        if (!(double.IsFinite(targetSpread) && targetSpread > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(targetSpread), targetSpread, "The target spread must be positive and finite.");
        }

        double halfWidth = (_limits.Upper - _limits.Lower) / 2;
        double spread = _options.Occupancy * halfWidth;
        var distribution = new TruncatedNormal(_region.Lower, _region.Upper, Center());
        double largest = distribution.LargestMappedSpread(_mapping);
        if (spread >= largest)
        {
            throw new InvalidOperationException(string.Create(
                CultureInfo.InvariantCulture,
                $"An occupancy of {_options.Occupancy} cannot be reached within the non-saturated region of {_mapping}; the most is {Math.Floor(largest / halfWidth * 1000) / 1000:0.###}. Lower Occupancy, or lower SlopeFraction."));
        }

        long count = 1;
        foreach (long dimension in shape)
        {
            count = checked(count * dimension);
        }

        var values = new double[count];
        distribution.Fill(_options.Seed, tensorIndex, distribution.SolveSigma(_mapping, spread), values);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var raw = tensor(values, dtype: dtype, device: device).reshape(shape.ToArray());
        return new InitializedWeights(raw.DetachFromDisposeScope(), targetSpread / spread, clippedFraction: 0);
    }

    /// <summary>Raw parameters from seed weights.</summary>
    /// <param name="weights">Seed weights; shape <c>[…]</c>, floating point, finite, weight units. Not modified.</param>
    /// <returns>
    /// Raw parameters and gain with g · m(θ) equal to the weights within rounding, but for the clipped fraction; float64 for float64 weights, else float32; the caller owns them. An all-zero tensor has gain 1.
    /// </returns>
    /// <exception cref="ArgumentNullException"><paramref name="weights"/> is null.</exception>
    /// <exception cref="ArgumentException">A weight is NaN or infinite, or lies on a side where the range has no room (a negative weight with a lower limit of 0); or, with a seed quantile of 1, no gain brings all weights into the non-saturated region.</exception>
    public InitializedWeights FromSeed(Tensor weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var type = weights.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        var wide = weights.detach().to(ScalarType.Float64).contiguous();
        if (!wide.isfinite().all().item<bool>())
        {
            throw new ArgumentException("The seed weights have values that are not finite.", nameof(weights));
        }

        double gain = FitGain(wide);
        var mapped = wide.div(gain);
        double lowest = _mapping.Map(_region.Lower);
        double highest = _mapping.Map(_region.Upper);
        // Where the reach ends exactly at the region's edge, rounding may put a weight a hair beyond it.
        double rounding = 1e-12 * (_limits.Upper - _limits.Lower);
        long clipped = mapped.lt(lowest - rounding).logical_or(mapped.gt(highest + rounding)).sum().item<long>();
        if (clipped > 0 && _options.SeedQuantile == 1)
        {
            throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture,
                $"{clipped} seed weights lie outside the non-saturated part [{lowest:G4}, {highest:G4}] of {_mapping}, whatever the gain: zero is near a limit there. Use MappingKind.Clamp, widen the limits, or start at random."), nameof(weights));
        }

        // At the region's edges the raw value is known; the inverse there may not exist (clamp).
        var above = mapped.gt(lowest);
        var below = mapped.lt(highest);
        var inside = mapped.where(above.logical_and(below), zeros_like(mapped).add(_mapping.Map(Center())));
        var raw = _mapping.Inverse(inside);
        raw = raw.where(above, full_like(raw, _region.Lower)).where(below, full_like(raw, _region.Upper));
        double fraction = wide.numel() == 0 ? 0 : (double)clipped / wide.numel();
        return new InitializedWeights(raw.to(type).clone().DetachFromDisposeScope(), gain, fraction);
    }

    /// <summary>Gives every weight tensor of a module random weights g · m(θ), in place, from the layers' fan-in: the initializer alone, without a session.</summary>
    /// <param name="module">The module; its trainable floating-point parameters of two or more dimensions are overwritten.</param>
    /// <exception cref="ArgumentNullException"><paramref name="module"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The occupancy cannot be reached.</exception>
    public void Initialize(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        int index = 0;
        using var _ = no_grad();
        foreach (var (_, parameter) in WeightSelection.Of(module, include: null))
        {
            using var scope = NewDisposeScope();
            using var start = Random(parameter.shape, TargetSpread(parameter.shape), index++, parameter.dtype, parameter.device);
            parameter.copy_(_mapping.Map(start.Raw).mul(start.Gain));
        }
    }

    /// <summary>Standard deviation a layer's weights shall have: <see cref="InitializationOptions.SpreadScale"/> over the square root of its fan-in.</summary>
    /// <param name="shape">Shape of the weight tensor: <c>[out, in, …kernel]</c>.</param>
    /// <returns>Standard deviation; weight units.</returns>
    public double TargetSpread(ReadOnlySpan<long> shape)
    {
        long fanIn = 1;
        for (int i = 1; i < shape.Length; i++)
        {
            fanIn = checked(fanIn * shape[i]);
        }

        return _options.SpreadScale / Math.Sqrt(Math.Max(1, fanIn));
    }

    // Where m is zero, if that lies in the non-saturated region; else its middle.
    private double Center()
    {
        bool zeroInside = _mapping.LowerLimit < 0 && _mapping.UpperLimit > 0;
        double zero = zeroInside ? _mapping.Inverse(0.0) : double.NaN;
        return zero >= _region.Lower && zero <= _region.Upper ? zero : (_region.Lower + _region.Upper) / 2;
    }

    private double FitGain(Tensor wide)
    {
        if (wide.numel() == 0 || wide.count_nonzero().item<long>() == 0)
        {
            return 1;
        }

        double below = -SideQuantile(wide.neg());
        double above = SideQuantile(wide);
        if ((below < 0 && _limits.Lower == 0) || (above > 0 && _limits.Upper == 0))
        {
            throw new ArgumentException("The seed weights have both signs, but the weight range ends at zero; widen LowerLimit or UpperLimit.", nameof(wide));
        }

        double gain = Math.Max(
            below < 0 ? below / (_options.SeedReach * _limits.Lower) : 0,
            above > 0 ? above / (_options.SeedReach * _limits.Upper) : 0);
        return gain > 0 ? gain : 1;
    }

    // The quantile of all magnitudes, counted on one side: the largest value that is left when the weights beyond the quantile are dropped.
    private double SideQuantile(Tensor wide)
    {
        double largest = Math.Max(0, wide.max().item<double>());
        if (_options.SeedQuantile == 1)
        {
            return largest;
        }

        var magnitudes = wide.abs().flatten();
        long rank = Math.Clamp((long)Math.Ceiling(_options.SeedQuantile * magnitudes.numel()), 1, magnitudes.numel());
        double quantile = magnitudes.kthvalue(rank, 0).values.item<double>();
        return Math.Min(largest, quantile);
    }
}
