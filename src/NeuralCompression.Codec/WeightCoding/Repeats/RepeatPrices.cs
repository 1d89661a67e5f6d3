using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Repeats;

/// <summary>A part of a segment: units that do not repeat, then a repeat of what stands <paramref name="Distance"/> units before.</summary>
internal readonly record struct Repeat(int Run, int Length, int Distance);

/// <summary>What literals and repeats are expected to take, in 1/64 bits. Integers only, so that every machine decides alike.</summary>
internal sealed class RepeatPrices<T>
    where T : struct, IBinaryInteger<T>
{
    internal const int Bit = 1 << BitShift;

    private const int BitShift = 6;

    private const int FractionShift = FixedPointLog2.FractionBits - BitShift;
    private const int Classes = 25;

    // By the lowest 16 bits, where units have no more.
    private readonly int[] literals = [];
    private readonly int[] lengths = new int[Classes];
    private readonly int[] recentLengths = new int[Classes];
    private readonly int[] distances = new int[Classes];
    private readonly int[] recent = new int[RepeatModel.Recent];
    private int anyLiteral;
    private int fresh = 2 * Bit;
    private int noRun = 2 * Bit;
    private int someRun = 8 * Bit;
    private long entropy;
    private long spent;

    /// <summary>Prices for a segment of which nothing is known but how many bytes it takes without repeats.</summary>
    internal RepeatPrices(ReadOnlySpan<T> units, long bytes)
    {
        if (Size <= 2)
            literals = new int[Size == 1 ? 1 << 8 : 1 << 16];
        PriceLiterals(units, bytes);
        for (int c = 0; c < Classes; c++)
        {
            // As if half of the numbers were in each class as in all smaller ones together, and nothing known of their bits.
            lengths[c] = recentLengths[c] = ((2 * c) + 1) * Bit;
            distances[c] = (c + 4) * Bit;
        }

        for (int i = 0; i < recent.Length; i++)
            recent[i] = (i + 2) * Bit;
    }

    /// <summary>About what a unit takes on average.</summary>
    internal int Average { get; private set; }

    private static int Size => Unsafe.SizeOf<T>();

    internal int Literal(T unit) => literals.Length == 0 ? anyLiteral : literals[Place(unit)];

    internal long Literals(ReadOnlySpan<T> units)
    {
        if (literals.Length == 0)
            return (long)anyLiteral * units.Length;
        long sum = 0;
        foreach (T unit in units)
            sum += literals[Place(unit)];
        return sum;
    }

    /// <summary>What units take without repeats: their share of what all take.</summary>
    internal long Spent(ReadOnlySpan<T> units) => (long)((Int128)Literals(units) * spent / entropy);

    /// <summary>How many units come before a repeat.</summary>
    internal int Run(bool isNone) => isNone ? noRun : someRun;

    /// <summary>A repeat of a distance that was not used lately.</summary>
    internal int Fresh(int distance, int length) => fresh + distances[BitOperations.Log2((uint)distance)] + lengths[BitOperations.Log2((uint)length)];

    /// <summary>A repeat of a distance that was.</summary>
    internal int Known(int place, int length) => recent[place] + recentLengths[BitOperations.Log2((uint)length)];

    /// <summary>Takes prices from what was found with the last ones.</summary>
    internal void Learn(List<Repeat> repeats, ReadOnlySpan<T> left, long leftBytes)
    {
        PriceLiterals(left, leftBytes);
        var runCounts = new long[Classes];
        var freshCounts = new long[Classes];
        var recentCounts = new long[Classes];
        var distanceCounts = new long[Classes];
        var kinds = new long[RepeatModel.Recent + 1];
        int[] last = [1, 2, 3, 4];
        foreach (Repeat repeat in repeats)
        {
            int known = Array.IndexOf(last, repeat.Distance);
            runCounts[BitOperations.Log2((uint)repeat.Run + 1)]++;
            (known < 0 ? freshCounts : recentCounts)[BitOperations.Log2((uint)repeat.Length)]++;
            if (known < 0)
                distanceCounts[BitOperations.Log2((uint)repeat.Distance)]++;
            kinds[known < 0 ? RepeatModel.Recent : known]++;
            Use(last, known, repeat.Distance);
        }

        Span<int> ofKinds = stackalloc int[kinds.Length];
        Price(kinds, ofKinds, hasBits: false);
        ofKinds[..^1].CopyTo(recent);
        fresh = ofKinds[^1];
        Span<int> runs = stackalloc int[Classes];
        Price(runCounts, runs, hasBits: true);
        noRun = runs[0];
        long some = 0;
        for (int c = 1; c < Classes; c++)
            some += runCounts[c] * runs[c];
        someRun = (int)(some / Math.Max(repeats.Count - runCounts[0], 1));
        Price(freshCounts, lengths, hasBits: true);
        Price(recentCounts, recentLengths, hasBits: true);
        Price(distanceCounts, distances, hasBits: true);
    }

    /// <summary>Moves a distance to the front; <paramref name="known"/> is its place, or -1.</summary>
    internal static void Use(Span<int> recent, int known, int distance)
    {
        recent[..(known < 0 ? recent.Length - 1 : known)].CopyTo(recent[1..]);
        recent[0] = distance;
    }

    private static int Place(T unit) => int.CreateTruncating(unit) & (Size == 1 ? 0xFF : 0xFFFF);

    // Numbers of one class share its bits, which may be less than they seem: repeats of few lengths and distances are usual.
    private static void Price(ReadOnlySpan<long> counts, Span<int> prices, bool hasBits)
    {
        long total = 1;
        foreach (long count in counts)
            total += count;
        for (int c = 0; c < counts.Length; c++)
            prices[c] = (int)((FixedPointLog2.OfLarge(total + counts.Length) - FixedPointLog2.OfLarge(counts[c] + 1)) >> FractionShift) + (hasBits ? c * Bit : 0);
    }

    // The order-0 entropy; of units too long for that, what the coder made of them.
    private void PriceLiterals(ReadOnlySpan<T> units, long bytes)
    {
        spent = bytes * 8 * Bit;
        Average = anyLiteral = (int)Math.Min(spent / Math.Max(units.Length, 1), 64 * Bit);
        entropy = Math.Max((long)anyLiteral * units.Length, 1);
        if (literals.Length == 0)
            return;
        var counts = new int[literals.Length];
        foreach (T unit in units)
            counts[Place(unit)]++;
        uint all = FixedPointLog2.OfLarge(units.Length + 1L);
        entropy = 1;
        for (int i = 0; i < literals.Length; i++)
        {
            literals[i] = (int)((all - FixedPointLog2.OfLarge(counts[i] + 1L)) >> FractionShift);
            entropy += (long)literals[i] * counts[i];
        }

        Average = (int)(entropy / Math.Max(units.Length, 1));
    }
}
