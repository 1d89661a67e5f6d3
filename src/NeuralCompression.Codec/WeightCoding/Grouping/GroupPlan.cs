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
    internal static GroupPlan? Create(GroupCounts text, int wideFrom)
    {
        GroupPlan? best = null;
        // A group belongs on the list from about a quarter of a slot on: below, its slot costs the others more than the escape costs it.
        foreach (int slotFractions in (ReadOnlySpan<int>)[4, 1])
        {
            GroupPlan? plan = CreateListed(text, slotFractions, wideFrom);
            if (plan is not null && (best is null || plan.EstimatedBytes < best.EstimatedBytes))
                best = plan;
        }

        if (best is not null && text.AlphabetSize <= MaxNearAlphabet && CreateNear(text, best.Listed.Length, wideFrom) is GroupPlan near && near.EstimatedBytes < best.EstimatedBytes)
            best = near;
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

    private static GroupPlan? CreateListed(GroupCounts text, int slotFractions, int wideFrom)
    {
        // Those at or above the threshold, the most frequent first, the smallest number first among equals.
        ReadOnlySpan<int> counts = text.Counts;
        var candidates = new List<long>();
        for (int number = 0; number < counts.Length; number++)
        {
            if (counts[number] > 0 && ((long)counts[number] * slotFractions) << PrecisionBits >= text.Total)
                candidates.Add(((long)(int.MaxValue - counts[number]) << 16) | (uint)number);
        }

        candidates.Sort();
        int listedCount = Math.Min(candidates.Count, text.Present <= MaxTokens ? MaxTokens : MaxTokens - 1);
        bool hasEscape = listedCount < text.Present;
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

        return Create(text, listed, -1, text.MostFrequentDigit(listed), riceBits, 1 + ((ListBits(listed, riceBits) + 7) / 8), wideFrom);
    }

    // About as many groups as are worth a token.
    private static GroupPlan? CreateNear(GroupCounts text, int wanted, int wideFrom)
    {
        int reach = 0;
        while (reach < text.GroupSize && Near(reach + 1) - wanted <= wanted - Near(reach))
            reach++;
        byte filler = text.MostFrequentDigit([]);
        var listed = new ushort[Near(reach)];
        NearGroups.Fill(listed, text.AlphabetSize, text.GroupSize, reach, filler);
        return Create(text, listed, reach, filler, 0, 0, wideFrom);

        int Near(int reach) => NearGroups.Count(text.AlphabetSize, text.GroupSize, reach);
    }

    private static GroupPlan? Create(GroupCounts text, ushort[] listed, int reach, byte filler, int riceBits, long listBytes, int wideFrom)
    {
        long escaped = text.Total;
        var tokenCounts = new long[listed.Length + 1];
        for (int token = 0; token < listed.Length; token++)
        {
            tokenCounts[token] = text.Counts[listed[token]];
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
            bytes += 4 + EscapeBytes(text, listed, filler);
        return new GroupPlan(text.GroupSize, listed, reach, (int)escaped, filler, riceBits, tokens, bytes);
    }

    // What the masks and digits of the groups without a token take.
    private static long EscapeBytes(GroupCounts text, ReadOnlySpan<ushort> listed, byte filler)
    {
        Span<long> symbols = stackalloc long[text.AlphabetSize];
        Span<long> masks = stackalloc long[1 << text.GroupSize];
        text.SymbolsWithout(listed, symbols);
        text.MasksWithout(listed, filler, masks);
        symbols[filler] = 0;
        return PlaneBytes(masks) + PlaneBytes(symbols);
    }

    private static long PlaneBytes(ReadOnlySpan<long> counts)
    {
        int first = counts.IndexOfAnyExcept(0);
        int last = counts.LastIndexOfAnyExcept(0);
        return first < 0 ? 0 : first == last ? 2 : 3 + (RansPlan.Create(counts[first..(last + 1)], PrecisionBits, PrecisionBits)?.EstimatedBytes ?? 0);
    }
}
