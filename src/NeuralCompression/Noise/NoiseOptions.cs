namespace NeuralCompression;

/// <summary>The uniform noise that stands for quantisation while training.</summary>
/// <remarks>Source: claims 8 and 9.</remarks>
public sealed class NoiseOptions
{
    /// <summary>Schedule factor s of the noise, which is uniform in [−s · a, s · a] with a the noise level; fraction, range [0, 1], default 1.</summary>
    public double Scale { get; set; } = 1;

    /// <summary>Which weights get noise; default <see cref="NoiseTarget.AllWeights"/>, the claimed form.</summary>
    public NoiseTarget Target { get; set; } = NoiseTarget.AllWeights;

    /// <summary>Seed of the noise; the same seed gives the same noise on every machine. Default 0.</summary>
    public ulong Seed { get; set; }

    internal NoiseOptions Copy() => (NoiseOptions)MemberwiseClone();

    internal OptionsFailures Validate()
    {
        var failures = new OptionsFailures("Noise");
        failures.Require(Scale is >= 0 and <= 1, nameof(Scale), "must lie in [0, 1].");
        failures.Require(Enum.IsDefined(Target), nameof(Target), "is not a known target.");
        return failures;
    }
}
