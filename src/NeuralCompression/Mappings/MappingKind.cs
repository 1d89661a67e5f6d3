namespace NeuralCompression;

/// <summary>The functions from raw parameters into the weight range.</summary>
public enum MappingKind
{
    /// <summary>See <see cref="WeightMapping.Tanh"/>.</summary>
    Tanh,

    /// <summary>See <see cref="WeightMapping.Clamp"/>.</summary>
    Clamp,

    /// <summary>See <see cref="WeightMapping.Sigmoid"/>.</summary>
    Sigmoid,

    /// <summary>See <see cref="WeightMapping.Identity"/>.</summary>
    Identity,
}
