namespace NeuralCompression;

/// <summary>Which weights get noise.</summary>
public enum NoiseTarget
{
    /// <summary>Every weight of a compressed tensor.</summary>
    AllWeights,

    /// <summary>Only weights that do not quantise to zero: in a sparse tensor noise on the zeros drowns the rest.</summary>
    NonZeroWeights,
}
