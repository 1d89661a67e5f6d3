namespace NeuralCompression;

/// <summary>How a value changes over a phase of a schedule: from its start at the first step to its end at the last. A plain number is a constant.</summary>
/// <param name="Start">Value at the phase's first step; dimensionless unless the member it is given to says otherwise.</param>
/// <param name="End">Value at the phase's last step.</param>
/// <param name="Shape">The curve between, default <see cref="RampShape.Linear"/>.</param>
/// <remarks>Source: this project.</remarks>
public sealed record ScheduleRamp(double Start, double End, RampShape Shape = RampShape.Linear)
{
    /// <summary>A constant.</summary>
    /// <param name="value">The value at every step.</param>
    /// <returns>The ramp from the value to itself.</returns>
    public static implicit operator ScheduleRamp(double value) => FromDouble(value);

    /// <summary>A constant.</summary>
    /// <param name="value">The value at every step.</param>
    /// <returns>The ramp from the value to itself.</returns>
    public static ScheduleRamp FromDouble(double value) => new(value, value);

    /// <summary>The value at a point of the phase.</summary>
    /// <param name="fraction">Where: 0 at the first step, 1 at the last.</param>
    /// <returns>The value.</returns>
    public double At(double fraction) => Shape switch
    {
        _ when fraction >= 1 => End,
        RampShape.Cosine => Start + ((End - Start) * (1 - Math.Cos(Math.PI * fraction)) / 2),
        RampShape.Exponential => Start * Math.Pow(End / Start, fraction),
        _ => Start + ((End - Start) * fraction),
    };

    internal bool IsValid(double max) =>
        Enum.IsDefined(Shape)
        && Start >= 0 && Start <= max && End >= 0 && End <= max
        && (Shape != RampShape.Exponential || (Start > 0 && End > 0));
}
