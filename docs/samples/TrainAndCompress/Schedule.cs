using NeuralCompression;
using static TorchSharp.torch;

namespace TrainAndCompress;

/// <summary>
/// How strongly to compress when, over the whole training (0 to 1): quantise early, ramp the compression loss up, hold it, then freeze
/// the zeros and let the remaining weights recover.
/// </summary>
internal sealed record Schedule
{
    /// <summary>Strength of the compression loss at its height: the dial between size and accuracy.</summary>
    public required double Lambda { get; init; }

    /// <summary>Share of the step by which noise blurs the weights at its height; 0 switches noise off.</summary>
    public required double Noise { get; init; }

    /// <summary>Of the weights while compressing; high on purpose, a weight must be able to leave zero and to die.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Epochs after which the forward pass uses quantised weights only.</summary>
    public double QuantizedAfterEpochs { get; init; } = 3;

    /// <summary>Until here the compression loss grows, from a tenth to the whole.</summary>
    public double RampUntil { get; init; } = 0.40;

    /// <summary>From here the learning rate falls.</summary>
    public double DecayFrom { get; init; } = 0.45;

    /// <summary>From here no zero changes any more, the compression loss is off and only the other weights train.</summary>
    public double FreezeAt { get; init; } = 0.80;

    private const double LastLearningRate = 1e-4;
    private const double FineTuneFrom = 1e-3, FineTuneTo = 5e-5;

    public void Apply(TrainingProgress progress, CompressionSession session, optim.Optimizer optimizer)
    {
        double now = progress.Fraction;
        session.Lambda = LambdaAt(now);
        session.NoiseScale = NoiseAt(now);
        session.QuantizedForward = Math.Min(1, progress.Epochs / QuantizedAfterEpochs);
        optimizer.SetLearningRate(LearningRateAt(now));
    }

    private double LambdaAt(double now) =>
        now < RampUntil ? Lambda * Math.Pow(0.1, 1 - now / RampUntil)
        : now < FreezeAt ? Lambda
        : 0;

    private double NoiseAt(double now) =>
        now < RampUntil ? Noise * now / RampUntil
        : Noise * Math.Max(0, (FreezeAt - now) / (FreezeAt - RampUntil));

    private double LearningRateAt(double now) =>
        now < DecayFrom ? LearningRate
        : now < FreezeAt ? LastLearningRate + (LearningRate - LastLearningRate) * HalfCosine((now - DecayFrom) / (FreezeAt - DecayFrom))
        : FineTuneTo + (FineTuneFrom - FineTuneTo) * (1 - now) / (1 - FreezeAt);

    // From 1 to 0.
    private static double HalfCosine(double fraction) => (1 + Math.Cos(Math.PI * fraction)) / 2;
}
