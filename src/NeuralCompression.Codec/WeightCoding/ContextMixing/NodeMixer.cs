using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Predicts up to four nodes of a magnitude at once, each "is it still larger?": adaptive counters in six contexts, mixed in the logistic domain. Source: docs/format.md, section 5.6.4.</summary>
/// <remarks>
/// A vector holds the four nodes of two contexts, so that a weight takes three vectors and no branch. Two weights, one of each strand, are predicted before either teaches: a processor works on both at once.
/// The caller keeps contexts in their ranges; nothing is checked again where a weight is coded.
/// </remarks>
internal sealed class NodeMixer
{
    internal const int Nodes = 4;

    internal const int Energies = 24;

    private const int Inputs = 6;
    private const int WeightsOfSet = Inputs * Nodes;

    /// <summary>Sets of weights: one for each 8 energies, moved by 3 so that the busiest have the fewest.</summary>
    private const int Sets = ((Energies + 2) >> 3) + 1;

    /// <summary>Thresholds of a strand: 65,536, those of four nodes, zeros.</summary>
    private const int Thresholds = 8;

    private const int Strands = 2;
    private const int Rows = Strands * Thresholds;
    private const int TypicalRow = Rows + (Strands * Nodes);
    private const int Columns = TypicalRow + Nodes;

    // Everything that is kept, in one array, so that one register reaches it.
    private readonly int[] table;
    private readonly int levels, neighbors, surroundings, sizes, weights, paces, refinement;
    private readonly int nodes;
    private readonly Vector128<int> present;

    /// <param name="nodes">Nodes that occur, 1 to 4.</param>
    /// <param name="columnCount">Contexts of the second input.</param>
    /// <param name="levelCount">Contexts of the third input.</param>
    /// <param name="neighborCount">Contexts of the fourth input.</param>
    /// <param name="surroundingCount">Contexts of the fifth input.</param>
    /// <param name="sizeCount">Contexts of the sixth input.</param>
    internal NodeMixer(int nodes, int columnCount, int levelCount, int neighborCount, int surroundingCount, int sizeCount)
    {
        this.nodes = nodes;
        present = Vector128.LessThan(Vector128.Create(0, 1, 2, 3), Vector128.Create(nodes));
        levels = Columns + (columnCount * Nodes);
        neighbors = levels + (levelCount * Nodes);
        surroundings = neighbors + (neighborCount * Nodes);
        sizes = surroundings + (surroundingCount * Nodes);
        weights = sizes + (sizeCount * Nodes);
        paces = weights + (Sets * WeightsOfSet);
        refinement = paces + (Sets * Nodes);
        table = new int[refinement + (Energies * Mixing.RefineEntries)];
        table[0] = table[Thresholds] = 1 << 16;
        table.AsSpan(Rows..weights).Fill(Counter.Fresh);
        table.AsSpan(weights..paces).Fill(Mixing.SixWeights);
        table.AsSpan(paces..refinement).Fill(Mixing.StartPace);
        Mixing.Clear(table.AsSpan(refinement));
    }

    /// <summary>Starts a row: its counters begin where rows have ended on average, with little confidence.</summary>
    internal void BeginRow(int strand)
    {
        ref int row = ref table[Rows + (strand * Nodes)];
        ref int typical = ref table[TypicalRow];
        Vector128<int> counters = Vector128.LoadUnsafe(ref row);
        Vector128<int> seen = Vector128.GreaterThan(counters & Vector128.Create(Counter.CountMask), Vector128.Create(Counter.SeenOnce));
        Vector128<int> ends = Vector128.ShiftRightLogical(counters, Counter.CountBits);
        Vector128<int> moved = Counter.Move(Vector128.LoadUnsafe(ref typical).ToVector256(), ends.ToVector256(), seen.ToVector256(), Counter.ShortLimit).GetLower();
        moved.StoreUnsafe(ref typical);
        ((moved & Vector128.Create(~Counter.CountMask)) | Vector128.Create(Counter.SeenOnce)).StoreUnsafe(ref row);
    }

    /// <summary>Codes how many of the nodes, from the first on, are one.</summary>
    /// <param name="coder">Writes, reads or prices.</param>
    /// <param name="strand">0 or 1.</param>
    /// <param name="contexts">Where the weight stands.</param>
    /// <param name="ones">The number, or more than there are nodes; ignored when decoding.</param>
    internal int Code<TCoder>(ref TCoder coder, int strand, in Contexts contexts, int ones)
        where TCoder : struct, INodeCoder, allows ref struct
    {
        Predict(strand, contexts, out Prediction prediction);
        ones = Decide(ref coder, strand, ones);
        Learn(prediction, ones);
        return ones;
    }

