namespace NeuralCompression;

/// <summary>
/// What a <see cref="CompressionSession"/> does when: phases one after the other, by optimizer steps. Immutable; where a session stands in it follows from its number of steps alone, which its state file holds, so training resumes exactly.
/// </summary>
/// <remarks>Give it to <see cref="CompressionOptions.Schedule"/>. After its last step the last values stay. Source: this project; docs/training.md, section "Schedules".</remarks>
/// <example>
/// <code>
/// var options = new CompressionOptions { Schedule = CompressionSchedule.Default(steps: 60 * stepsPerEpoch) };
/// var own = new CompressionSchedule([SchedulePhase.Ramp(20), SchedulePhase.Hold(30), SchedulePhase.FineTune(10)], stepsPerUnit: stepsPerEpoch);
/// </code>
/// </example>
public sealed class CompressionSchedule
{
    // First step of every phase, then the end of the last.
    private readonly long[] _starts;

    /// <summary>Makes a schedule.</summary>
    /// <param name="phases">The phases, in order; at least one.</param>
    /// <param name="stepsPerUnit">Optimizer steps in a phase's unit of length: 1 (the default) where lengths are steps, the batches of an epoch where they are epochs; range (0, ∞).</param>
    /// <exception cref="ArgumentNullException"><paramref name="phases"/> or one of them is null.</exception>
    /// <exception cref="ArgumentException">There is no phase, one is invalid (the message says how), or one is shorter than a step.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="stepsPerUnit"/> is not positive and finite.</exception>
    public CompressionSchedule(IEnumerable<SchedulePhase> phases, double stepsPerUnit = 1)
    {
        ArgumentNullException.ThrowIfNull(phases);
        if (!(double.IsFinite(stepsPerUnit) && stepsPerUnit > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(stepsPerUnit), stepsPerUnit, "The number of steps in a unit must be positive and finite.");
        }

        Phases = [.. phases];
        if (Phases.Count == 0)
        {
            throw new ArgumentException("A schedule needs a phase.", nameof(phases));
        }

        _starts = new long[Phases.Count + 1];
        double end = 0;
        for (int i = 0; i < Phases.Count; i++)
        {
            ArgumentNullException.ThrowIfNull(Phases[i], nameof(phases));
            Phases[i].ThrowIfInvalid();
            end += Phases[i].Length * stepsPerUnit;
            if (end > long.MaxValue / 2)
            {
                throw new ArgumentException("The schedule is longer than steps can be counted.", nameof(phases));
            }

            _starts[i + 1] = (long)Math.Round(end);
            if (_starts[i + 1] == _starts[i])
            {
                throw new ArgumentException($"The phase '{Phases[i].Name}' is shorter than a step.", nameof(phases));
            }
        }
    }

    /// <summary>The phases, in order.</summary>
    public IReadOnlyList<SchedulePhase> Phases { get; }

    /// <summary>Optimizer steps of all phases.</summary>
    public long Steps => _starts[^1];

    /// <summary>Whether a phase sets learning rates.</summary>
    public bool DrivesLearningRate => Phases.Any(p => p.LearningRateScale is not null);

    /// <summary>
    /// The schedule that did best in the experiments, for a network that is trained already: the rounded weight fades into the forward pass (2 % of the steps), strength and noise rise (39 %), hold while noise and learning rate fall (41 %), zeros are frozen and
    /// the rest settles (18 %).
    /// </summary>
    /// <param name="steps">Optimizer steps of the whole training; range [50, ∞).</param>
    /// <returns>The schedule.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steps"/> is less than 50.</exception>
    /// <remarks>It drives the learning rates. It was found with <see cref="LossMode.Proximal"/>, <see cref="LossGrowth.ShrinkOnly"/>, <see cref="LossWeighting.Rate"/>, noise on the non-zeros, and a high initial learning rate (8e-3 for Adam).</remarks>
    public static CompressionSchedule Default(long steps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 50);
        return new CompressionSchedule(
            [
                SchedulePhase.BlendQuantized(0.02) with { LearningRateScale = 1 },
                SchedulePhase.Ramp(0.39) with { QuantizedForward = 1, LearningRateScale = 1 },
                SchedulePhase.Hold(0.41) with { NoiseScale = new(1, 0), LearningRateScale = new(1, 0.0125, RampShape.Cosine) },
                SchedulePhase.FineTune(0.18) with { LearningRateScale = new(0.125, 0.00625) },
            ],
            steps);
    }

    /// <summary>The phase of a step.</summary>
    /// <param name="step">Number of steps taken before it; range [0, ∞).</param>
    /// <returns>The phase; the last one after the end.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="step"/> is negative.</exception>
    public SchedulePhase PhaseAt(long step) => Phases[IndexAt(step)];

    /// <summary>The phase of a step, where in it the step lies (0 at its first step, 1 at its last and after), and whether the step is its first.</summary>
    internal (SchedulePhase Phase, double Fraction, bool IsFirst) At(long step)
    {
        int index = IndexAt(step);
        long length = _starts[index + 1] - _starts[index];
        long done = step - _starts[index];
        return (Phases[index], length == 1 ? 1 : Math.Min(1, done / (double)(length - 1)), done == 0);
    }

    /// <summary>All numbers of the schedule, to tell whether a state file belongs to it.</summary>
    internal double[] Fingerprint() =>
    [
        .. _starts.Select(s => (double)s),
        .. Phases.SelectMany(p => new[] { p.LambdaScale, p.NoiseScale, p.QuantizedForward, p.Equalizer, p.LearningRateScale }
            .SelectMany(r => r is null ? new double[] { -1 } : [r.Start, r.End, (double)r.Shape])
            .Append((p.FreezeZeros ? 1 : 0) + (p.FixLevels ? 2 : 0))),
    ];

    private int IndexAt(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        int index = 0;
        while (index < Phases.Count - 1 && step >= _starts[index + 1])
        {
            index++;
        }

        return index;
    }
}
