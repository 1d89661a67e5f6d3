namespace NeuralCompression.Sessions;

/// <summary>What a step writes into the parameters beside the mapped weights.</summary>
internal readonly record struct StepSettings(ulong Seed, ulong Draw, double NoiseScale, NoiseTarget Target, double QuantizedForward);

/// <summary>How the opening of a step went for one weight; on a change the weight is as it was.</summary>
internal enum StepOpening
{
    Open,

    /// <summary>The parameter does not hold g · m(θ).</summary>
    ParameterChanged,

    /// <summary>θ is not what the session left.</summary>
    RawChanged,
}

/// <summary>The proximal step after the optimizer's.</summary>
internal readonly record struct ProximalSettings(LossStrengths Strengths, double LearningRate, double BiasCorrection)
{
    /// <summary>Decay of the running mean of squared task gradients; Adam's usual value.</summary>
    public const double Beta2 = 0.999;

    /// <summary>Keeps the division finite for weights that never had a gradient; they go to zero at once.</summary>
    public const double Epsilon = 1e-7;
}
