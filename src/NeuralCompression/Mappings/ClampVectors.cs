using System.Runtime.CompilerServices;
using NeuralCompression.Vectors;

namespace NeuralCompression;

/// <summary><see cref="ClampMapping"/> on vectors, for a lower limit below and an upper limit above zero.</summary>
internal readonly struct ClampVectors(float lower, float upper) : IVectorMapping
{
    public static bool SlopeReadsRaw => true;

    public static bool MapsCheaply => true;

    // With the limit first, what the processor does with NaN is to hand on the second. With zero for a limit the sign of a zero would depend on the order too.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Map<TVector>(TVector raw)
        where TVector : struct, IFloatVector<TVector> =>
        TVector.MinNative(TVector.Create(upper), TVector.MaxNative(TVector.Create(lower), raw));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Slope<TVector>(TVector raw, TVector mapped)
        where TVector : struct, IFloatVector<TVector> => TVector.AreEqual(raw, mapped) & TVector.Create(1);
}
