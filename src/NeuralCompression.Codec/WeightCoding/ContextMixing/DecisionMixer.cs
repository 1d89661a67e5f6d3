using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Predicts one kind of decision: adaptive counters in six contexts, mixed in the logistic domain by the sum of two rows of weights, each chosen by a context, and refined by a table. Source: docs/format.md, section 5.6.</summary>
/// <remarks>The caller sets every context below the sizes given here; nothing is checked again where a decision is coded.</remarks>
internal sealed class DecisionMixer
{
    internal const int Inputs = 6;

    /// <summary>Inputs 1 and 2, which belong to one row and to one column, tell only so many nodes apart: they see few weights.</summary>
    internal const int FewNodes = 4;

    private const int CountBits = 10;
    private const uint CountMask = (1u << CountBits) - 1;
    private const int ProbabilityMask = (1 << 22) - 1;
    private const uint EvenOdds = 1u << 31;
    private const int SlowLimit = 1023;
    private const int Limit = 255;
    private const int InitialWeight = 5500;

    // The refinement table has one entry for each step of 1.0 in log-odds.
    private const int RefineStepBits = 8;
    private const int RefineEntries = 32;

    private readonly int nodes;
    private readonly int weightsB;
    private readonly uint[] counters;
    private readonly int[] weights;
    private readonly int[] visits;
    private readonly uint[] refine;
    private readonly int start1, start2, start3, start4, start5;
    private int context2, context3, context4, context5;
    private int setA, setB;

    /// <param name="nodes">Kinds of decision that share the contexts.</param>
    /// <param name="columns">Contexts of input 2.</param>
    /// <param name="size3">Contexts of input 3.</param>
    /// <param name="size4">Contexts of input 4.</param>
    /// <param name="size5">Contexts of input 5.</param>
    /// <param name="setsA">Contexts of the first set of weights and of the refinement.</param>
    /// <param name="setsB">Contexts of the second set of weights.</param>
    internal DecisionMixer(int nodes, int columns, int size3, int size4, int size5, int setsA, int setsB)
    {
        this.nodes = nodes;
        start1 = nodes;
        start2 = start1 + FewNodes;
        start3 = checked(start2 + (columns * FewNodes));
        start4 = start3 + (size3 * nodes);
        start5 = start4 + (size4 * nodes);
        counters = new uint[start5 + (size5 * nodes)];
        counters.AsSpan().Fill(EvenOdds);
        weightsB = setsA * nodes;
        weights = new int[(setsA + setsB) * nodes * MixingKernel.Lanes];
        for (int i = 0; i < weights.Length; i++)
            weights[i] = i % MixingKernel.Lanes < Inputs ? InitialWeight : 0;
        visits = new int[setsA * nodes];
        refine = new uint[setsA * nodes * RefineEntries];
        for (int i = 0; i < refine.Length; i++)
            refine[i] = ((uint)Logistic.Probability(Math.Clamp(((i % RefineEntries) << RefineStepBits) - 3072, -Logistic.Limit, Logistic.Limit)) << 16) | 6;
    }

    /// <summary>Sets the contexts of the next decisions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Select(int column, int third, int fourth, int fifth, int selectA, int selectB)
    {
        context2 = start2 + (column * FewNodes);
        context3 = start3 + (third * nodes);
        context4 = start4 + (fourth * nodes);
        context5 = start5 + (fifth * nodes);
        setA = selectA * nodes;
        setB = weightsB + (selectB * nodes);
    }

    /// <summary>Starts a row: its counters begin where those of the whole tensor are, with little confidence.</summary>
    internal void BeginRow()
    {
        for (int node = 0; node < FewNodes; node++)
            counters[start1 + node] = node < nodes ? (counters[node] & ~CountMask) | 1 : EvenOdds;
    }

