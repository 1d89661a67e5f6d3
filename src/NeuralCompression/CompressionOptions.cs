using System.ComponentModel.DataAnnotations;
using System.IO.Compression;
using Microsoft.Extensions.Options;
using NeuralCompression.Hosting;
using TorchSharp.Modules;

namespace NeuralCompression;

/// <summary>Everything a <see cref="CompressionSession"/> needs to know; copied when the session is made.</summary>
/// <remarks>
/// An options object with an invalid or contradictory value makes the session's constructor throw
/// <see cref="Microsoft.Extensions.Options.OptionsValidationException"/>, which names every fault at once.
/// </remarks>
public sealed class CompressionOptions : IValidatableObject
{
    /// <summary>Noise level and limits of the weight range.</summary>
    public QuantizationOptions Quantization { get; set; } = new();

    /// <summary>The compression term of the objective.</summary>
    public LossOptions Loss { get; set; } = new();

    /// <summary>The noise that stands for quantisation in training.</summary>
    public NoiseOptions Noise { get; set; } = new();

    /// <summary>Where the raw parameters start.</summary>
    public InitializationOptions Initialization { get; set; } = new();

    /// <summary>The function from raw parameters into the weight range; default <see cref="MappingKind.Tanh"/>.</summary>
    public MappingKind Mapping { get; set; } = MappingKind.Tanh;

    /// <summary>Whether each tensor's gain is trained too (its logarithm, by the same optimizer); default true. Fixed gains keep the limits where they are, so that survivors saturate and become equal although the forward pass is not rounded.</summary>
    /// <remarks>Source: docs/training.md, "Why a bounded mapping".</remarks>
    public bool TrainGains { get; set; } = true;

    /// <summary>
    /// Fraction t of the rounded weight in the forward pass, (1 − t) · m + t · Q(m), with the gradient passed straight through; fraction, range [0, 1], default 0. It is the starting
    /// value of <see cref="CompressionSession.QuantizedForward"/>.
    /// </summary>
    public double QuantizedForward { get; set; }

    /// <summary>What drives strength, noise, rounding, learning rate and freezing by the number of optimizer steps; null (the default) leaves them to the owner of the session.</summary>
    public CompressionSchedule? Schedule { get; set; }

    /// <summary>The level the file will be saved at: what <see cref="CompressionSession.MeasureBytes"/> and <see cref="TargetBytes"/> speak of; default <see cref="CompressionLevel.Optimal"/>.</summary>
    public CompressionLevel Level { get; set; } = CompressionLevel.Optimal;

    /// <summary>
    /// What the whole file may weigh; bytes, range [1, ∞), null (the default) for no budget. The session measures the file while it trains and steers the strength of the loss, so that <see cref="LossOptions.Lambda"/> need only
    /// be a guess, and rounds the rest away when it freezes zeros and quantises.
    /// </summary>
    public long? TargetBytes { get; set; }

    /// <summary>Steps in which the distance to the budget should fall to a third (1/e); range [<see cref="BudgetInterval"/> x 7, ∞), default 2,000. About a tenth of the steps before zeros are frozen is right.</summary>
    public int BudgetSteps { get; set; } = 2000;

    /// <summary>Steps from one measurement for the budget to the next; range [1, ∞), default 100.</summary>
    public int BudgetInterval { get; set; } = 100;

    // Sensitivities for the rounding are made of them, and the proximal step.
    internal bool KeepsMoments => Loss.Mode == LossMode.Proximal || TargetBytes is not null || Quantization.RateDistortion > 0;

    /// <summary>
    /// Which parameters are compressed, by name and parameter; null (the default) takes every trainable floating-point parameter of two or more dimensions.
    /// </summary>
    public Func<string, Parameter, bool>? Include { get; set; }

    internal CompressionOptions Copy() => new()
    {
        Quantization = Quantization.Copy(),
        Loss = Loss.Copy(bounded: Mapping != MappingKind.Identity),
        Noise = Noise.Copy(),
        Initialization = Initialization.Copy(),
        Mapping = Mapping,
        TrainGains = TrainGains,
        QuantizedForward = QuantizedForward,
        Schedule = Schedule,
        Include = Include,
        Level = Level,
        TargetBytes = TargetBytes,
        BudgetSteps = BudgetSteps,
        BudgetInterval = BudgetInterval,
    };

    internal void ThrowIfInvalid()
    {
        if (CompressionOptionsValidator.Instance.Validate(Options.DefaultName, this) is { Failed: true } result)
        {
            throw new OptionsValidationException(Options.DefaultName, typeof(CompressionOptions), result.Failures);
        }
    }

    IEnumerable<ValidationResult> IValidatableObject.Validate(ValidationContext validationContext) => Validate().AsResults();

    private OptionsFailures Validate()
    {
        var failures = new OptionsFailures("Compression");
        failures.Require(Quantization is not null, nameof(Quantization), "must not be null.");
        failures.Require(Loss is not null, nameof(Loss), "must not be null.");
        failures.Require(Noise is not null, nameof(Noise), "must not be null.");
        failures.Require(Initialization is not null, nameof(Initialization), "must not be null.");
        if (Quantization is null || Loss is null || Noise is null || Initialization is null)
        {
            return failures;
        }

        failures.Require(Enum.IsDefined(Mapping), nameof(Mapping), "is not a known mapping.");
        failures.Require(QuantizedForward is >= 0 and <= 1, nameof(QuantizedForward), "must lie in [0, 1].");
        failures.Require(Enum.IsDefined(Level), nameof(Level), "is not a known compression level.");
        failures.Require(TargetBytes is null or > 0, nameof(TargetBytes), "must be at least 1, or null for no budget.");
        failures.Require(TargetBytes is null || Level != CompressionLevel.NoCompression, nameof(Level), "must compress if there is a budget: the length of a raw file does not depend on its weights.");
        failures.Require(TargetBytes is null || Loss.Lambda > 0, "Loss.Lambda", "must be positive if there is a budget: it is the strength the budget starts from.");
        failures.Require(TargetBytes is null || Quantization.RateDistortion == 0, "Quantization.RateDistortion", "must be 0 if there is a budget, which finds the strength itself.");
        failures.Require(BudgetInterval >= 1, nameof(BudgetInterval), "must be at least 1.");
        failures.Require(BudgetInterval < 1 || BudgetSteps / 7 >= BudgetInterval, nameof(BudgetSteps), "must be at least 7 times BudgetInterval, or the strength would oscillate.");
        failures.Require(Loss.Include is null, "Loss.Include", "is for the loss used alone; in a session set Include.");
        failures.Include(Quantization.Validate());
        failures.Include(Loss.Validate());
        failures.Include(Noise.Validate());
        failures.Include(Initialization.Validate());
        return failures;
    }
}
