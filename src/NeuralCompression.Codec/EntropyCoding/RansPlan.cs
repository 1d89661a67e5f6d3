namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>The encoder's choices for one text, made from its symbol counts alone with integers, so they are the same everywhere.</summary>
internal sealed class RansPlan
{
    /// <summary>84 bytes in 64 KiB are 0.13 %.</summary>
    internal const int DefaultWideFrom = 64 << 10;

    /// <summary>For <c>Optimal</c>: 0.26 %.</summary>
    internal const int OptimalWideFrom = 32 << 10;

    /// <summary>For <c>Fastest</c>: up to 2 % of short texts (0.3 % of networks of many small tensors), which then decode three times as fast.</summary>
    internal const int FastWideFrom = 4 << 10;

    private RansPlan(FrequencyTable table, int rest, int mantissaBits, int laneCode, long payloadBytes)
    {
        Table = table;
        RestSymbol = rest;
        MantissaBits = mantissaBits;
        LaneCode = laneCode;
        EstimatedBytes = payloadBytes;
    }

    internal FrequencyTable Table { get; }

    /// <summary>The symbol whose frequency is not written but follows from the others.</summary>
    internal int RestSymbol { get; }

    internal int MantissaBits { get; }

    /// <summary>Index into <see cref="RansConstants.LaneCounts"/>.</summary>
    internal int LaneCode { get; }

    /// <summary>Parameters, table, states and words; bytes, right within a few bytes per lane.</summary>
    internal long EstimatedBytes { get; }

    /// <summary>Chooses precision, mantissa and lanes for the shortest stream; null when fewer than two symbols are present.</summary>
    /// <param name="counts">How often each symbol occurs; the first and the last do.</param>
    /// <param name="maxPrecisionBits">The finest table.</param>
    /// <param name="minPrecisionBits">The coarsest table.</param>
    /// <param name="wideFrom">From this many bytes of text on there are 32 lanes, which vector units decode; they cost 84 bytes more than 4.</param>
    internal static RansPlan? Create(ReadOnlySpan<long> counts, int maxPrecisionBits, int minPrecisionBits = RansConstants.MinPrecisionBits, int wideFrom = DefaultWideFrom)
    {
        Span<ushort> frequencies = stackalloc ushort[RansConstants.MaxAlphabet];
        frequencies = frequencies[..counts.Length];
        UInt128 length = 0;
        foreach (long count in counts)
            length += (UInt128)(ulong)count;
        int rest = FrequencyNormalizer.MostFrequent(counts);
        ushort[]? best = null;
        UInt128 bestCost = UInt128.MaxValue;
        long bestTableBits = 0;
        UInt128 bestTextCost = 0;
        int bestPrecision = 0;
        int bestMantissa = 0;
        for (int precision = minPrecisionBits; precision <= maxPrecisionBits; precision++)
        {
            for (int mantissa = 0; mantissa <= FrequencyNormalizer.ExactMantissa; mantissa++)
            {
                if (!FrequencyNormalizer.TryNormalize(counts, precision, mantissa, frequencies))
                    continue;
                var writer = new BitWriter();
                FrequencyTableCode.Write(writer, frequencies, rest, precision, mantissa);
                UInt128 text = FrequencyTable.Cost(counts, frequencies, precision) + CoderLoss(length, precision);
                UInt128 cost = text + ((UInt128)(ulong)writer.BitCount << FixedPointLog2.FractionBits);
                if (cost < bestCost)
                {
                    bestCost = cost;
                    bestTextCost = text;
                    bestTableBits = writer.BitCount;
                    bestPrecision = precision;
                    bestMantissa = mantissa;
                    best = frequencies.ToArray();
                }
            }
        }

        if (best is null)
            return null;
        long textBytes = (long)(bestTextCost >> (FixedPointLog2.FractionBits + 3));
        int laneCode = textBytes switch
        {
            < 256 => 0,
            _ when textBytes < wideFrom => 1,
            < 128 << 10 => 2,
            _ => 3,
        };

        // A state starts at 2^15 and ends near 2^23, so of its 4 stored bytes about one carries text.
        long bytes = 1 + ((bestTableBits + 7) / 8) + textBytes + (3 * RansConstants.LaneCounts[laneCode]);
        return new RansPlan(new FrequencyTable(best, bestPrecision), rest, bestMantissa, laneCode, bytes);
    }

    // What integer states lose, bits x 2^16: measured as 3e-5 bits/symbol at 14 bits, and falling with the square of the table size.
    private static UInt128 CoderLoss(UInt128 length, int precisionBits) => (length * 2) >> (2 * (RansConstants.MaxPrecisionBits - precisionBits));
}
