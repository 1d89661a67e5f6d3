using System.Runtime.CompilerServices;
using NeuralCompression.Vectors;

namespace NeuralCompression;

/// <summary>A term computed before.</summary>
internal readonly struct StoredTerm : ITermVectors
{
    public static bool Exists => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Gradient<TVector>(TVector mapped, ref float stored, nuint index)
        where TVector : struct, IFloatVector<TVector> => TVector.Load(ref stored, index);
}
