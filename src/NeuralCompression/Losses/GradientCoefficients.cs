using System.Numerics;

namespace NeuralCompression;

/// <summary>
/// The gradient of the compression term over one group: s · sign(w) − r · w, with one pair (s, r) up to a critical magnitude and another beyond it. Zero at a zero weight.
/// </summary>
internal readonly record struct GradientCoefficients(double InnerSign, double InnerWeight, double OuterSign, double OuterWeight, double Critical)
{
    public static GradientCoefficients operator +(GradientCoefficients left, GradientCoefficients right) => new(
        left.InnerSign + right.InnerSign,
        left.InnerWeight + right.InnerWeight,
        left.OuterSign + right.OuterSign,
        left.OuterWeight + right.OuterWeight,
        Math.Min(left.Critical, right.Critical));

    /// <summary>The same pair at every magnitude.</summary>
    public static GradientCoefficients Everywhere(double sign, double weight) => new(sign, weight, sign, weight, double.PositiveInfinity);

    /// <summary>Writes the gradient.</summary>
    public void Write<T>(ReadOnlySpan<T> weights, Span<T> gradient)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var innerSign = T.CreateTruncating(InnerSign);
        var innerWeight = T.CreateTruncating(InnerWeight);
        var outerSign = T.CreateTruncating(OuterSign);
        var outerWeight = T.CreateTruncating(OuterWeight);
        var critical = T.CreateTruncating(Critical);
        int i = 0;
        if (Vector<T>.IsSupported && weights.Length >= Vector<T>.Count)
        {
            var signBit = new Vector<T>(T.NegativeZero);
            var vInnerSign = new Vector<T>(innerSign);
            var vInnerWeight = new Vector<T>(innerWeight);
            var vOuterSign = new Vector<T>(outerSign);
            var vOuterWeight = new Vector<T>(outerWeight);
            var vCritical = new Vector<T>(critical);
            for (; i <= weights.Length - Vector<T>.Count; i += Vector<T>.Count)
            {
                var w = new Vector<T>(weights[i..]);
                var negative = w & signBit;
                var inner = (vInnerSign ^ negative) - (w * vInnerWeight);
                var outer = (vOuterSign ^ negative) - (w * vOuterWeight);
                var value = Vector.ConditionalSelect(Vector.GreaterThan(Vector.Abs(w), vCritical), outer, inner);
                Vector.AndNot(value, Vector.Equals(w, Vector<T>.Zero)).CopyTo(gradient[i..]);
            }
        }

        for (; i < weights.Length; i++)
        {
            var w = weights[i];
            bool beyond = T.Abs(w) > critical;
            var sign = beyond ? outerSign : innerSign;
            var pull = w * (beyond ? outerWeight : innerWeight);
            gradient[i] = w == T.Zero ? T.Zero : (w < T.Zero ? -sign : sign) - pull;
        }
    }
}
