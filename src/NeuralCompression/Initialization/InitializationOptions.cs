namespace NeuralCompression;

/// <summary>Where the raw parameters start, so that the mapping is not saturated there.</summary>
/// <remarks>Source: claims 11 to 14.</remarks>
public sealed class InitializationOptions
{
    /// <summary>Whether training starts from the module's present weights or at random; default <see cref="StartingPoint.SeedWeights"/>.</summary>
    public StartingPoint Start { get; set; } = StartingPoint.SeedWeights;

    /// <summary>
    /// Smallest slope that still counts as non-saturated, as a fraction of the mapping's largest slope; range (0, 1], default 0.5, which for
    /// <see cref="MappingKind.Tanh"/> keeps the mapped weights within 0.707 of the limits.
    /// </summary>
    public double SlopeFraction { get; set; } = 0.5;

    /// <summary>
    /// Random start: standard deviation of the mapped weights as a fraction of half the width of the weight range; range (0, 1), default 0.25. What is
    /// feasible depends on the mapping (0.43 for tanh and sigmoid, 0.57 for clamp and identity, at the default <see cref="SlopeFraction"/>).
    /// </summary>
    public double Occupancy { get; set; } = 0.25;

    /// <summary>
    /// Random start: the layer's target standard deviation is this over √fan-in; dimensionless, range (0, ∞), default 1/√3 (what torch's own layers start with; √2 is He's).
    /// </summary>
    public double SpreadScale { get; set; } = 1 / Math.Sqrt(3);

    /// <summary>Random start: seed of the numbers; the same seed gives the same weights on every machine. Default 0.</summary>
    public ulong Seed { get; set; }

    /// <summary>
    /// Start from seed weights: where <see cref="SeedQuantile"/> of their magnitudes lands, as a fraction of the limit on its side; range (0, 1), default 0.7. It must lie in
    /// the non-saturated part of the mapping.
    /// </summary>
    public double SeedReach { get; set; } = 0.7;

    /// <summary>
    /// Start from seed weights: the quantile of their magnitudes that lands at <see cref="SeedReach"/>; range (0, 1], default 1, which clips nothing. Below 1 the larger
    /// weights are clipped to the edge of the non-saturated part, and <see cref="InitializedWeights.ClippedFraction"/> says how many.
    /// </summary>
    public double SeedQuantile { get; set; } = 1;

    internal InitializationOptions Copy() => (InitializationOptions)MemberwiseClone();

    internal OptionsFailures Validate()
    {
        var failures = new OptionsFailures("Initialization");
        failures.Require(Enum.IsDefined(Start), nameof(Start), "is not a known starting point.");
        failures.Require(SlopeFraction is > 0 and <= 1, nameof(SlopeFraction), "must lie in (0, 1].");
        failures.Require(Occupancy is > 0 and < 1, nameof(Occupancy), "must lie in (0, 1).");
        failures.Require(double.IsFinite(SpreadScale) && SpreadScale > 0, nameof(SpreadScale), "must be positive and finite.");
        failures.Require(SeedReach is > 0 and < 1, nameof(SeedReach), "must lie in (0, 1).");
        failures.Require(SeedQuantile is > 0 and <= 1, nameof(SeedQuantile), "must lie in (0, 1].");
        return failures;
    }
}
