using System.Numerics;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>Which groups become tokens of their own, for one group size: the encoder's choice, made from counts with integers.</summary>
/// <remarks>
/// Only listed groups have a token; the others share the escape token and their symbols are coded apart. Without that every rare group would take one of the table's 4096
/// slots: at 95 % zeros in groups of eight, listing all costs several percent, listing those worth it 0.3 %.
/// Source: docs/format.md, section 5.7.
/// </remarks>
internal sealed class GroupPlan
{
    /// <summary>Tokens are coded with 12 bits, so that a decoding table entry has 32 bits.</summary>
    internal const int PrecisionBits = 12;

    private const int MaxTokens = RansConstants.MaxAlphabet;

    /// <summary>Alphabets up to here are sparse where they are grouped, so that the groups worth a token are those near a group of fillers.</summary>
    private const int MaxNearAlphabet = 4;

    private GroupPlan(int groupSize, ushort[] listed, int reach, int escaped, byte filler, int riceBits, RansPlan tokens, long bytes)
    {
        GroupSize = groupSize;
        Listed = listed;
        Reach = reach;
        Escaped = escaped;
        Filler = filler;
        RiceBits = riceBits;
        Tokens = tokens;
        EstimatedBytes = bytes;
    }

    /// <summary>Symbols in a group.</summary>
    internal int GroupSize { get; }

    /// <summary>The numbers of the groups that have a token, in the order of their tokens: ascending, or as <see cref="NearGroups"/> gives them.</summary>
    internal ushort[] Listed { get; }

    /// <summary>In how many digits near groups differ from a group of fillers; -1 where the groups are listed in the file.</summary>
    internal int Reach { get; }

    /// <summary>True when a last token stands for all other groups.</summary>
    internal bool HasEscape => Escaped > 0;

    /// <summary>How many groups have no token of their own; where a sample was counted, about how many.</summary>
    internal int Escaped { get; }

    /// <summary>The most frequent digit: of the groups that have no token, or of all where those near a group of it have one.</summary>
    internal byte Filler { get; }

    /// <summary>Low bits of a gap between two listed numbers that are written as they are.</summary>
    internal int RiceBits { get; }

    /// <summary>How the tokens are coded.</summary>
    internal RansPlan Tokens { get; }

    /// <summary>The whole payload; bytes, right within a few bytes per lane.</summary>
    internal long EstimatedBytes { get; }

    /// <summary>Chooses what to list for the shortest payload; null when there is no valid choice.</summary>
    internal static GroupPlan? Create(ReadOnlySpan<int> counts, int alphabetSize, int groupSize, int wideFrom)
    {
        GroupPlan? best = null;
        // A group belongs on the list from about a quarter of a slot on: below, its slot costs the others more than the escape costs it.
        foreach (int slotFractions in (ReadOnlySpan<int>)[4, 1])
        {
            GroupPlan? plan = Create(counts, alphabetSize, groupSize, slotFractions, wideFrom);
            if (plan is not null && (best is null || plan.EstimatedBytes < best.EstimatedBytes))
                best = plan;
        }

        if (best is not null && alphabetSize <= MaxNearAlphabet)
        {
            // As many groups as are worth a token, or nearly.
            int reach = 0;
            while (reach < groupSize && NearGroups.Count(alphabetSize, groupSize, reach + 1) - best.Listed.Length <= best.Listed.Length - NearGroups.Count(alphabetSize, groupSize, reach))
                reach++;
            GroupPlan? near = CreateNear(counts, alphabetSize, groupSize, reach, wideFrom);
            if (near is not null && near.EstimatedBytes < best.EstimatedBytes)
                best = near;
        }

        return best;
    }

    /// <summary>The length of the list; bits.</summary>
    internal static long ListBits(ReadOnlySpan<ushort> listed, int riceBits)
    {
        long bits = 0;
        int next = 0;
        foreach (ushort number in listed)
        {
            bits += ((number - next) >> riceBits) + 1 + riceBits;
            next = number + 1;
        }

        return bits;
    }

    private static GroupPlan? Create(ReadOnlySpan<int> counts, int alphabetSize, int groupSize, int slotFractions, int wideFrom)
    {
        long groups = 0;
        foreach (int count in counts)
            groups += count;

        // Those at or above the threshold, the most frequent first, the smallest number first among equals.
        var candidates = new List<long>();
        for (int number = 0; number < counts.Length; number++)
        {
            if (counts[number] > 0 && ((long)counts[number] * slotFractions) << PrecisionBits >= groups)
                candidates.Add(((long)(int.MaxValue - counts[number]) << 16) | (uint)number);
        }

        candidates.Sort();
        int present = 0;
        foreach (int count in counts)
            present += count > 0 ? 1 : 0;
        int listedCount = Math.Min(candidates.Count, present <= MaxTokens ? MaxTokens : MaxTokens - 1);
        bool hasEscape = listedCount < present;
        if (hasEscape && listedCount == MaxTokens)
            listedCount--;
        var listed = new ushort[listedCount];
        for (int i = 0; i < listed.Length; i++)
            listed[i] = (ushort)candidates[i];
        Array.Sort(listed);
        if (listed.Length == 0)
            return null;

        int riceBits = 0;
        for (int bits = 1; bits < 16; bits++)
        {
            if (ListBits(listed, bits) < ListBits(listed, riceBits))
                riceBits = bits;
        }

        byte filler = MostFrequentDigit(counts, listed, alphabetSize, groupSize);
        return Create(counts, alphabetSize, groupSize, listed, -1, filler, riceBits, 1 + ((ListBits(listed, riceBits) + 7) / 8), wideFrom);
    }

