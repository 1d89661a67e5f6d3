using NeuralCompression.Vectors;

namespace NeuralCompression;

/// <summary>A mapping and its slope for a vector of float32 at a time, so that a pass over the weights can do more than map. Implemented by structs: every pass is compiled for each of them, without a call.</summary>
internal interface IVectorMapping
{
    /// <summary>Whether <see cref="Slope"/> looks at θ at all; if not it need not be read.</summary>
    public static abstract bool SlopeReadsRaw { get; }

    /// <summary>Whether <see cref="Map"/> costs less than reading m(θ) from memory.</summary>
    public static abstract bool MapsCheaply { get; }

    /// <summary>m(θ).</summary>
    public TVector Map<TVector>(TVector raw)
        where TVector : struct, IFloatVector<TVector>;

    /// <summary>m′ from θ and the already computed m(θ).</summary>
    public TVector Slope<TVector>(TVector raw, TVector mapped)
        where TVector : struct, IFloatVector<TVector>;
}
