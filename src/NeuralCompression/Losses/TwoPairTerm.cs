using System.Runtime.CompilerServices;
using NeuralCompression.Vectors;

namespace NeuralCompression;

/// <summary><see cref="GradientCoefficients"/> on vectors, with another pair beyond the critical magnitude.</summary>
internal readonly struct TwoPairTerm(GradientCoefficients coefficients) : ITermVectors
{
    private readonly float _innerSign = (float)coefficients.InnerSign;
    private readonly float _innerPull = (float)coefficients.InnerWeight;
    private readonly float _outerSign = (float)coefficients.OuterSign;
    private readonly float _outerPull = (float)coefficients.OuterWeight;
    private readonly float _critical = (float)coefficients.Critical;

    public static bool Exists => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Gradient<TVector>(TVector mapped, ref float stored, nuint index)
        where TVector : struct, IFloatVector<TVector>
    {
        var negative = mapped & TVector.Create(-0f);
        var inner = (TVector.Create(_innerSign) ^ negative) - (mapped * TVector.Create(_innerPull));
        var outer = (TVector.Create(_outerSign) ^ negative) - (mapped * TVector.Create(_outerPull));
        var gradient = TVector.Select(TVector.AreLess(TVector.Create(_critical), TVector.Abs(mapped)), outer, inner);
        return TVector.Clear(gradient, TVector.AreEqual(mapped, TVector.Create(0)));
    }
}
