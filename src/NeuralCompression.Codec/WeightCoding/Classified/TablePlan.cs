using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>Tables made from counts, at the precision that makes them and their text shortest. Integers only.</summary>
internal sealed class TablePlan
{
    /// <summary>The coarsest precision tried: below, every rare symbol takes too much.</summary>
    private const int MinPrecisionBits = 10;

    /// <summary>A coarser, that is faster, precision may cost one part in this many of the smallest.</summary>
    private const int Tolerance = 400;

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

    /// <summary>Chooses the precision of all tables and the mantissas of each.</summary>
    internal static TablePlan Create(TableClusters clusters)
    {
        var plans = new List<TablePlan>();
        for (int precision = MinPrecisionBits; precision <= ClassifiedLayout.MaxPrecisionBits; precision++)
        {
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
