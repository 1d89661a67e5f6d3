using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression;

/// <summary><see cref="TanhMapping"/> on vectors: c + h · tanh(θ / scale), and its slope s (1 − ((m − c) / h)²), which needs no second tanh.</summary>
internal readonly struct TanhVectors(float scale, float halfWidth, float center, float steepness, float inverseHalfWidth) : IVectorMapping
{
    public static bool SlopeReadsRaw => false;

    // By a power of two, as the scale of limits -1 and 1, a product is the same number as a quotient, and there is a division less; 0 where it is not.
    private readonly float _inverseScale = float.IsPow2(scale) && float.IsNormal(1 / scale) ? 1 / scale : 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Map(Vector256<float> raw) =>
        (Tanh(_inverseScale != 0 ? raw * _inverseScale : raw / Vector256.Create(scale)) * halfWidth) + Vector256.Create(center);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Slope(Vector256<float> raw, Vector256<float> mapped)
    {
        var t = (mapped - Vector256.Create(center)) * inverseHalfWidth;
        return (Vector256<float>.One - (t * t)) * steepness;
    }

    // The minimax ratio of odd polynomials x (a1 + a3 x^2 + ... + a13 x^12) / (b0 + ... + b6 x^6) on [-7.9, 7.9], beyond which float32 knows only 1; as in Eigen and XLA. A few units in the last place; exact at 0, and x itself near it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Tanh(Vector256<float> x)
    {
        const float Edge = 7.90531110763549805f;
        const float Linear = 4e-4f;

        // What the native ones make of NaN and of zeros of two signs does not matter: neither reaches the end.
        var z = Vector256.MinNative(Vector256.MaxNative(x, Vector256.Create(-Edge)), Vector256.Create(Edge));
        var square = z * z;
        var p = Vector256.Create(-2.76076847742355e-16f);
        p = (p * square) + Vector256.Create(2.00018790482477e-13f);
        p = (p * square) + Vector256.Create(-8.60467152213735e-11f);
        p = (p * square) + Vector256.Create(5.12229709037114e-08f);
        p = (p * square) + Vector256.Create(1.48572235717979e-05f);
        p = (p * square) + Vector256.Create(6.37261928875436e-04f);
        p = (p * square) + Vector256.Create(4.89352455891786e-03f);
        var q = Vector256.Create(1.19825839466702e-06f);
        q = (q * square) + Vector256.Create(1.18534705686654e-04f);
        q = (q * square) + Vector256.Create(2.26843463243900e-03f);
        q = (q * square) + Vector256.Create(4.89352518554385e-03f);
        var ratio = Vector256.MinNative(Vector256.MaxNative(z * p / q, -Vector256<float>.One), Vector256<float>.One);

        // Comparisons with NaN are false; hence the last line.
        var result = Vector256.ConditionalSelect(Vector256.LessThan(Vector256.Abs(x), Vector256.Create(Linear)), x, ratio);
        return Vector256.ConditionalSelect(Vector256.Equals(x, x), result, x);
    }
}
