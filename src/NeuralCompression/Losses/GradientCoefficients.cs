using System.Numerics;
using System.Runtime.CompilerServices;
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

    /// <summary>Whether one pair holds at every magnitude.</summary>
    public bool IsOnePair => double.IsPositiveInfinity(Critical);

    /// <summary>Adds the gradient times a factor, in one pass; for <see cref="IsOnePair"/> and strengths of 1.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="factor">The factor.</param>
    /// <param name="target">What is added to.</param>
    /// <returns>How many weights were handled: as many as fill whole vectors.</returns>
    public int Add<T>(ReadOnlySpan<T> weights, T factor, Span<T> target)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        ref T weight = ref MemoryMarshal.GetReference(weights);
        ref T sum = ref MemoryMarshal.GetReference(target[..weights.Length]);
        var sign = new Vector<T>(T.CreateTruncating(InnerSign));
        var pull = new Vector<T>(T.CreateTruncating(InnerWeight));
        var scale = new Vector<T>(factor);
        int i = 0;
        for (; i <= weights.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            var gradient = OnePair(Vector.LoadUnsafe(ref weight, (nuint)i), sign, pull);
            ((gradient * scale) + Vector.LoadUnsafe(ref sum, (nuint)i)).StoreUnsafe(ref sum, (nuint)i);
        }

        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<T> OnePair<T>(Vector<T> weight, Vector<T> sign, Vector<T> pull)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        Vector.AndNot((sign ^ (weight & new Vector<T>(T.NegativeZero))) - (weight * pull), Vector.Equals(weight, Vector<T>.Zero));

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
            if (strengths.IsEmpty && IsOnePair)
            {
                for (; i <= weights.Length - Vector<T>.Count; i += Vector<T>.Count)
                {
                    OnePair(Vector.LoadUnsafe(ref weight, (nuint)i), vInnerSign, vInnerWeight).StoreUnsafe(ref target, (nuint)i);
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
