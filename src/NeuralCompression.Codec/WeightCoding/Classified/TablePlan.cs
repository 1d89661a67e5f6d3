using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>Tables made from counts, at the precision that makes them and their text shortest. Integers only.</summary>
internal sealed class TablePlan
{
    /// <summary>The coarsest precision tried: below, every rare symbol takes too much.</summary>
    private const int MinPrecisionBits = 10;

    /// <summary>A coarser, that is faster, precision may cost one part in this many of the smallest.</summary>
    private const int Tolerance = 400;

    /// <summary>Slots of all tables together: 4 bytes each are 64 KiB, of which the frequent ones fit in the first-level cache. Four times as many decoded half as fast.</summary>
    private const int Slots = 1 << 14;

    /// <summary>Tables there may be at any precision: sparse tensors want fine ones.</summary>
    private const int AlwaysTables = 8;

    private TablePlan(byte[] map, FrequencyTable[] tables, byte[] bits, int precisionBits, long bytes)
    {
        Map = map;
        Tables = tables;
        Bits = bits;
        PrecisionBits = precisionBits;
        EstimatedBytes = bytes;
    }

    /// <summary>Tables by context.</summary>
    internal byte[] Map { get; }

    internal FrequencyTable[] Tables { get; }

    /// <summary>The tables as they are written.</summary>
    internal byte[] Bits { get; }

    internal int PrecisionBits { get; }

    /// <summary>Tables and text; bytes, without states.</summary>
    internal long EstimatedBytes { get; }

    /// <summary>Tables of a text while choices are compared.</summary>
    internal static int UsualTables => Slots >> (MinPrecisionBits + 1);

    /// <summary>Chooses tables, the precision of all and the mantissas of each: the finer, the fewer, so that the slots stay in a fast cache.</summary>
    /// <param name="counts">For each context the counts of its digits.</param>
    /// <param name="alphabet">Digits of the text.</param>
    /// <param name="zero">The digit of the symbol 0.</param>
    internal static TablePlan Create(ReadOnlySpan<int> counts, int alphabet, int zero)
    {
        var plans = new List<TablePlan>();
        TableClusters? clusters = null;
        int most = 0;
        for (int precision = MinPrecisionBits; precision <= ClassifiedLayout.MaxPrecisionBits; precision++)
        {
            int allowed = Math.Clamp(Slots >> precision, AlwaysTables, ClassifiedLayout.MaxTables);
            if (clusters is null || (allowed != most && clusters.Counts.Count > Math.Min(allowed, most)))
                clusters = TableClusters.Create(counts, alphabet, zero, allowed);
            most = allowed;
            if (Create(clusters, precision) is TablePlan plan)
                plans.Add(plan);
        }

        long smallest = plans.Min(plan => plan.EstimatedBytes);
        return plans.First(plan => plan.EstimatedBytes <= smallest + (smallest / Tolerance));
    }

    private static TablePlan? Create(TableClusters clusters, int precision)
    {
        var tables = new FrequencyTable[clusters.Counts.Count];
        var writer = new BitWriter();
        UInt128 text = 0;
        for (int i = 0; i < tables.Length; i++)
        {
            long[] counts = clusters.Counts[i];
            if (Best(counts, precision, out int mantissa) is not ushort[] frequencies)
                return null;
            tables[i] = new FrequencyTable(frequencies, precision);
            text += tables[i].Cost(counts);
            writer.Write((uint)mantissa, 3);
            FrequencyTableCode.Write(writer, frequencies, FrequencyNormalizer.MostFrequent(counts), precision, mantissa);
        }

        byte[] bits = writer.ToArray();
        return new TablePlan(clusters.Map, tables, bits, precision, bits.Length + (long)(text >> (FixedPointLog2.FractionBits + 3)));
    }

    private static ushort[]? Best(long[] counts, int precision, out int bestMantissa)
    {
        Span<ushort> frequencies = stackalloc ushort[RansConstants.MaxAlphabet];
        frequencies = frequencies[..counts.Length];
        ushort[]? best = null;
        UInt128 bestCost = UInt128.MaxValue;
        bestMantissa = 0;
        for (int mantissa = 0; mantissa <= FrequencyNormalizer.ExactMantissa; mantissa++)
        {
            if (!FrequencyNormalizer.TryNormalize(counts, precision, mantissa, frequencies))
                continue;
            var writer = new BitWriter();
            FrequencyTableCode.Write(writer, frequencies, FrequencyNormalizer.MostFrequent(counts), precision, mantissa);
            UInt128 cost = FrequencyTable.Cost(counts, frequencies, precision) + ((UInt128)(ulong)writer.BitCount << FixedPointLog2.FractionBits);
            if (cost >= bestCost)
                continue;
            bestCost = cost;
            bestMantissa = mantissa;
            best = frequencies.ToArray();
        }

        return best;
    }
}
