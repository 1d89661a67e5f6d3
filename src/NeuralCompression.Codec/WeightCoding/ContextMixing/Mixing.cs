using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>What the mixers share: how weights learn, and how a mixed log-odds becomes a probability. Source: docs/format.md, section 5.6.4.</summary>
internal static class Mixing
{
    /// <summary>Weights of inputs at first, 2^16 being one, where there are six and where there are four. Log-odds of inputs are in 1/128 bit, mixed ones in 1/256 of a unit of the natural logarithm: 1.39 times as many.</summary>
    internal const int SixWeights = 13_000;
    internal const int FourWeights = 14_000;

    /// <summary>The pace of learning at first.</summary>
    internal const int StartPace = 147_456;

    /// <summary>Entries of a refinement table, one for each unit of mixed log-odds; of 32, 25 are used.</summary>
    internal const int RefineEntries = 1 << 5;

    private const int LeastPace = 1_418;
    private const int RefineBits = 8;
    private const int RefineStart = Counter.SeenOnce + (11 * Counter.CountStep);

    /// <summary>The error of a prediction times the pace of learning.</summary>
    internal static int Error(int difference, int pace) => ((difference * ((pace >> 4) + LeastPace)) + (1 << 11)) >> 12;

    /// <inheritdoc cref="Error(int, int)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<int> Error(Vector128<int> differences, Vector128<int> paces) =>
        Vector128.ShiftRightArithmetic((differences * (Vector128.ShiftRightLogical(paces, 4) + Vector128.Create(LeastPace))) + Vector128.Create(1 << 11), 12);

    /// <summary>How much slower learning becomes with a decision: the pace falls as 1 / (64 + decisions) does.</summary>
    internal static int Slowing(int pace) => ((pace >> 4) * pace) >> 19;

    /// <inheritdoc cref="Slowing(int)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<int> Slowing(Vector128<int> paces) => Vector128.ShiftRightLogical(Vector128.ShiftRightLogical(paces, 4) * paces, 19);

    /// <summary>How far a weight moves.</summary>
    internal static int Step(int logOdds, int error) => ((logOdds * error) + (1 << 13)) >> 14;

    /// <inheritdoc cref="Step(int, int)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> Step(Vector256<int> logOdds, Vector256<int> errors) => Vector256.ShiftRightArithmetic((logOdds * errors) + Vector256.Create(1 << 13), 14);

    /// <summary>The probability of a mixed log-odds + 3,072.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Expected(int mixed) => Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(Logistic.Squash), (nuint)(uint)mixed);

    /// <summary>Half of the expected probability, half of what a table has seen where the mix said this.</summary>
    /// <param name="mixed">The mixed log-odds + 3,072.</param>
    /// <param name="expected">Its probability.</param>
    /// <param name="table">The counters of the table.</param>
    /// <param name="place">The one that learns from the decision.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Refine(int mixed, int expected, ref int table, out int place)
    {
        int first = mixed >> RefineBits;
        uint part = (uint)mixed & ((1 << RefineBits) - 1);
        uint low = (uint)Unsafe.Add(ref table, (nuint)(uint)first) >> 16;
        uint high = (uint)Unsafe.Add(ref table, (nuint)(uint)(first + 1)) >> 16;
        uint seen = ((low << RefineBits) + ((high - low) * part)) >> RefineBits;
        place = first + (int)(part >> (RefineBits - 1));
        return (expected + (int)seen + 1) >> 1;
    }

    /// <summary>A table that has seen nothing but what the mix says.</summary>
    internal static void Clear(Span<int> table)
    {
        for (int i = 0; i < table.Length; i++)
            table[i] = (Logistic.Probability(Math.Clamp(((i % RefineEntries) << RefineBits) - Logistic.Limit - 1, -Logistic.Limit, Logistic.Limit)) << 16) | RefineStart;
    }
}
