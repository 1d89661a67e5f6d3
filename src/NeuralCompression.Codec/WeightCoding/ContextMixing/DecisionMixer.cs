using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Predicts one kind of decision: adaptive counters in up to eight contexts, mixed in the logistic domain by two sets of weights and refined by two tables. Source: docs/format.md, section 5.6.</summary>
internal sealed class DecisionMixer
{
    /// <summary>Counters of a decision; what a vector of 256 bits holds.</summary>
    internal const int Inputs = 8;

    // A counter: 22 bits of probability, 10 bits of count.
    private const int CountBits = 10;
    private const uint CountMask = (1u << CountBits) - 1;
    private const uint EvenOdds = 1u << 31;

    private const int WeightLimit = (1 << 19) - 1;
    private const int InitialWeight = 9000;

    // Refinement tables: one entry for each step of 1.0 in log-odds.
    private const int RefineStepBits = 8;
    private const int RefineEntries = 25;

    private static readonly int[] LearningRates = BuildLearningRates();

    private readonly int nodes;
    private readonly int setsA;
    private readonly uint[] counters;
    private readonly int[] starts = new int[Inputs];
    private readonly int[] limits;
    private readonly int[] weights;
    private readonly ushort[] visits;
    private readonly uint[] refine;
    private readonly int[] contexts = new int[Inputs];
    private int setA;
    private int setB;

    /// <param name="nodes">Kinds of decision that share the contexts.</param>
    /// <param name="sizes">The number of contexts of every input; 0 for an input that is not used.</param>
    /// <param name="limits">The count at which a counter of the input stops slowing down; at most 1023.</param>
    /// <param name="setsA">Contexts of the first set of weights.</param>
    /// <param name="setsB">Contexts of the second set of weights.</param>
    internal DecisionMixer(int nodes, ReadOnlySpan<int> sizes, ReadOnlySpan<int> limits, int setsA, int setsB)
    {
        this.nodes = nodes;
        this.setsA = setsA;
        this.limits = limits.ToArray();
        int total = 0;
        for (int i = 0; i < Inputs; i++)
        {
            starts[i] = total;
            total = checked(total + (Math.Max(sizes[i], 1) * nodes));
        }

        counters = new uint[total];
        counters.AsSpan().Fill(EvenOdds);
        weights = new int[(setsA + setsB) * nodes * Inputs];
        for (int i = 0; i < weights.Length; i++)
            weights[i] = sizes[i % Inputs] > 0 ? InitialWeight : 0;
        visits = new ushort[(setsA + setsB) * nodes];
        refine = new uint[(setsA + setsB) * nodes * RefineEntries];
        for (int i = 0; i < refine.Length; i++)
            refine[i] = ((uint)Logistic.Squash(Math.Clamp(((i % RefineEntries) << RefineStepBits) - 3072, -Logistic.Limit, Logistic.Limit)) << 16) | 6;
    }

    internal void Select(int contextA, int contextB)
    {
        setA = contextA * nodes;
        setB = (setsA + contextB) * nodes;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void SetContext(int input, int context) => contexts[input] = starts[input] + (context * nodes);

    /// <summary>Starts the counters of a context from those of another input, with the given confidence.</summary>
    internal void Reset(int input, int context, int fromInput, uint count)
    {
        for (int node = 0; node < nodes; node++)
            counters[starts[input] + (context * nodes) + node] = (counters[starts[fromInput] + node] & ~CountMask) | count;
    }

    internal int Code<TCoder>(ref TCoder coder, int node, int bit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        Span<int> logOdds = stackalloc int[Inputs];
        for (int i = 0; i < Inputs; i++)
            logOdds[i] = Logistic.StretchTable[counters[contexts[i] + node] >> 20];

        int a = setA + node;
        int b = setB + node;
        int mixedA = Dot(logOdds, a);
        int mixedB = Dot(logOdds, b);
        int mixed = (mixedA + mixedB) >> 1;

        int place = mixed + Logistic.Limit + 1;
        int step = place >> RefineStepBits;
        int part = place & ((1 << RefineStepBits) - 1);
        ref uint refineA = ref refine[(a * RefineEntries) + step];
        ref uint refineB = ref refine[(b * RefineEntries) + step];
        int refined = Refined(ref refineA, part) + Refined(ref refineB, part);
        int probability = Math.Clamp(((2 * Logistic.Squash(mixed)) + refined) >> 2, 1, ushort.MaxValue);

        bit = coder.Code(bit, probability);

        Learn(logOdds, a, (bit << 16) - Logistic.Squash(mixedA));
        Learn(logOdds, b, (bit << 16) - Logistic.Squash(mixedB));
        for (int i = 0; i < Inputs; i++)
            Count(ref counters[contexts[i] + node], bit, limits[i]);
        int nearest = part >> (RefineStepBits - 1);
        Count(ref Unsafe.Add(ref refineA, nearest), bit, 1023);
        Count(ref Unsafe.Add(ref refineB, nearest), bit, 1023);
        return bit;
    }

    internal static void Count(ref uint counter, int bit, int limit)
    {
        int count = (int)(counter & CountMask);
        int probability = (int)(counter >> CountBits);
        int target = -bit & ((1 << 22) - 1);
        probability += (int)(((long)(target - probability) * Logistic.RateTable[count]) >> 16);
        counter = ((uint)probability << CountBits) | (uint)(count < limit ? count + 1 : count);
    }

    private static int Refined(ref uint entry, int part)
    {
        uint low = entry >> 16;
        uint high = Unsafe.Add(ref entry, 1) >> 16;
        return (int)(((low * (uint)((1 << RefineStepBits) - part)) + (high * (uint)part)) >> RefineStepBits);
    }

    private int Dot(ReadOnlySpan<int> logOdds, int set)
    {
        ReadOnlySpan<int> row = weights.AsSpan(set * Inputs, Inputs);
        int sum = 0;
        for (int i = 0; i < Inputs; i++)
            sum += (row[i] * logOdds[i]) >> 8;
        return Math.Clamp(sum >> 8, -Logistic.Limit, Logistic.Limit);
    }

    private void Learn(ReadOnlySpan<int> logOdds, int set, int error)
    {
        ref ushort visit = ref visits[set];
        int rate = LearningRates[visit];
        if (visit < LearningRates.Length - 1)
            visit++;
        Span<int> row = weights.AsSpan(set * Inputs, Inputs);
        for (int i = 0; i < Inputs; i++)
        {
            int step = ((logOdds[i] * error) + (1 << 7)) >> 8;
            row[i] = Math.Clamp(row[i] + (((step * rate) + (1 << 11)) >> 12), -WeightLimit, WeightLimit);
        }
    }

    // 27/2^18 at first, towards 3/2^18; in quarters.
    private static int[] BuildLearningRates()
    {
        var rates = new int[4096];
        for (int n = 0; n < rates.Length; n++)
            rates[n] = 12 + (96 * 1024 / (1024 + (16 * n)));
        return rates;
    }
}
