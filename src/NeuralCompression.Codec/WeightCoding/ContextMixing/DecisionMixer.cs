using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Predicts one kind of decision: adaptive counters in five contexts, mixed in the logistic domain by the sum of two rows of weights, one chosen by a context and one for all, and refined by a table. Source: docs/format.md, section 5.6.</summary>
/// <remarks>The caller sets every context below the sizes given here; nothing is checked again where a decision is coded.</remarks>
internal sealed class DecisionMixer
{
    internal const int Inputs = 5;

    /// <summary>The inputs of the row and of the column tell only so many nodes apart: they see few weights.</summary>
    internal const int FewNodes = 4;

    private const int CountBits = 10;
    private const uint CountMask = (1u << CountBits) - 1;
    private const int ProbabilityMask = (1 << 22) - 1;
    private const int RateBits = 13;
    private const uint EvenOdds = 1u << 31;
    private const int SlowLimit = 1023;
    private const int Limit = 255;
    private const int RowLimit = 63;
    private const int InitialWeight = 6600;

    // The refinement table has one entry for each step of 1.0 in log-odds.
    private const int RefineStepBits = 8;
    private const int RefineEntries = 32;

    private readonly int nodes;
    private readonly int shared;
    private readonly uint[] counters;
    private readonly int[] weights;
    private readonly int[] visits;
    private readonly uint[] refine;
    private readonly uint[] typicalRow = new uint[FewNodes];
    private readonly int startColumn, startThird, startFourth, startFifth;
    private int contextColumn, contextThird, contextFourth, contextFifth;
    private int set;

    /// <param name="nodes">Kinds of decision that share the contexts.</param>
    /// <param name="columns">Contexts of the second input.</param>
    /// <param name="third">Contexts of the third input.</param>
    /// <param name="fourth">Contexts of the fourth input.</param>
    /// <param name="fifth">Contexts of the fifth input.</param>
    /// <param name="sets">Contexts of the weights and of the refinement.</param>
    internal DecisionMixer(int nodes, int columns, int third, int fourth, int fifth, int sets)
    {
        this.nodes = nodes;
        startColumn = FewNodes;
        startThird = checked(startColumn + (columns * FewNodes));
        startFourth = startThird + (third * nodes);
        startFifth = startFourth + (fourth * nodes);
        counters = new uint[startFifth + (fifth * nodes)];
        counters.AsSpan().Fill(EvenOdds);
        typicalRow.AsSpan().Fill(EvenOdds);
        shared = sets * nodes;
        weights = new int[(shared + nodes) * MixingKernel.Lanes];
        for (int i = 0; i < weights.Length; i++)
            weights[i] = i % MixingKernel.Lanes < Inputs ? InitialWeight : 0;
        visits = new int[shared];
        refine = new uint[shared * RefineEntries];
        for (int i = 0; i < refine.Length; i++)
            refine[i] = ((uint)Logistic.Probability(Math.Clamp(((i % RefineEntries) << RefineStepBits) - 3072, -Logistic.Limit, Logistic.Limit)) << 16) | 6;
    }

    /// <summary>Sets the contexts of the next decisions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Select(int column, int third, int fourth, int fifth, int select)
    {
        contextColumn = startColumn + (column * FewNodes);
        contextThird = startThird + (third * nodes);
        contextFourth = startFourth + (fourth * nodes);
        contextFifth = startFifth + (fifth * nodes);
        set = select * nodes;
    }

