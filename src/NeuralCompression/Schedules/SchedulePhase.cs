namespace NeuralCompression;

/// <summary>One stretch of a <see cref="CompressionSchedule"/>. What it does not set stays as the phase before, or the session's owner, left it; so each phase can be used alone.</summary>
/// <param name="Name">For messages and logs.</param>
/// <param name="Length">How long, in the schedule's unit (steps, or epochs); range (0, ∞).</param>
/// <remarks>Source: this project; the phases of the default are those of docs/training.md, section "Schedules".</remarks>
public sealed record SchedulePhase(string Name, double Length)
{
    /// <summary>Drives <see cref="CompressionSession.LambdaScale"/>; range [0, ∞).</summary>
    public ScheduleRamp? LambdaScale { get; init; }

    /// <summary>Drives <see cref="CompressionSession.NoiseScale"/>; range [0, 1].</summary>
    public ScheduleRamp? NoiseScale { get; init; }

    /// <summary>Drives <see cref="CompressionSession.QuantizedForward"/>; range [0, 1].</summary>
    public ScheduleRamp? QuantizedForward { get; init; }

    /// <summary>Drives <see cref="CompressionSession.Equalizer"/>; loss units, range [0, ∞).</summary>
    public ScheduleRamp? Equalizer { get; init; }

    /// <summary>Drives the optimizer's learning rates, as factors of their initial values; range [0, ∞). See <see cref="CompressionSession.LearningRateScale"/>.</summary>
    public ScheduleRamp? LearningRateScale { get; init; }

    /// <summary>Whether the phase begins with <see cref="CompressionSession.FreezeZeros"/>.</summary>
    public bool FreezeZeros { get; init; }

    /// <summary>Whether the phase begins with <see cref="CompressionSession.FixLevels"/>.</summary>
    public bool FixLevels { get; init; }

    /// <summary>The task alone: no compression term, no noise, no rounding.</summary>
    /// <param name="length">How long, in the schedule's unit; range (0, ∞).</param>
    /// <returns>The phase.</returns>
    public static SchedulePhase Pretrain(double length) => new("pretrain", length) { LambdaScale = 0, NoiseScale = 0, QuantizedForward = 0 };

    /// <summary>The rounded weight fades into the forward pass, t from 0 to 1, at a tenth of the strength.</summary>
    /// <param name="length">How long, in the schedule's unit; range (0, ∞).</param>
    /// <returns>The phase.</returns>
    public static SchedulePhase BlendQuantized(double length) => new("blend quantized", length) { LambdaScale = 0.1, NoiseScale = 0, QuantizedForward = new(0, 1) };

    /// <summary>The strength rises exponentially to its full value, the noise linearly.</summary>
    /// <param name="length">How long, in the schedule's unit; range (0, ∞).</param>
    /// <param name="startScale">Fraction of the strength to begin with; range (0, 1], default 0.1.</param>
    /// <returns>The phase.</returns>
    public static SchedulePhase Ramp(double length, double startScale = 0.1) =>
        new("ramp", length) { LambdaScale = new(startScale, 1, RampShape.Exponential), NoiseScale = new(0, 1) };

    /// <summary>Full strength.</summary>
    /// <param name="length">How long, in the schedule's unit; range (0, ∞).</param>
    /// <returns>The phase.</returns>
    public static SchedulePhase Hold(double length) => new("hold", length) { LambdaScale = 1 };

    /// <summary>Zeros and signs frozen, no compression term but the equaliser, which makes the magnitudes of the rest equal.</summary>
    /// <param name="length">How long, in the schedule's unit; range (0, ∞).</param>
    /// <param name="strength">Strength of the equaliser; loss units, range [0, ∞).</param>
    /// <returns>The phase.</returns>
    public static SchedulePhase Equalize(double length, double strength) =>
        new("equalize", length) { FreezeZeros = true, LambdaScale = 0, Equalizer = strength };

    /// <summary>Zeros and signs frozen, no compression term and no noise: the levels, gains, biases and norms settle.</summary>
    /// <param name="length">How long, in the schedule's unit; range (0, ∞).</param>
    /// <returns>The phase.</returns>
    public static SchedulePhase FineTune(double length) => new("fine-tune", length) { FreezeZeros = true, LambdaScale = 0, NoiseScale = 0, Equalizer = 0 };

    /// <summary>Every weight fixed at its level: gains, biases and norms settle.</summary>
    /// <param name="length">How long, in the schedule's unit; range (0, ∞).</param>
    /// <returns>The phase.</returns>
    public static SchedulePhase FineTuneGains(double length) => new("fine-tune gains", length) { FixLevels = true, LambdaScale = 0, NoiseScale = 0, Equalizer = 0 };

    internal void ThrowIfInvalid()
    {
        Require(double.IsFinite(Length) && Length > 0, "a length that is positive and finite");
        Require(LambdaScale?.IsValid(double.MaxValue) ?? true, "a LambdaScale of finite values that are not negative, positive ones where it is exponential");
        Require(NoiseScale?.IsValid(1) ?? true, "a NoiseScale within [0, 1], above 0 where it is exponential");
        Require(QuantizedForward?.IsValid(1) ?? true, "a QuantizedForward within [0, 1], above 0 where it is exponential");
        Require(Equalizer?.IsValid(double.MaxValue) ?? true, "an Equalizer of finite values that are not negative, positive ones where it is exponential");
        Require(LearningRateScale?.IsValid(double.MaxValue) ?? true, "a LearningRateScale of finite values that are not negative, positive ones where it is exponential");
    }

    private void Require(bool condition, string what)
    {
        if (!condition)
        {
            throw new ArgumentException($"The phase '{Name}' needs {what}.");
        }
    }
}
