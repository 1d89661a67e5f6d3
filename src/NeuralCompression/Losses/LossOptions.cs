using TorchSharp.Modules;

namespace NeuralCompression;

/// <summary>What the compression term of the objective is and how its gradient reaches the weights.</summary>
/// <remarks>Source: claims 3 to 7; the variants are this project's, written out in docs/training.md.</remarks>
public sealed class LossOptions
{
    /// <summary>Strength of the compression term; loss units per unit of the ratio, range [0, ∞), default 1e-4.</summary>
    public double Lambda { get; set; } = 1e-4;

    /// <summary>Strengths that differ by name; default empty, which gives every tensor the factor 1. See <see cref="LossStrength"/>. A pattern that matches no counted parameter is an error.</summary>
    public IList<LossStrength> Strengths { get; private set; } = [];

    /// <summary>Whether the ratio or its square is summed; default <see cref="LossVariant.Ratio"/>, the claimed form.</summary>
    public LossVariant Variant { get; set; } = LossVariant.Ratio;

    /// <summary>How strengths differ between tensors; default <see cref="LossWeighting.Equal"/>.</summary>
    public LossWeighting Weighting { get; set; } = LossWeighting.Equal;

    /// <summary>
    /// Whether large weights are pushed further out. Null (the default) is <see cref="LossGrowth.Full"/>, the exact gradient, where a bounded mapping holds the weights, and <see cref="LossGrowth.ShrinkOnly"/> where nothing
    /// does: used alone, and with <see cref="MappingKind.Identity"/>. There an optimizer like Adam would make weights that the task does not need, such as those of inputs that are always zero, grow without end.
    /// </summary>
    public LossGrowth? Growth { get; set; }

    /// <summary>Groups of the structured forms; default <see cref="LossGroups.WholeTensor"/>, the claimed form.</summary>
    public LossGroups Groups { get; set; } = LossGroups.WholeTensor;

    /// <summary>What is measured of the groups; default <see cref="GroupMeasure.Elements"/>. Without effect for <see cref="LossGroups.WholeTensor"/>.</summary>
    public GroupMeasure GroupMeasure { get; set; } = GroupMeasure.Elements;

    /// <summary>
    /// Strength of the equaliser, 1 − L1² / (k · L2²) over the k non-zeros of a tensor: zero where all have one magnitude. Loss units, range [0, ∞), default 0. In a session it counts
    /// once <see cref="CompressionSession.FreezeZeros"/> was called, since before there is no support whose magnitudes could be made equal.
    /// </summary>
    public double Equalizer { get; set; }

    /// <summary>How a <see cref="CompressionSession"/> applies the gradient; default <see cref="LossMode.Autograd"/>. Used alone, the loss is always autograd.</summary>
    public LossMode Mode { get; set; } = LossMode.Autograd;

    /// <summary>
    /// Which parameters of a module count, by name and parameter; null (the default) takes every trainable floating-point parameter of two or more
    /// dimensions, which leaves out biases and norms.
    /// </summary>
    public Func<string, Parameter, bool>? Include { get; set; }

    /// <summary>A copy whose growth is decided.</summary>
    internal LossOptions Copy(bool bounded)
    {
        var copy = (LossOptions)MemberwiseClone();
        copy.Strengths = [.. Strengths];
        copy.Growth ??= bounded ? LossGrowth.Full : LossGrowth.ShrinkOnly;
        return copy;
    }

    internal OptionsFailures Validate()
    {
        var failures = new OptionsFailures("Loss");
        failures.Require(double.IsFinite(Lambda) && Lambda >= 0, nameof(Lambda), "must be finite and not negative.");
        failures.Require(Enum.IsDefined(Variant), nameof(Variant), "is not a known variant.");
        failures.Require(Enum.IsDefined(Weighting), nameof(Weighting), "is not a known weighting.");
        failures.Require(Growth is null || Enum.IsDefined(Growth.Value), nameof(Growth), "is not a known growth.");
        failures.Require(Enum.IsDefined(Groups), nameof(Groups), "is not a known grouping.");
        failures.Require(Enum.IsDefined(GroupMeasure), nameof(GroupMeasure), "is not a known measure.");
        failures.Require(double.IsFinite(Equalizer) && Equalizer >= 0, nameof(Equalizer), "must be finite and not negative.");
        failures.Require(Enum.IsDefined(Mode), nameof(Mode), "is not a known mode.");
        for (int i = 0; i < Strengths.Count; i++)
        {
            var strength = Strengths[i];
            failures.Require(!string.IsNullOrEmpty(strength?.Pattern), $"{nameof(Strengths)}[{i}]", "needs a pattern.");
            failures.Require(strength is null || (double.IsFinite(strength.Factor) && strength.Factor >= 0), $"{nameof(Strengths)}[{i}]", "needs a factor that is finite and not negative.");
        }

        return failures;
    }

    /// <summary>The factor of each name.</summary>
    /// <exception cref="ArgumentException">A pattern matches none of the names; the message has it and the names.</exception>
    internal double[] FactorsOf(IReadOnlyList<string> names)
    {
        if (Strengths.FirstOrDefault(s => !names.Any(n => Matches(s, n))) is { } unused)
        {
            throw new ArgumentException($"The pattern '{unused.Pattern}' of Loss.Strengths matches none of the parameters: {string.Join(", ", names.Select(n => $"'{n}'"))}.");
        }

        return [.. names.Select(n => Strengths.FirstOrDefault(s => Matches(s, n))?.Factor ?? 1)];
    }

    private static bool Matches(LossStrength strength, string name) =>
        System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(strength.Pattern, name, ignoreCase: false);
}
