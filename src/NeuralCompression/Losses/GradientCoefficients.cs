using System.Numerics;
using System.Runtime.InteropServices;

namespace NeuralCompression;

/// <summary>
/// The gradient of the compression term over one group: p · sign(w) − r · w, with one pair (p, r) up to a critical magnitude and another beyond it. Zero at a zero weight. With a strength s for every weight, p and the critical
/// magnitude are s times as large.
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
    /// <param name="weights">The weights.</param>
    /// <param name="strengths">One for each weight, or none where all are 1.</param>
    /// <param name="gradient">Receives the gradient.</param>
    public void Write<T>(ReadOnlySpan<T> weights, ReadOnlySpan<T> strengths, Span<T> gradient)
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
            ref T weight = ref MemoryMarshal.GetReference(weights);
            ref T target = ref MemoryMarshal.GetReference(gradient[..weights.Length]);
            var signBit = new Vector<T>(T.NegativeZero);
            var vInnerSign = new Vector<T>(innerSign);
            var vInnerWeight = new Vector<T>(innerWeight);
            if (strengths.IsEmpty && double.IsPositiveInfinity(Critical))
            {
                // One pair everywhere.
                for (; i <= weights.Length - Vector<T>.Count; i += Vector<T>.Count)
                {
                    var w = Vector.LoadUnsafe(ref weight, (nuint)i);
                    var value = (vInnerSign ^ (w & signBit)) - (w * vInnerWeight);
                    Vector.AndNot(value, Vector.Equals(w, Vector<T>.Zero)).StoreUnsafe(ref target, (nuint)i);
                }
            }

            var vOuterSign = new Vector<T>(outerSign);
            var vOuterWeight = new Vector<T>(outerWeight);
            var vCritical = new Vector<T>(critical);
            for (; i <= weights.Length - Vector<T>.Count; i += Vector<T>.Count)
            {
                var w = Vector.LoadUnsafe(ref weight, (nuint)i);
                var negative = w & signBit;
                var strength = strengths.IsEmpty ? Vector<T>.One : new Vector<T>(strengths[i..]);
                var inner = ((vInnerSign ^ negative) * strength) - (w * vInnerWeight);
                var outer = ((vOuterSign ^ negative) * strength) - (w * vOuterWeight);

                // An infinite critical magnitude times a strength of zero is no number, which nothing is larger than.
                var value = Vector.ConditionalSelect(Vector.GreaterThan(Vector.Abs(w), vCritical * strength), outer, inner);
                Vector.AndNot(value, Vector.Equals(w, Vector<T>.Zero)).StoreUnsafe(ref target, (nuint)i);
            }
        }

        for (; i < weights.Length; i++)
        {
            var w = weights[i];
            var strength = strengths.IsEmpty ? T.One : strengths[i];
            bool beyond = T.Abs(w) > critical * strength;
            var sign = strength * (beyond ? outerSign : innerSign);
            var pull = w * (beyond ? outerWeight : innerWeight);
            gradient[i] = w == T.Zero ? T.Zero : (w < T.Zero ? -sign : sign) - pull;
        }
    }
}