    internal int Code<TCoder>(ref TCoder coder, int node, int bit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        ref uint table = ref MemoryMarshal.GetArrayDataReference(counters);
        int few = Math.Min(node, FewNodes - 1);
        ref uint counter0 = ref Unsafe.Add(ref table, (uint)node);
        ref uint counter1 = ref Unsafe.Add(ref table, (uint)(start1 + few));
        ref uint counter2 = ref Unsafe.Add(ref table, (uint)(context2 + few));
        ref uint counter3 = ref Unsafe.Add(ref table, (uint)(context3 + node));
        ref uint counter4 = ref Unsafe.Add(ref table, (uint)(context4 + node));
        ref uint counter5 = ref Unsafe.Add(ref table, (uint)(context5 + node));
        ref int tables = ref MemoryMarshal.GetArrayDataReference(Logistic.Tables);
        Vector256<int> logOdds = Vector256.Create(
            Unsafe.Add(ref tables, counter0 >> 20),
            Unsafe.Add(ref tables, counter1 >> 20),
            Unsafe.Add(ref tables, counter2 >> 20),
            Unsafe.Add(ref tables, counter3 >> 20),
            Unsafe.Add(ref tables, counter4 >> 20),
            Unsafe.Add(ref tables, counter5 >> 20),
            0,
            0);

        int a = setA + node;
        ref int rows = ref MemoryMarshal.GetArrayDataReference(weights);
        ref int rowA = ref Unsafe.Add(ref rows, (uint)(a * MixingKernel.Lanes));
        ref int rowB = ref Unsafe.Add(ref rows, (uint)((setB + node) * MixingKernel.Lanes));
        int mixed = Math.Min(Math.Max(MixingKernel.Mix(logOdds, ref rowA, ref rowB), -Logistic.Limit), Logistic.Limit) + Logistic.Limit + 1;

        // Half of the mixed probability, half of what the table has seen where the mix said this.
        ref uint refined = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(refine), (uint)((a * RefineEntries) + (mixed >> RefineStepBits)));
        uint part = (uint)mixed & ((1 << RefineStepBits) - 1);
        uint seen = (((refined >> 16) * ((1 << RefineStepBits) - part)) + ((Unsafe.Add(ref refined, 1) >> 16) * part)) >> RefineStepBits;
        int expected = Unsafe.Add(ref tables, (uint)(mixed + Logistic.Squash));
        int probability = (expected + (int)seen + 1) >> 1;

        bit = coder.Code(bit, Math.Min(probability, ushort.MaxValue));

        ref int visit = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(visits), (uint)a);
        MixingKernel.Learn(logOdds, ref rowA, ref rowB, (bit << 16) - expected, Unsafe.Add(ref tables, (uint)(visit + Logistic.LearningRates)));
        visit = Math.Min(visit + 1, Logistic.MaxVisits);
        ref int rates = ref Unsafe.Add(ref tables, Logistic.CounterRates);
        int target = -bit & ProbabilityMask;
        Move(ref counter0, ref rates, target, SlowLimit);
        Move(ref counter1, ref rates, target, Limit);
        Move(ref counter2, ref rates, target, Limit);
        Move(ref counter3, ref rates, target, Limit);
        Move(ref counter4, ref rates, target, Limit);
        Move(ref counter5, ref rates, target, Limit);
        Move(ref Unsafe.Add(ref refined, part >> (RefineStepBits - 1)), ref rates, target, SlowLimit);
        return bit;
    }

    /// <summary>Moves a counter towards a decision.</summary>
    internal static void Count(ref uint counter, int bit) => Move(ref counter, ref Logistic.Tables[Logistic.CounterRates], -bit & ProbabilityMask, Limit);

    // 22 bits of probability, moved by 1 / (count + 1.4), and 10 bits of count, up to a limit. Modulo 2^32, the sum comes out right.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move(ref uint counter, ref int rates, int target, int limit)
    {
        uint value = counter;
        uint count = value & CountMask;
        int step = ((target - (int)(value >> CountBits)) >> 3) * Unsafe.Add(ref rates, count);
        counter = value + ((uint)step & ~CountMask) + ((count - (uint)limit) >> 31);
    }
}
