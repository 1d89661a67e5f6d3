using NeuralCompression.Vectors;

namespace NeuralCompression;

/// <summary>The gradient of the compression term for a vector of weights at a time, for passes that have them at hand. Implemented by structs: every pass is compiled for each of them, without a call.</summary>
internal interface ITermVectors
{
    /// <summary>Whether there is a term at all.</summary>
    public static abstract bool Exists { get; }

    /// <summary>The gradient by m.</summary>
    /// <param name="mapped">m(θ).</param>
    /// <param name="stored">Gradients computed before, for terms that are not a function of one weight alone.</param>
    /// <param name="index">Where the vector begins in them.</param>
    public TVector Gradient<TVector>(TVector mapped, ref float stored, nuint index)
        where TVector : struct, IFloatVector<TVector>;
}
