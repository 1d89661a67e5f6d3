namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>The groups that differ from a group of fillers in few digits: which they are follows from three numbers, so that a file need not list them. Source: docs/format.md, section 5.7.</summary>
internal static class NearGroups
{
    /// <summary>How many groups differ in at most <paramref name="reach"/> digits; more than 2^16 are not told apart.</summary>
    internal static int Count(int alphabetSize, int groupSize, int reach)
    {
        long count = 0;
        long ways = 1;
        for (int digits = 0; digits <= reach; digits++)
        {
            count += ways;
            ways = ways * (groupSize - digits) * (alphabetSize - 1) / (digits + 1);
        }

        return (int)Math.Min(count, SymbolGroups.MaxNumbers + 1);
    }

    /// <summary>Gives their numbers: those that differ in fewer digits first, in ascending order among equals.</summary>
    internal static void Fill(Span<ushort> numbers, int alphabetSize, int groupSize, int reach, byte filler)
    {
        int next = 0;
        for (int digits = 0; digits <= reach; digits++)
            next = Fill(numbers, next, alphabetSize, filler, groupSize, digits, 0);
    }

    // Goes on with the next lower digit of a number, of which so many are to differ.
    private static int Fill(Span<ushort> numbers, int next, int alphabetSize, byte filler, int places, int differing, int number)
    {
        if (places == 0)
        {
            numbers[next] = (ushort)number;
            return next + 1;
        }

        for (int digit = 0; digit < alphabetSize; digit++)
        {
            int left = differing - (digit == filler ? 0 : 1);
            if (left >= 0 && left < places)
                next = Fill(numbers, next, alphabetSize, filler, places - 1, left, (number * alphabetSize) + digit);
        }

        return next;
    }
}
