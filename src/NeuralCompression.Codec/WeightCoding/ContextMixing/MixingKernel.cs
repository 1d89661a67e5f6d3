using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>The two inner loops of mixing, scalar (the definition) and in vectors (equal to it, bit for bit). Source: docs/format.md, section 5.6.</summary>
internal static class MixingKernel
{
    /// <summary>Inputs of a mixer, the last three always zero: what a vector of 256 bits holds.</summary>
    internal const int Lanes = 8;

    private const int ProductShift = 8;
    private const int StepShift = 8;
    private const int RateShift = 12;

    /// <summary>The log-odds that two rows of weights, added, give to the inputs; not clamped. A weight of 1.0 is 2^16; all arithmetic is modulo 2^32.</summary>
    internal static int MixScalar(ReadOnlySpan<int> logOdds, ReadOnlySpan<int> rowA, ReadOnlySpan<int> rowB)
    {
        int sum = 0;
        for (int i = 0; i < Lanes; i++)
            sum += ((rowA[i] + rowB[i]) * logOdds[i]) >> ProductShift;
        return sum >> (16 - ProductShift);
    }

    /// <summary>Moves both rows along the gradient of the code length.</summary>
    internal static void LearnScalar(ReadOnlySpan<int> logOdds, Span<int> rowA, Span<int> rowB, int error, int rate)
    {
        for (int i = 0; i < Lanes; i++)
        {
            int step = ((logOdds[i] * error) + (1 << (StepShift - 1))) >> StepShift;
            step = ((step * rate) + (1 << (RateShift - 1))) >> RateShift;
            rowA[i] += step;
            rowB[i] += step;
        }
    }

    /// <inheritdoc cref="MixScalar"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Mix(Vector256<int> logOdds, ref int rowA, ref int rowB) =>
        Vector256.Sum(Vector256.ShiftRightArithmetic((Vector256.LoadUnsafe(ref rowA) + Vector256.LoadUnsafe(ref rowB)) * logOdds, ProductShift)) >> (16 - ProductShift);

    /// <inheritdoc cref="LearnScalar"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Learn(Vector256<int> logOdds, ref int rowA, ref int rowB, int error, int rate)
    {
        Vector256<int> step = Vector256.ShiftRightArithmetic((logOdds * error) + Vector256.Create(1 << (StepShift - 1)), StepShift);
        step = Vector256.ShiftRightArithmetic((step * rate) + Vector256.Create(1 << (RateShift - 1)), RateShift);
        (Vector256.LoadUnsafe(ref rowA) + step).StoreUnsafe(ref rowA);
        (Vector256.LoadUnsafe(ref rowB) + step).StoreUnsafe(ref rowB);
    }
}
