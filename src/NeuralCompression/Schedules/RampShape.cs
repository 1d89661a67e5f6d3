namespace NeuralCompression;

/// <summary>The curve of a <see cref="ScheduleRamp"/>, over the fraction x of the phase in [0, 1].</summary>
public enum RampShape
{
    /// <summary>start + (end − start) · x.</summary>
    Linear,

    /// <summary>start + (end − start) · (1 − cos πx) / 2: slow at both ends.</summary>
    Cosine,

    /// <summary>start · (end / start)^x: equal ratios; both must be positive.</summary>
    Exponential,
}