    /// <summary>The first part of <see cref="Code"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Predict(int strand, in Contexts contexts, out Prediction prediction)
    {
        ref int start = ref MemoryMarshal.GetArrayDataReference(table);
        prediction.Row = (nuint)(uint)(Rows + (strand * Nodes));
        prediction.Column = (nuint)(uint)(Columns + (contexts.Column * Nodes));
        prediction.Levels = (nuint)(uint)(levels + (contexts.Levels * Nodes));
        prediction.Neighbors = (nuint)(uint)(neighbors + (contexts.Neighbors * Nodes));
        prediction.Surroundings = (nuint)(uint)(surroundings + (contexts.Surroundings * Nodes));
        prediction.Sizes = (nuint)(uint)(sizes + (contexts.Sizes * Nodes));
        int set = (contexts.Energy + 3) >> 3;
        prediction.Weights = (nuint)(uint)(weights + (set * WeightsOfSet));
        prediction.Paces = (nuint)(uint)(paces + (set * Nodes));
        prediction.LogOdds01 = Counter.Stretch(Pair(ref start, prediction.Row, prediction.Column));
        prediction.LogOdds23 = Counter.Stretch(Pair(ref start, prediction.Levels, prediction.Neighbors));
        prediction.LogOdds45 = Counter.Stretch(Pair(ref start, prediction.Surroundings, prediction.Sizes));
        Vector256<int> sums = (Vector256.LoadUnsafe(ref start, prediction.Weights) * prediction.LogOdds01)
            + (Vector256.LoadUnsafe(ref start, prediction.Weights + (2 * Nodes)) * prediction.LogOdds23)
            + (Vector256.LoadUnsafe(ref start, prediction.Weights + (4 * Nodes)) * prediction.LogOdds45);
        Vector128<int> mixed = Vector128.ShiftRightArithmetic(sums.GetLower() + sums.GetUpper(), 16);
        mixed = Vector128.Max(Vector128.Min(mixed, Vector128.Create(Logistic.Limit)), Vector128.Create(-Logistic.Limit)) + Vector128.Create(Logistic.Limit + 1);

        int refine = refinement + (contexts.Energy * Mixing.RefineEntries);
        int p0 = Mixing.Expected(mixed[0]);
        int refined = Mixing.Refine(mixed[0], p0, ref Unsafe.Add(ref start, (nuint)(uint)refine), out int place);
        prediction.Refined = (nuint)(uint)(refine + place);

        // The shares of 1, 2, 3 and 4 ones and more. Each answer keeps at least one of the 65,536 slots.
        int t1 = (int)((uint)((65_536 - 4) * refined) >> 16) + 4;
        int p1 = 0, p2 = 0, p3 = 0, t2 = 0, t3 = 0, t4 = 0;
        if (nodes > 1)
        {
            p1 = Mixing.Expected(mixed[1]);
            p2 = Mixing.Expected(mixed[2]);
            p3 = Mixing.Expected(mixed[3]);
            t2 = (int)((uint)((t1 - 3) * p1) >> 16) + 3;
            t3 = (int)((uint)((t2 - 2) * p2) >> 16) + 2;
            t4 = (int)((uint)((t3 - 1) * p3) >> 16) + 1;
        }

        prediction.Expected = Vector128.Create(p0, p1, p2, p3);
        (Vector128.Create(t1, t2, t3, t4) & present).StoreUnsafe(ref start, (nuint)(uint)((strand * Thresholds) + 1));
    }

    /// <summary>The second part of <see cref="Code"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal int Decide<TCoder>(ref TCoder coder, int strand, int ones)
        where TCoder : struct, INodeCoder, allows ref struct =>
        coder.Code(Math.Min(ones, nodes), ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(table), (nuint)(uint)(strand * Thresholds)));

    /// <summary>The third part of <see cref="Code"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Learn(in Prediction prediction, int ones)
    {
        ref int start = ref MemoryMarshal.GetArrayDataReference(table);
        Vector128<int> answer = Vector128.Create(ones);
        Vector128<int> isOne = Vector128.GreaterThan(answer, Vector128.Create(0, 1, 2, 3));
        Vector128<int> seen = Vector128.GreaterThan(answer, Vector128.Create(-1, 0, 1, 2)) & present;

        Vector128<int> pace = Vector128.LoadUnsafe(ref start, prediction.Paces);
        Vector128<int> error = Mixing.Error(((isOne & Vector128.Create(65_536)) - prediction.Expected) & seen, pace);
        (pace - (Mixing.Slowing(pace) & seen)).StoreUnsafe(ref start, prediction.Paces);
        Vector256<int> errors = Vector256.Create(error, error);
        ref int row = ref Unsafe.Add(ref start, prediction.Weights);
        (Vector256.LoadUnsafe(ref row) + Mixing.Step(prediction.LogOdds01, errors)).StoreUnsafe(ref row);
        (Vector256.LoadUnsafe(ref row, 2 * Nodes) + Mixing.Step(prediction.LogOdds23, errors)).StoreUnsafe(ref row, 2 * Nodes);
        (Vector256.LoadUnsafe(ref row, 4 * Nodes) + Mixing.Step(prediction.LogOdds45, errors)).StoreUnsafe(ref row, 4 * Nodes);

        Vector128<int> target = (isOne & Vector128.Create(Counter.High - Counter.Low)) + Vector128.Create(Counter.Low);
        Vector256<int> targets = Vector256.Create(target, target);
        Vector256<int> mask = Vector256.Create(seen, seen);
        Move(ref start, prediction.Row, prediction.Column, targets, mask);
        Move(ref start, prediction.Levels, prediction.Neighbors, targets, mask);
        Move(ref start, prediction.Surroundings, prediction.Sizes, targets, mask);
        Counter.Move(ref Unsafe.Add(ref start, prediction.Refined), -ones >>> 31, Counter.LongLimit);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Pair(ref int start, nuint a, nuint b) => Vector256.Create(Vector128.LoadUnsafe(ref start, a), Vector128.LoadUnsafe(ref start, b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move(ref int start, nuint a, nuint b, Vector256<int> targets, Vector256<int> mask)
    {
        Vector256<int> moved = Counter.Move(Pair(ref start, a, b), targets, mask, Counter.Limit);
        moved.GetLower().StoreUnsafe(ref start, a);
        moved.GetUpper().StoreUnsafe(ref start, b);
    }

    /// <summary>What <see cref="Learn"/> needs of what <see cref="Predict"/> found: places in the table, the log-odds of the inputs, and the probabilities of the nodes.</summary>
    internal struct Prediction
    {
        internal nuint Row, Column, Levels, Neighbors, Surroundings, Sizes, Weights, Paces, Refined;
        internal Vector256<int> LogOdds01, LogOdds23, LogOdds45;
        internal Vector128<int> Expected;
    }
}
