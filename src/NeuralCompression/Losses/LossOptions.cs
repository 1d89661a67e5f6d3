using TorchSharp.Modules;

namespace NeuralCompression;

/// <summary>What the compression term of the objective is and how its gradient reaches the weights.</summary>
/// <remarks>Source: claims 3 to 7; the variants are this project's, written out in docs/training.md.</remarks>
public sealed class LossOptions
{
    /// <summary>Strength of the compression term; loss units per unit of the ratio, range [0, ∞), default 1e-4.</summary>
    public double Lambda { get; set; } = 1e-4;

    /// <summary>Whether the ratio or its square is summed; default <see cref="LossVariant.Ratio"/>, the claimed form.</summary>
    public LossVariant Variant { get; set; } = LossVariant.Ratio;

    /// <summary>How strengths differ between tensors; default <see cref="LossWeighting.Equal"/>.</summary>
    public LossWeighting Weighting { get; set; } = LossWeighting.Equal;

    /// <summary>Whether large weights are pushed further out; default <see cref="LossGrowth.Full"/>, the exact gradient.</summary>
    public LossGrowth Growth { get; set; } = LossGrowth.Full;

    /// <summary>How a <see cref="CompressionSession"/> applies the gradient; default <see cref="LossMode.Autograd"/>. Used alone, the loss is always autograd.</summary>
    public LossMode Mode { get; set; } = LossMode.Autograd;

    /// <summary>
    /// Which parameters of a module count, by name and parameter; null (the default) takes every trainable floating-point parameter of two or more
    /// dimensions, which leaves out biases and norms.
    /// </summary>
    public Func<string, Parameter, bool>? Include { get; set; }

    internal LossOptions Copy() => (LossOptions)MemberwiseClone();

    internal OptionsFailures Validate()
    {
        var failures = new OptionsFailures("Loss");
        failures.Require(double.IsFinite(Lambda) && Lambda >= 0, nameof(Lambda), "must be finite and not negative.");
        failures.Require(Enum.IsDefined(Variant), nameof(Variant), "is not a known variant.");
        failures.Require(Enum.IsDefined(Weighting), nameof(Weighting), "is not a known weighting.");
        failures.Require(Enum.IsDefined(Growth), nameof(Growth), "is not a known growth.");
        failures.Require(Enum.IsDefined(Mode), nameof(Mode), "is not a known mode.");
        return failures;
    }
}
