using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>Contexts that share a table: sorted by mean magnitude, then neighbours in that order are merged while that saves more table than it costs text.</summary>
/// <remarks>
/// The distributions of weights differ by little but their scale, so contexts that should share a table are neighbours in this order: comparing neighbours takes the place of the search over all
/// pairs of contexts that Brotli and JPEG XL make.
/// </remarks>
internal sealed class TableClusters
{
    // What a table is expected to take, in quarter bits: its parameters, each symbol that occurs, which is written the finer the more often it occurs, and a run of symbols that do not.
    private const int TableQuarters = 24;
    private const int SymbolQuarters = 5;
    private const int MaxMantissaQuarters = 20;
    private const int GapQuarters = 20;

    // One part of the text in so many: what a further table must save, because it takes place in the cache of the decoder and time to lay out.
    private const int SpeedShift = 15;

    /// <summary>What a change of table in the map is expected to take.</summary>
    private const int MapQuarters = 40;

    private const int QuarterShift = FixedPointLog2.FractionBits - 2;

    private TableClusters(byte[] map, List<long[]> counts, long cost)
    {
        Map = map;
        Counts = counts;
        Cost = cost;
    }

    /// <summary>Tables by context; a context that does not occur has the table of the one before it.</summary>
    internal byte[] Map { get; }

    /// <summary>Counts of each table's symbols, smallest mean magnitude first; at least two symbols occur in each.</summary>
    internal List<long[]> Counts { get; }

    /// <summary>Text and tables, roughly; bits x 2^16.</summary>
    internal long Cost { get; }

    /// <summary>Finds tables for counts of symbols by context.</summary>
    /// <param name="counts">For each context <paramref name="alphabet"/> counts.</param>
    /// <param name="alphabet">Digits of the text.</param>
    /// <param name="zero">The digit of the symbol 0; outside the alphabet where that is.</param>
    /// <param name="most">Tables there may be.</param>
    internal static TableClusters Create(ReadOnlySpan<int> counts, int alphabet, int zero, int most)
    {
        var groups = new List<Group>();
        for (int context = 0; context < ClassifiedLayout.Contexts; context++)
        {
            ReadOnlySpan<int> own = counts.Slice(context * alphabet, alphabet);
            int first = own.IndexOfAnyExcept(0);
            if (first < 0)
                continue;
            var group = new Group { Counts = new long[alphabet], Contexts = [context], First = first, Last = own.LastIndexOfAnyExcept(0) };
            for (int digit = first; digit <= group.Last; digit++)
            {
                group.Counts[digit] = own[digit];
                group.Total += own[digit];
                group.Magnitude += own[digit] * (long)Math.Abs(digit - zero);
            }

            group.Cost = CostOf(group, null);
            groups.Add(group);
        }

        groups.Sort((a, b) =>
        {
            int order = ((Int128)a.Magnitude * b.Total).CompareTo((Int128)b.Magnitude * a.Total);
            return order != 0 ? order : a.Contexts[0].CompareTo(b.Contexts[0]);
        });
        Merge(groups, most);

        var map = new byte[ClassifiedLayout.Contexts];
        map.AsSpan().Fill(byte.MaxValue);
        long cost = 0;
        for (int table = 0; table < groups.Count; table++)
        {
            cost += groups[table].Cost;
            foreach (int context in groups[table].Contexts)
                map[context] = (byte)table;
            EnsureTwo(groups[table].Counts);
        }

        FillGaps(map);
        return new TableClusters(map, groups.ConvertAll(group => group.Counts), cost);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Merge(List<Group> groups, int most)
    {
        for (int i = 0; i + 1 < groups.Count; i++)
            groups[i].Price(groups[i + 1]);
        long worth = groups.Sum(group => group.Cost) >> SpeedShift;
        while (groups.Count > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < groups.Count; i++)
            {
                if (groups[i].Loss < groups[best].Loss)
                    best = i;
            }

            if (groups[best].Loss >= worth && groups.Count <= most)
                return;
            groups[best].Take(groups[best + 1]);
            groups.RemoveAt(best + 1);
            if (best + 1 < groups.Count)
                groups[best].Price(groups[best + 1]);
            if (best > 0)
                groups[best - 1].Price(groups[best]);
        }
    }

    // Contexts that do not occur cost least as what comes before them.
    private static void FillGaps(byte[] map)
    {
        int first = 0;
        for (int start = 0; start < map.Length; start += ClassifiedLayout.Energies)
        {
            Span<byte> row = map.AsSpan(start, ClassifiedLayout.Energies);
            if (row[0] == byte.MaxValue)
                row[0] = (byte)first;
            first = row[0];
            for (int energy = 1; energy < row.Length; energy++)
            {
                if (row[energy] == byte.MaxValue)
                    row[energy] = row[energy - 1];
            }
        }
    }

    // A table has at least two symbols: a slot of a neighbour costs next to nothing.
    private static void EnsureTwo(long[] counts)
    {
        int only = counts.AsSpan().IndexOfAnyExcept(0);
        if (counts.AsSpan().LastIndexOfAnyExcept(0) == only)
            counts[only == 0 ? 1 : only - 1] = 1;
    }

    // What a text with the counts of one group, or of two together, takes with its table. All symbols that occur are in the range.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long CostOf(Group group, Group? other)
    {
        (int first, int last) = other is null ? (group.First, group.Last) : (Math.Min(group.First, other.First), Math.Max(group.Last, other.Last));
        ReadOnlySpan<long> counts = group.Counts.AsSpan(first, last - first + 1);
        ReadOnlySpan<long> others = other is null ? default : other.Counts.AsSpan(first, counts.Length);
        long total = 0;
        long text = 0;
        long quarters = TableQuarters + MapQuarters + (first > 0 ? GapQuarters : 0) + (last < group.Counts.Length - 1 ? GapQuarters : 0);
        bool inGap = false;
        for (int i = 0; i < counts.Length; i++)
        {
            long count = counts[i] + (others.IsEmpty ? 0 : others[i]);
            if (count == 0)
            {
                quarters += inGap ? 0 : GapQuarters;
                inGap = true;
                continue;
            }

            inGap = false;
            total += count;
            text -= count * FixedPointLog2.OfLarge(count);
            quarters += SymbolQuarters + Math.Min(2 * long.Log2(count + 1), MaxMantissaQuarters);
        }

        return text + (total * FixedPointLog2.OfLarge(total)) + (quarters << QuarterShift);
    }

    private sealed class Group
    {
        internal required long[] Counts { get; init; }

        internal required List<int> Contexts { get; init; }

        /// <summary>The first digit that occurs.</summary>
        internal int First { get; set; }

        /// <summary>The last digit that occurs.</summary>
        internal int Last { get; set; }

        internal long Total { get; set; }

        internal long Magnitude { get; set; }

        internal long Cost { get; set; }

        /// <summary>What merging with the next group costs.</summary>
        internal long Loss { get; private set; }

        private long merged;

        internal void Price(Group next)
        {
            merged = CostOf(this, next);
            Loss = merged - Cost - next.Cost;
        }

        internal void Take(Group next)
        {
            for (int digit = next.First; digit <= next.Last; digit++)
                Counts[digit] += next.Counts[digit];
            First = Math.Min(First, next.First);
            Last = Math.Max(Last, next.Last);
            Contexts.AddRange(next.Contexts);
            Cost = merged;
        }
    }
}