    /// <summary>Starts a row: its counters begin where rows have ended on average, with little confidence.</summary>
    internal void BeginRow()
    {
        ref short rates = ref Logistic.Tables[Logistic.CounterRates];
        for (int node = 0; node < FewNodes; node++)
        {
            ref uint counter = ref counters[node];
            ref uint typical = ref typicalRow[node];
            if ((counter & CountMask) > 1)
                Move(ref typical, ref rates, (int)(counter >> CountBits), RowLimit);
            counter = (typical & ~CountMask) | 1;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal int Code<TCoder>(ref TCoder coder, int node, int bit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        ref uint table = ref MemoryMarshal.GetArrayDataReference(counters);
        int few = Math.Min(node, FewNodes - 1);
        ref uint counter0 = ref Unsafe.Add(ref table, (uint)few);
        ref uint counter1 = ref Unsafe.Add(ref table, (uint)(contextColumn + few));
        ref uint counter2 = ref Unsafe.Add(ref table, (uint)(contextThird + node));
        ref uint counter3 = ref Unsafe.Add(ref table, (uint)(contextFourth + node));
        ref uint counter4 = ref Unsafe.Add(ref table, (uint)(contextFifth + node));
        ref short tables = ref MemoryMarshal.GetArrayDataReference(Logistic.Tables);
        Vector256<int> logOdds = Vector256.Create(
            Unsafe.Add(ref tables, counter0 >> 20),
            Unsafe.Add(ref tables, counter1 >> 20),
            Unsafe.Add(ref tables, counter2 >> 20),
            Unsafe.Add(ref tables, counter3 >> 20),
            Unsafe.Add(ref tables, counter4 >> 20),
            0,
            0,
            0);

        int a = set + node;
        ref int rows = ref MemoryMarshal.GetArrayDataReference(weights);
        ref int rowA = ref Unsafe.Add(ref rows, (uint)(a * MixingKernel.Lanes));
        ref int rowB = ref Unsafe.Add(ref rows, (uint)((shared + node) * MixingKernel.Lanes));
        int mixed = Math.Min(Math.Max(MixingKernel.Mix(logOdds, ref rowA, ref rowB), -Logistic.Limit), Logistic.Limit) + Logistic.Limit + 1;

        // Half of the mixed probability, half of what the table has seen where the mix said this.
        ref uint refined = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(refine), (uint)((a * RefineEntries) + (mixed >> RefineStepBits)));
        uint part = (uint)mixed & ((1 << RefineStepBits) - 1);
        uint seen = (((refined >> 16) * ((1 << RefineStepBits) - part)) + ((Unsafe.Add(ref refined, 1) >> 16) * part)) >> RefineStepBits;
        int expected = (ushort)Unsafe.Add(ref tables, (uint)(mixed + Logistic.Squash));
        int probability = (expected + (int)seen + 1) >> 1;

        bit = coder.Code(bit, Math.Min(probability, ushort.MaxValue));

        ref int visit = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(visits), (uint)a);
        MixingKernel.Learn(logOdds, ref rowA, ref rowB, (bit << 16) - expected, Unsafe.Add(ref tables, (uint)(visit + Logistic.LearningRates)));
        visit = Math.Min(visit + 1, Logistic.MaxVisits);
        ref short rates = ref Unsafe.Add(ref tables, Logistic.CounterRates);
        int target = -bit & ProbabilityMask;
        Move(ref counter0, ref rates, target, Limit);
        Move(ref counter1, ref rates, target, Limit);
        Move(ref counter2, ref rates, target, Limit);
        Move(ref counter3, ref rates, target, Limit);
        Move(ref counter4, ref rates, target, Limit);
        Move(ref Unsafe.Add(ref refined, part >> (RefineStepBits - 1)), ref rates, target, SlowLimit);
        return bit;
    }

    /// <summary>Moves a counter towards a decision.</summary>
    internal static void Count(ref uint counter, int bit) => Move(ref counter, ref Logistic.Tables[Logistic.CounterRates], -bit & ProbabilityMask, Limit);

    // 22 bits of probability, moved by 1 / (count + 1.4), and 10 bits of count, up to a limit. The product has up to 35 bits; rounded
    // down only once, it never goes past its target, so a probability never leaves its 22 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move(ref uint counter, ref short rates, int target, int limit)
    {
        uint value = counter;
        uint count = value & CountMask;
        long step = ((long)(target - (int)(value >> CountBits)) * Unsafe.Add(ref rates, count)) >> (RateBits - CountBits);
        counter = value + ((uint)step & ~CountMask) + ((count - (uint)limit) >> 31);
    }
}
