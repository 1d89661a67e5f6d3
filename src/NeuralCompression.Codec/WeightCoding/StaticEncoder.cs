using System.Buffers;
using System.IO.Compression;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;
using NeuralCompression.Codec.WeightCoding.Grouping;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>Codes at most 256 different symbols with one static table, in groups where that pays.</summary>
internal static class StaticEncoder
{
    /// <summary>A payload may be longer than a sample foretold by one part in this many; otherwise everything is counted.</summary>
    private const int SampleTolerance = 256;

    /// <summary>A sample lacks few symbols, as few as one in this many; otherwise everything is counted.</summary>
    private const int SeldomFrom = 256;

    /// <summary>Alphabets up to here are coded in groups of eight.</summary>
    private const int LongGroups = 4;

    /// <summary>Codes a text; null where that is longer than the raw form.</summary>
    /// <param name="text">The low 8 bits of the symbols: what is subtracted from them is meant modulo 256.</param>
    /// <param name="min">The smallest symbol.</param>
    /// <param name="max">The largest, less than 256 above it.</param>
    /// <param name="level">How hard to try.</param>
    internal static EncodedTensor? TryEncode(ReadOnlySpan<byte> text, int min, int max, CompressionLevel level)
    {
        byte first = (byte)min;
        int alphabet = max - min + 1;
        long rawLength = SymbolCoder.RawLength(text.Length, min, max);
        bool smallest = level == CompressionLevel.SmallestSize;
        GroupRules rules = GroupRules.For(level);
        if (smallest || !SymbolRange.IsNarrow(min, max))
        {
            RansPlan? single = RansPlan.Create(
                ByteHistogram.Count(text, alphabet, first), SymbolCoder.MaxPrecision(level), wideFrom: rules.WideFrom);
            return smallest && SymbolRange.IsNarrow(min, max) && GroupEncoder.Choose(text, 1, first, alphabet, rules, out _) is GroupPlan smaller
                && (single is null || smaller.EstimatedBytes < single.EstimatedBytes)
                    ? EncodedTensor.Take(Coding.GroupedRans, GroupEncoder.Write(text, first, alphabet, smaller))
                    : WriteSingle(text, first, single, rawLength);
        }

        if (level == CompressionLevel.Fastest && TryBySample(text, first, alphabet, rules, rawLength) is EncodedTensor guessed)
            return guessed;
        return GroupEncoder.Choose(text, 1, first, alphabet, rules, out long[] counts) is GroupPlan groups
            ? EncodedTensor.Take(Coding.GroupedRans, GroupEncoder.Write(text, first, alphabet, groups))
            : WriteSingle(text, first, GroupEncoder.Plain(counts, rules), rawLength);
    }

    // With tables made from a sample; null where there is none, or where it would not do.
    private static EncodedTensor? TryBySample(ReadOnlySpan<byte> text, byte first, int alphabet, GroupRules rules, long rawLength)
    {
        // With many different groups a sample shows too few of the rare ones, and counting groups of four or eight takes little time anyway.
        int weight = SymbolSample.WeightFor(text.Length);
        if (weight == 1 || alphabet <= LongGroups)
            return null;
        byte[] sample = SymbolSample.Rent(text, weight, out int length);
        try
        {
            GroupPlan? groups = GroupEncoder.Choose(sample.AsSpan(0, length), weight, first, alphabet, rules, out long[] counts);
            if (groups is not null)
            {
                // Without an escape a group that is not in the sample could not be coded.
                int numbers = SymbolGroups.Numbers(alphabet, groups.GroupSize);
                return numbers <= RansConstants.MaxAlphabet && (groups.HasEscape || groups.Listed.Length == numbers)
                    ? AsForetold(EncodedTensor.Take(Coding.GroupedRans, GroupEncoder.Write(text, first, alphabet, groups)), groups.EstimatedBytes)
                    : null;
            }

            return AddMissing(text, first, counts) && GroupEncoder.Plain(counts, rules) is RansPlan single && WriteSingle(text, first, single, rawLength) is EncodedTensor encoded
                ? AsForetold(encoded, single.EstimatedBytes)
                : null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(sample);
        }
    }

    private static EncodedTensor? AsForetold(EncodedTensor encoded, long bytes)
    {
        if (encoded.Payload.Length <= bytes + (bytes / SampleTolerance))
            return encoded;
        encoded.Release();
        return null;
    }

    // Symbols that the sample lacks are counted in the whole text, since each that occurs must have a slot; false when they are not rare.
    private static bool AddMissing(ReadOnlySpan<byte> text, byte first, long[] counts)
    {
        SearchValues<byte> missing = SearchValues.Create([.. Enumerable.Range(0, counts.Length).Where(symbol => counts[symbol] == 0).Select(symbol => (byte)(symbol + first))]);
        int most = text.Length / SeldomFrom;
        int found;
        while ((found = text.IndexOfAny(missing)) >= 0)
        {
            if (most-- == 0)
                return false;
            counts[(byte)(text[found] - first)]++;
            text = text[(found + 1)..];
        }

        return true;
    }

    private static EncodedTensor? WriteSingle(ReadOnlySpan<byte> text, byte first, RansPlan? plan, long rawLength) => plan is null || plan.EstimatedBytes > rawLength + 64
        ? null
        : EncodedTensor.Take(Coding.StaticRans, RansEncoder.Encode(new ByteTokens(text, first), text.Length, plan));
}
