using System.Globalization;
using NeuralCompression.Codec;

namespace NeuralCompression;

/// <summary>
/// The noise level and the limits of the weight range: one record, used by the noise in training and by the quantiser after it.
/// </summary>
/// <remarks>
/// <para>All three are dimensionless and the same for every tensor: a tensor's own size is its gain g, so that its weights are
/// g · m with m in [<see cref="LowerLimit"/>, <see cref="UpperLimit"/>]. The quantiser's step is 2 · <see cref="NoiseLevel"/>, which is the
/// width of the noise.</para>
/// <para>Source: claims 8, 9 and 10.</para>
/// </remarks>
public sealed class QuantizationOptions
{
    /// <summary>The most levels a grid may have; symbols are stored in 16 bits.</summary>
    public const int MaxLevels = 65_535;

    /// <summary>
    /// For <see cref="OtherBits"/>: as many bits for each tensor as keep the rounding error below 2 % of its values (root mean square), from 4 to 16. Seven for most biases: a fiftieth of what rounding the weights to a few levels costs.
    /// </summary>
    public const int AutomaticBits = 0;

    // 1/6 has no exact binary form, so "a multiple of the step" is judged to within this fraction of a step.
    private const double MultipleTolerance = 1e-6;

    /// <summary>Half the width of the uniform noise and half the quantiser's step; dimensionless, range (0, ∞), default 1/6 (7 levels in [−1, 1]).</summary>
    public double NoiseLevel { get; set; } = 1.0 / 6;

    /// <summary>Lower limit of the weight range; dimensionless, range (−∞, 0], an integer multiple of <see cref="StepSize"/>; default −1.</summary>
    public double LowerLimit { get; set; } = -1;

    /// <summary>Upper limit of the weight range; dimensionless, range [0, ∞), an integer multiple of <see cref="StepSize"/>; default 1.</summary>
    public double UpperLimit { get; set; } = 1;

    /// <summary>
    /// Bits per value for the trained tensors that are not compressed (biases, norm weights): each is rounded to a symmetric uniform grid that
    /// its largest magnitude spans. Range [2, 16], or <see cref="AutomaticBits"/>; null (the default) stores them without loss.
    /// </summary>
    public int? OtherBits { get; set; }

    /// <summary>
    /// Squared error that rounding may add to save one bit (<see cref="RateDistortionQuantizer"/>); range [0, ∞), default 0: to the nearest level. A byte budget is easier to give.
    /// </summary>
    /// <remarks>
    /// <para>In a session: error of m squared, dimensionless, times the running mean of the squared gradients of the task by m (1 before the first step), / bit. It does not depend on the size of a tensor's weights, but on that of the task's loss.</para>
    /// <para>
    /// In <c>SaveCompressed</c> without a session: squared weight units / bit, one error for all tensors. For weights c times as large it is c² times as large; one that suits a tensor of large weights makes all of a tensor of small ones zero.
    /// <see cref="PostTrainingOptions.RateDistortion"/> counts in squared steps instead, which are each tensor's own.
    /// </para>
    /// <para>Source: this project.</para>
    /// </remarks>
    public double RateDistortion { get; set; }

    /// <summary>Distance between two levels, 2 · <see cref="NoiseLevel"/>; dimensionless.</summary>
    public double StepSize => 2 * NoiseLevel;

    /// <summary>Number of levels, (<see cref="UpperLimit"/> − <see cref="LowerLimit"/>) / <see cref="StepSize"/> + 1.</summary>
    public int Levels => MaxSymbol - MinSymbol + 1;

    /// <summary>Symbol of <see cref="LowerLimit"/>: the level is <see cref="StepSize"/> times the symbol; range [−65,534, 0].</summary>
    public int MinSymbol => (int)Math.Round(LowerLimit / StepSize);

    /// <summary>Symbol of <see cref="UpperLimit"/>; range [0, 65,534].</summary>
    public int MaxSymbol => (int)Math.Round(UpperLimit / StepSize);

    internal QuantizationOptions Copy() => (QuantizationOptions)MemberwiseClone();

    internal OptionsFailures Validate()
    {
        var failures = new OptionsFailures("Quantization");
        bool step = double.IsFinite(NoiseLevel) && NoiseLevel > 0;
        failures.Require(step, nameof(NoiseLevel), "must be positive and finite.");
        failures.Require(double.IsFinite(LowerLimit) && LowerLimit <= 0, nameof(LowerLimit), "must be finite and at most 0, so that zero is a level.");
        failures.Require(double.IsFinite(UpperLimit) && UpperLimit >= 0, nameof(UpperLimit), "must be finite and at least 0, so that zero is a level.");
        failures.Require(UpperLimit > LowerLimit, nameof(UpperLimit), "must be above LowerLimit.");
        failures.Require(OtherBits is null or AutomaticBits or (>= 2 and <= 16), nameof(OtherBits), "must lie in [2, 16], or be AutomaticBits, or null for lossless storage.");
        failures.Require(double.IsFinite(RateDistortion) && RateDistortion >= 0, nameof(RateDistortion), "must be finite and not negative.");
        if (step && double.IsFinite(LowerLimit) && double.IsFinite(UpperLimit))
        {
            RequireMultiple(failures, LowerLimit, nameof(LowerLimit));
            RequireMultiple(failures, UpperLimit, nameof(UpperLimit));
            failures.Require(
                (UpperLimit - LowerLimit) / StepSize < MaxLevels,
                nameof(NoiseLevel),
                $"is so small that the range has more than {MaxLevels} levels.");
            failures.Require(
                LowerLimit / StepSize >= short.MinValue && UpperLimit / StepSize <= short.MaxValue,
                nameof(NoiseLevel),
                "is so small that a symbol does not fit 16 bits.");
        }

        return failures;
    }

    private void RequireMultiple(OptionsFailures failures, double limit, string member)
    {
        double ratio = limit / StepSize;
        double nearest = Math.Round(ratio);
        if (Math.Abs(ratio - nearest) <= MultipleTolerance)
        {
            return;
        }

        double below = Math.Floor(ratio) * StepSize;
        double above = Math.Ceiling(ratio) * StepSize;
        failures.Require(false, member, string.Create(
            CultureInfo.InvariantCulture,
            $"= {limit:R} is not a multiple of the step 2 x NoiseLevel = {StepSize:R}; the nearest valid values are {below:R} and {above:R}."));
    }
}
