using NeuralCompression.Vectors;

namespace NeuralCompression;

/// <summary>No term.</summary>
internal readonly struct NoTerm : ITermVectors
{
    public static bool Exists => false;

    public TVector Gradient<TVector>(TVector mapped, ref float stored, nuint index)
        where TVector : struct, IFloatVector<TVector> => TVector.Create(0);
}
