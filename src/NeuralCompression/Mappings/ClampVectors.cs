using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression;

/// <summary><see cref="ClampMapping"/> on vectors, for a lower limit below and an upper limit above zero.</summary>
internal readonly struct ClampVectors(float lower, float upper) : IVectorMapping
{
    public static bool SlopeReadsRaw => true;

    // With the limit first, what the processor does with NaN is to hand on the second. With zero for a limit the sign of a zero would depend on the order too.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Map(Vector256<float> raw) =>
        Vector256.MinNative(Vector256.Create(upper), Vector256.MaxNative(Vector256.Create(lower), raw));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Slope(Vector256<float> raw, Vector256<float> mapped) => Vector256.Equals(raw, mapped) & Vector256<float>.One;
}
