using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>The two inner loops of mixing, scalar (the definition) and in vectors (equal to it, bit for bit). Source: docs/format.md, section 5.6.</summary>
internal static class MixingKernel
{
    /// <summary>Inputs of a mixer, the last two always zero: what a vector of 256 bits holds.</summary>
    internal const int Lanes = 8;

    /// <summary>A weight of 1.0 is 2^16; they stay within +-8.</summary>
    internal const int WeightLimit = (1 << 19) - 1;

    private const int ProductShift = 8;
    private const int StepShift = 8;
    private const int RateShift = 12;

    /// <summary>The mixed log-odds of one set of weights.</summary>
    internal static int MixScalar(ReadOnlySpan<int> logOdds, ReadOnlySpan<int> weights)
    {
        int sum = 0;
        for (int i = 0; i < Lanes; i++)
            sum += (weights[i] * logOdds[i]) >> ProductShift;
        return Math.Clamp(sum >> (16 - ProductShift), -Logistic.Limit, Logistic.Limit);
    }

    /// <summary>Moves weights along the gradient of the code length.</summary>
    internal static void LearnScalar(ReadOnlySpan<int> logOdds, Span<int> weights, int error, int rate)
    {
        for (int i = 0; i < Lanes; i++)
        {
            int step = ((logOdds[i] * error) + (1 << (StepShift - 1))) >> StepShift;
            int moved = weights[i] + (((step * rate) + (1 << (RateShift - 1))) >> RateShift);
            weights[i] = Math.Clamp(moved, -WeightLimit, WeightLimit);
        }
    }

    /// <inheritdoc cref="MixScalar"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Mix(Vector256<int> logOdds, ref int weights)
    {
        int sum = Vector256.Sum(Vector256.ShiftRightArithmetic(Vector256.LoadUnsafe(ref weights) * logOdds, ProductShift)) >> (16 - ProductShift);
        return Math.Min(Math.Max(sum, -Logistic.Limit), Logistic.Limit);
    }

    /// <inheritdoc cref="LearnScalar"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Learn(Vector256<int> logOdds, ref int weights, int error, int rate)
    {
        Vector256<int> step = Vector256.ShiftRightArithmetic((logOdds * error) + Vector256.Create(1 << (StepShift - 1)), StepShift);
        Vector256<int> moved = Vector256.LoadUnsafe(ref weights) + Vector256.ShiftRightArithmetic((step * rate) + Vector256.Create(1 << (RateShift - 1)), RateShift);
        Vector256.Min(Vector256.Max(moved, Vector256.Create(-WeightLimit)), Vector256.Create(WeightLimit)).StoreUnsafe(ref weights);
    }
}