    private static GroupPlan? CreateNear(ReadOnlySpan<int> counts, int alphabetSize, int groupSize, int reach, int wideFrom)
    {
        byte filler = MostFrequentDigit(counts, [], alphabetSize, groupSize);
        var listed = new ushort[NearGroups.Count(alphabetSize, groupSize, reach)];
        NearGroups.Fill(listed, alphabetSize, groupSize, reach, filler);
        return Create(counts, alphabetSize, groupSize, listed, reach, filler, 0, 0, wideFrom);
    }

    private static GroupPlan? Create(ReadOnlySpan<int> counts, int alphabetSize, int groupSize, ushort[] listed, int reach, byte filler, int riceBits, long listBytes, int wideFrom)
    {
        long escaped = 0;
        foreach (int count in counts)
            escaped += count;
        var tokenCounts = new long[listed.Length + 1];
        for (int token = 0; token < listed.Length; token++)
        {
            tokenCounts[token] = counts[listed[token]];
            escaped -= tokenCounts[token];
        }

        // The first and the last token occur.
        tokenCounts[^1] = escaped;
        int used = escaped > 0 ? tokenCounts.Length : listed.Length;
        if (used > MaxTokens || tokenCounts[0] == 0 || tokenCounts[used - 1] == 0)
            return null;
        RansPlan? tokens = RansPlan.Create(tokenCounts.AsSpan(0, used), PrecisionBits, PrecisionBits, wideFrom: wideFrom);
        if (tokens is null)
            return null;
        long bytes = 2 + listBytes + tokens.EstimatedBytes;
        if (escaped > 0)
            bytes += 4 + EscapeBytes(counts, listed, alphabetSize, groupSize, filler);
        return new GroupPlan(groupSize, listed, reach, (int)escaped, filler, riceBits, tokens, bytes);
    }

    // Among the groups that are not listed, the smallest of several.
    private static byte MostFrequentDigit(ReadOnlySpan<int> counts, ReadOnlySpan<ushort> listed, int alphabetSize, int groupSize)
    {
        Span<long> symbols = stackalloc long[alphabetSize];
        Span<byte> digits = stackalloc byte[groupSize];
        symbols.Clear();
        foreach (int number in Unlisted(counts, listed))
        {
            SymbolGroups.Split(number, alphabetSize, digits);
            foreach (byte digit in digits)
                symbols[digit] += counts[number];
        }

        return (byte)FrequencyNormalizer.MostFrequent(symbols);
    }

    // What the masks and digits of the groups without a token take.
    private static long EscapeBytes(ReadOnlySpan<int> counts, ReadOnlySpan<ushort> listed, int alphabetSize, int groupSize, byte filler)
    {
        Span<long> symbols = stackalloc long[alphabetSize];
        Span<long> masks = stackalloc long[1 << groupSize];
        Span<byte> digits = stackalloc byte[groupSize];
        symbols.Clear();
        masks.Clear();
        foreach (int number in Unlisted(counts, listed))
        {
            SymbolGroups.Split(number, alphabetSize, digits);
            masks[GroupMasks.Take(digits, filler, out int taken)] += counts[number];
            foreach (byte digit in digits[..taken])
                symbols[digit] += counts[number];
        }

        return PlaneBytes(masks) + PlaneBytes(symbols);
    }

    // The groups that occur and have no token.
    private static List<int> Unlisted(ReadOnlySpan<int> counts, ReadOnlySpan<ushort> listed)
    {
        var isListed = new bool[counts.Length];
        foreach (ushort number in listed)
            isListed[number] = true;
        var unlisted = new List<int>();
        for (int number = 0; number < counts.Length; number++)
        {
            if (counts[number] > 0 && !isListed[number])
                unlisted.Add(number);
        }

        return unlisted;
    }

    private static long PlaneBytes(ReadOnlySpan<long> counts)
    {
        int first = counts.IndexOfAnyExcept(0);
        int last = counts.LastIndexOfAnyExcept(0);
        return first < 0 ? 0 : first == last ? 2 : 3 + (RansPlan.Create(counts[first..(last + 1)], PrecisionBits, PrecisionBits)?.EstimatedBytes ?? 0);
    }
}
