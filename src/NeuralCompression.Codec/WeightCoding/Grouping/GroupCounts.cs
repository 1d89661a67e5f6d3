using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>How often each group occurs, and what follows from that for any choice of groups with a token: what is known of all groups is counted once, and what a choice leaves is a difference.</summary>
internal sealed class GroupCounts
{
    private readonly int[] counts;
    private readonly byte[] digits;
    private readonly long[] symbols;
    private readonly long[]?[] masks;

    /// <param name="counts">By number; kept.</param>
    /// <param name="alphabetSize">Digits are below this.</param>
    /// <param name="groupSize">Digits of a group.</param>
    internal GroupCounts(int[] counts, int alphabetSize, int groupSize)
    {
        this.counts = counts;
        AlphabetSize = alphabetSize;
        GroupSize = groupSize;
        digits = new byte[counts.Length * groupSize];
        symbols = new long[alphabetSize];
        masks = new long[alphabetSize][];
        Span<byte> group = stackalloc byte[groupSize];
        group.Clear();
        for (int number = 0; number < counts.Length; number++)
        {
            int count = counts[number];
            if (count > 0)
            {
                Total += count;
                Present++;
                group.CopyTo(digits.AsSpan(number * groupSize));
                foreach (byte digit in group)
                    symbols[digit] += count;
            }

            // Counting up takes no division.
            for (int place = 0; place < groupSize && ++group[place] == alphabetSize; place++)
                group[place] = 0;
        }
    }

    internal int AlphabetSize { get; }

    internal int GroupSize { get; }

    internal ReadOnlySpan<int> Counts => counts;

    /// <summary>Groups of the text.</summary>
    internal long Total { get; }

    /// <summary>Different ones.</summary>
    internal int Present { get; }

    /// <summary>The most frequent digit of the groups that are not listed, the smallest of several.</summary>
    internal byte MostFrequentDigit(ReadOnlySpan<ushort> listed)
    {
        Span<long> left = stackalloc long[AlphabetSize];
        SymbolsWithout(listed, left);
        return (byte)FrequencyNormalizer.MostFrequent(left);
    }

    /// <summary>How often each digit occurs in the groups that are not listed.</summary>
    internal void SymbolsWithout(ReadOnlySpan<ushort> listed, Span<long> left)
    {
        symbols.CopyTo(left);
        foreach (ushort number in listed)
        {
            int count = counts[number];
            if (count == 0)
                continue;
            foreach (byte digit in Digits(number))
                left[digit] -= count;
        }
    }

    /// <summary>How often each mask occurs among the groups that are not listed.</summary>
    internal void MasksWithout(ReadOnlySpan<ushort> listed, byte filler, Span<long> left)
    {
        (masks[filler] ??= MasksOfAll(filler)).CopyTo(left);
        foreach (ushort number in listed)
        {
            if (counts[number] > 0)
                left[Mask(number, filler)] -= counts[number];
        }
    }

    private long[] MasksOfAll(byte filler)
    {
        var all = new long[1 << GroupSize];
        for (int number = 0; number < counts.Length; number++)
        {
            if (counts[number] > 0)
                all[Mask(number, filler)] += counts[number];
        }

        return all;
    }

    private ReadOnlySpan<byte> Digits(int number) => digits.AsSpan(number * GroupSize, GroupSize);

    private byte Mask(int number, byte filler)
    {
        Span<byte> group = stackalloc byte[GroupSize];
        Digits(number).CopyTo(group);
        return GroupMasks.Take(group, filler, out _);
    }
}
