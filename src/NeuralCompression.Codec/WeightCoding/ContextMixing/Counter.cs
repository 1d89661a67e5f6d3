using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>An adaptive probability in 32 bits: 20 of probability of a one, above 12 that count. One at a time (the definition) and in vectors (equal to it, bit for bit). Source: docs/format.md, section 5.6.3.</summary>
/// <remarks>Logarithms and reciprocals are linear between powers of two, which is what the bits of a binary32 number give without a table: whole numbers below 2^24 convert exactly, so every machine gets the same.</remarks>
internal static class Counter
{
    /// <summary>Even odds, nothing counted.</summary>
    internal const int Fresh = (1 << (CountBits + ProbabilityBits - 1)) | CountStart;

    /// <summary>The count after one decision.</summary>
    internal const int SeenOnce = CountStart + CountStep;

    /// <summary>Counts at which a counter stops becoming slower: after 255, 63 and 1,020 decisions.</summary>
    internal const int Limit = CountStart + (255 * CountStep);
    internal const int ShortLimit = CountStart + (63 * CountStep);
    internal const int LongLimit = CountStart + (1020 * CountStep);

    /// <summary>What a decision adds to the count.</summary>
    internal const int CountStep = 4;

    internal const int CountBits = 12;
    internal const int CountMask = (1 << CountBits) - 1;

    /// <summary>Where zeros and ones move a probability to: what has a logarithm, as has what it lacks to one.</summary>
    internal const int Low = 1;
    internal const int High = ProbabilityMask - 1;

    /// <summary>Fraction bits of a rate.</summary>
    internal const int RateBits = 11;

    /// <summary>Rates by the number of decisions seen, up to 1,023.</summary>
    internal static readonly short[] Rates = [.. Enumerable.Range(0, 1024).Select(seen => (short)Rate(CountStart + (CountStep * seen)))];

    private const int ProbabilityBits = 20;
    private const int ProbabilityMask = (1 << ProbabilityBits) - 1;
    private const int CountStart = 6;
    private const int LogShift = 16;
    private const int FloatBias = 127;
    private const int FloatBits = 23;

    /// <summary>The log-odds in 1/128 of a bit.</summary>
    internal static int Stretch(int counter)
    {
        int p = (int)((uint)counter >> CountBits);
        return (Log(p) - Log(p ^ ProbabilityMask)) >> LogShift;
    }

    /// <inheritdoc cref="Stretch(int)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> Stretch(Vector256<int> counters)
    {
        Vector256<int> p = Vector256.ShiftRightLogical(counters, CountBits);
        return Vector256.ShiftRightArithmetic(Vector256.ConvertToSingle(p).AsInt32() - Vector256.ConvertToSingle(p ^ Vector256.Create(ProbabilityMask)).AsInt32(), LogShift);
    }

    /// <summary>The probability of a one in 1/65,536, 1 to 65,535.</summary>
    internal static int Probability(int counter) => Math.Max((int)((uint)counter >> (CountBits + ProbabilityBits - 16)), 1);

    /// <summary>Moves a counter towards a decision, if its count is below the limit more slowly the next time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Move(ref int counter, int bit, int limit)
    {
        // Rounded down only once, so that a probability never goes past its target.
        int count = counter & CountMask;
        int step = (Target(bit) - (int)((uint)counter >> CountBits)) * Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(Rates), (nuint)(uint)((count - CountStart) >> 2));
        counter += ((step + step) & ~CountMask) + ((count - limit) >> 31 & CountStep);
    }

    /// <summary>Moves those counters whose mask is -1 towards targets of their own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> Move(Vector256<int> counters, Vector256<int> targets, Vector256<int> mask, int limit)
    {
        Vector256<int> counts = counters & Vector256.Create(CountMask);
        Vector256<int> rates = Vector256.ConvertToInt32Native((Vector256.Create(ReciprocalBits) - Vector256.ConvertToSingle(counts).AsInt32()).AsSingle());
        Vector256<int> steps = (targets - Vector256.ShiftRightLogical(counters, CountBits)) * rates;
        return counters + ((((steps + steps) & Vector256.Create(~CountMask)) + (Vector256.LessThan(counts, Vector256.Create(limit)) & Vector256.Create(CountStep))) & mask);
    }

    internal static int Target(int bit) => (-bit & (High - Low)) + Low;

    // The bits of y minus those of x are about those of y / x, where y is the power of two that a rate is counted in, times CountStep.
    private const int ReciprocalBits = ((2 * FloatBias) + RateBits + 2) << FloatBits;

    // 2^RateBits / (n + 1.5) after n decisions, by a chord between powers of two: at most an eighth more.
    private static int Rate(int count)
    {
        int exponent = BitOperations.Log2((uint)count);
        return (int)(((3L << exponent) - count) << (RateBits + 2) >> ((2 * exponent) + 1));
    }

    // 2^23 (127 + log2), linear between powers of two.
    private static int Log(int value)
    {
        int exponent = BitOperations.Log2((uint)value);
        return ((FloatBias + exponent - 1) << FloatBits) + (value << (FloatBits - exponent));
    }
}
