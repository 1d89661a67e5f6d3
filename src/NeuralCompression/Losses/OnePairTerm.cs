using System.Runtime.CompilerServices;
using NeuralCompression.Vectors;

namespace NeuralCompression;

/// <summary><see cref="GradientCoefficients"/> on vectors, where one pair holds at every magnitude: p · sign(m) − r · m.</summary>
internal readonly struct OnePairTerm(GradientCoefficients coefficients) : ITermVectors
{
    private readonly float _sign = (float)coefficients.InnerSign;
    private readonly float _pull = (float)coefficients.InnerWeight;

    public static bool Exists => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Gradient<TVector>(TVector mapped, ref float stored, nuint index)
        where TVector : struct, IFloatVector<TVector>
    {
        var gradient = (TVector.Create(_sign) ^ (mapped & TVector.Create(-0f))) - (mapped * TVector.Create(_pull));
        return TVector.Clear(gradient, TVector.AreEqual(mapped, TVector.Create(0)));
    }
}
