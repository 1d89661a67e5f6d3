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

    private GroupPlan(int groupSize, ushort[] listed, int escaped, byte filler, int riceBits, RansPlan tokens, long bytes)
    {
        GroupSize = groupSize;
        Listed = listed;
        Escaped = escaped;
        Filler = filler;
        RiceBits = riceBits;
        Tokens = tokens;
        EstimatedBytes = bytes;
    }

    /// <summary>Symbols in a group.</summary>
    internal int GroupSize { get; }

    /// <summary>The numbers of the groups that have a token, ascending.</summary>
    internal ushort[] Listed { get; }

    /// <summary>True when a last token stands for all other groups.</summary>
    internal bool HasEscape => Escaped > 0;

    /// <summary>How many groups have no token of their own; where a sample was counted, about how many.</summary>
    internal int Escaped { get; }

    /// <summary>The most frequent digit of the groups that have none.</summary>
    internal byte Filler { get; }

    /// <summary>Low bits of a gap between two listed numbers that are written as they are.</summary>
    internal int RiceBits { get; }

    /// <summary>How the tokens are coded.</summary>
    internal RansPlan Tokens { get; }

    /// <summary>The whole payload; bytes, right within a few bytes per lane.</summary>
    internal long EstimatedBytes { get; }

    /// <summary>Chooses what to list for the shortest payload; null when there is no valid choice.</summary>
    internal static GroupPlan? Create(ReadOnlySpan<int> counts, int alphabetSize, int groupSize)
    {
        GroupPlan? best = null;
        // A group belongs on the list from about a quarter of a slot on: below, its slot costs the others more than the escape costs it.
        foreach (int slotFractions in (ReadOnlySpan<int>)[4, 1])
        {
            GroupPlan? plan = Create(counts, alphabetSize, groupSize, slotFractions);
            if (plan is not null && (best is null || plan.EstimatedBytes < best.EstimatedBytes))
                best = plan;
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

    private static GroupPlan? Create(ReadOnlySpan<int> counts, int alphabetSize, int groupSize, int slotFractions)
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

        var tokenCounts = new long[listed.Length + (hasEscape ? 1 : 0)];
        long escaped = groups;
        for (int token = 0; token < listed.Length; token++)
        {
            tokenCounts[token] = counts[listed[token]];
            escaped -= tokenCounts[token];
        }

        if (hasEscape)
            tokenCounts[^1] = escaped;
        RansPlan? tokens = RansPlan.Create(tokenCounts, PrecisionBits, PrecisionBits, wideFrom: RansPlan.FastWideFrom);
        if (tokens is null)
            return null;

        int riceBits = 0;
        for (int bits = 1; bits < 16; bits++)
        {
            if (ListBits(listed, bits) < ListBits(listed, riceBits))
                riceBits = bits;
        }

        long bytes = 2 + ((ListBits(listed, riceBits) + 7) / 8) + tokens.EstimatedBytes;
        byte filler = 0;
        if (hasEscape)
            bytes += 5 + EscapeBytes(counts, listed, alphabetSize, groupSize, out filler);
        return new GroupPlan(groupSize, listed, (int)escaped, filler, riceBits, tokens, bytes);
    }

    // What the masks and digits of the groups without a token take, and which digit the masks leave out.
    private static long EscapeBytes(ReadOnlySpan<int> counts, ReadOnlySpan<ushort> listed, int alphabetSize, int groupSize, out byte filler)
    {
        Span<long> symbols = stackalloc long[alphabetSize];
        Span<byte> digits = stackalloc byte[groupSize];
        symbols.Clear();
        var escaped = new List<int>();
        int next = 0;
        for (int number = 0; number < counts.Length; number++)
        {
            if (next < listed.Length && listed[next] == number)
            {
                next++;
                continue;
            }

            if (counts[number] == 0)
                continue;
            escaped.Add(number);
            SymbolGroups.Split(number, alphabetSize, digits);
            foreach (byte digit in digits)
                symbols[digit] += counts[number];
        }

        filler = (byte)FrequencyNormalizer.MostFrequent(symbols);
        Span<long> masks = stackalloc long[1 << groupSize];
        masks.Clear();
        foreach (int number in escaped)
        {
            SymbolGroups.Split(number, alphabetSize, digits);
            masks[GroupMasks.Take(digits, filler, out _)] += counts[number];
        }

        symbols[filler] = 0;
        return PlaneBytes(masks) + PlaneBytes(symbols);
    }

    private static long PlaneBytes(ReadOnlySpan<long> counts)
    {
        int first = counts.IndexOfAnyExcept(0);
        int last = counts.LastIndexOfAnyExcept(0);
        return first == last ? 2 : 3 + (RansPlan.Create(counts[first..(last + 1)], PrecisionBits, PrecisionBits)?.EstimatedBytes ?? 0);
    }
}
