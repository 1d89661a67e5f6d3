using System.Runtime.CompilerServices;
using NeuralCompression.Vectors;

namespace NeuralCompression;

/// <summary><see cref="TanhMapping"/> on vectors: c + h · tanh(θ / scale), and its slope s (1 − ((m − c) / h)²), which needs no second tanh.</summary>
internal readonly struct TanhVectors(float scale, float halfWidth, float center, float steepness, float inverseHalfWidth) : IVectorMapping
{
    public static bool SlopeReadsRaw => false;

    public static bool MapsCheaply => false;

    // By a power of two, as the scale of limits -1 and 1, a product is the same number as a quotient, and there is a division less; 0 where it is not.
    private readonly float _inverseScale = float.IsPow2(scale) && float.IsNormal(1 / scale) ? 1 / scale : 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Map<TVector>(TVector raw)
        where TVector : struct, IFloatVector<TVector> =>
        (Tanh(_inverseScale != 0 ? raw * TVector.Create(_inverseScale) : raw / TVector.Create(scale)) * TVector.Create(halfWidth)) + TVector.Create(center);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Slope<TVector>(TVector raw, TVector mapped)
        where TVector : struct, IFloatVector<TVector>
    {
        var t = (mapped - TVector.Create(center)) * TVector.Create(inverseHalfWidth);
        return (TVector.Create(1) - (t * t)) * TVector.Create(steepness);
    }

    // The minimax ratio of odd polynomials x (a1 + a3 x^2 + ... + a13 x^12) / (b0 + ... + b6 x^6) on [-7.9, 7.9], beyond which float32 knows only 1; as in Eigen and XLA. A few units in the last place; exact at 0, and x itself near it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Tanh<TVector>(TVector x)
        where TVector : struct, IFloatVector<TVector>
    {
        const float Edge = 7.90531110763549805f;
        const float Linear = 4e-4f;

        // What the native ones make of NaN and of zeros of two signs does not matter: neither reaches the end.
        var z = TVector.MinNative(TVector.MaxNative(x, TVector.Create(-Edge)), TVector.Create(Edge));
        var square = z * z;
        var p = TVector.Create(-2.76076847742355e-16f);
        p = (p * square) + TVector.Create(2.00018790482477e-13f);
        p = (p * square) + TVector.Create(-8.60467152213735e-11f);
        p = (p * square) + TVector.Create(5.12229709037114e-08f);
        p = (p * square) + TVector.Create(1.48572235717979e-05f);
        p = (p * square) + TVector.Create(6.37261928875436e-04f);
        p = (p * square) + TVector.Create(4.89352455891786e-03f);
        var q = TVector.Create(1.19825839466702e-06f);
        q = (q * square) + TVector.Create(1.18534705686654e-04f);
        q = (q * square) + TVector.Create(2.26843463243900e-03f);
        q = (q * square) + TVector.Create(4.89352518554385e-03f);
        var ratio = TVector.MinNative(TVector.MaxNative(z * p / q, TVector.Create(-1)), TVector.Create(1));

        // Comparisons with NaN are false; hence the last line.
        var result = TVector.Select(TVector.AreLess(TVector.Abs(x), TVector.Create(Linear)), x, ratio);
        return TVector.Select(TVector.AreEqual(x, x), result, x);
    }
}
