using System.Runtime.Intrinsics;

namespace NeuralCompression;

/// <summary>A mapping and its slope for eight float32 at a time, so that a pass over the weights can do more than map. Implemented by structs: every pass is compiled for each of them, without a call.</summary>
internal interface IVectorMapping
{
    /// <summary>Whether <see cref="Slope"/> looks at θ at all; if not it need not be read.</summary>
    public static abstract bool SlopeReadsRaw { get; }

    /// <summary>m(θ).</summary>
    public Vector256<float> Map(Vector256<float> raw);

    /// <summary>m′ from θ and the already computed m(θ).</summary>
    public Vector256<float> Slope(Vector256<float> raw, Vector256<float> mapped);
}
