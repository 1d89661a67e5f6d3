using System.Numerics.Tensors;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>Chooses a group size and writes the payload of the grouped coding. Source: docs/format.md, section 5.7.</summary>
internal static class GroupEncoder
{
    /// <summary>Below this many symbols speed does not show and the list of groups does.</summary>
    internal const int MinLength = 1 << 14;

    /// <summary>Above this many eighths of a bit a token would need more tokens than there are, unless all groups have one.</summary>
    private const int MaxEighthsOfBit = 56;

    /// <summary>Bytes from which masks, and the symbols coded apart, get 32 lanes: they are few, but would take long one by one.</summary>
    private const int ApartWideFrom = 2 << 10;

    /// <summary>Bytes for the rest of a text, and to spare where a sample tells how many groups have no token.</summary>
    private const int ApartRoom = 1 << 10;

    /// <summary>Above this alphabet symbols are counted on their own before groups are, since pairs seldom pay.</summary>
    private const int SmallAlphabet = 16;

    /// <summary>Chooses between groups and a token for each symbol, from the counts of a text or of a sample of it.</summary>
    /// <param name="text">Symbols of 8 bits, two's complement.</param>
    /// <param name="weight">How many symbols of the whole text each of these stands for.</param>
    /// <param name="first">The smallest.</param>
    /// <param name="alphabetSize">Symbols minus the smallest are below this.</param>
    /// <param name="rules">What a larger group may cost, and lanes.</param>
    /// <param name="symbols">Counts of symbols; empty where groups were chosen and nothing else was counted.</param>
    /// <returns>The choice, or null where a token each is better.</returns>
    internal static GroupPlan? Choose(ReadOnlySpan<byte> text, int weight, byte first, int alphabetSize, GroupRules rules, out long[] symbols)
    {
        symbols = [];
        int size = 0;
        if (text.Length >= MinLength && alphabetSize <= SmallAlphabet)
            size = LargestSize(alphabetSize, SampledBits(text, first, alphabetSize));
        long plainBytes = long.MaxValue;
        if (size == 0)
        {
            symbols = Weighted(ByteHistogram.Count(text, alphabetSize, first), weight);
            if (text.Length < MinLength || Plain(symbols, rules) is not RansPlan plain)
                return null;
            plainBytes = plain.EstimatedBytes;
            size = LargestSize(alphabetSize, (plainBytes << (FixedPointLog2.FractionBits + 3)) / ((long)text.Length * weight));
            if (size == 0)
                return null;
        }

        List<int[]> counts = [SymbolGroups.Count(text, first, alphabetSize, size)];
        foreach (ref int count in counts[0].AsSpan())
            count *= weight;
        for (int half = size / 2; half >= 1; half /= 2)
            counts.Add(SymbolGroups.Halve(counts[^1], SymbolGroups.Numbers(alphabetSize, half)));
        if (symbols.Length == 0)
        {
            symbols = Array.ConvertAll(counts[^1], count => (long)count);
            foreach (byte symbol in text[(text.Length / size * size)..])
                symbols[(byte)(symbol - first)]++;
            if (Plain(symbols, rules) is not RansPlan plain)
                return null;
            plainBytes = plain.EstimatedBytes;
        }

        return Choose(counts, alphabetSize, size, plainBytes, rules);
    }

    // The largest group whose tokens would not need more bits than tokens have; 0 where there is none.
    private static int LargestSize(int alphabetSize, long bitsPerSymbol)
    {
        for (int size = SymbolGroups.MaxSize(alphabetSize); size >= 2; size /= 2)
        {
            if (SymbolGroups.Numbers(alphabetSize, size) <= RansConstants.MaxAlphabet || bitsPerSymbol * size * 8 <= (long)MaxEighthsOfBit << FixedPointLog2.FractionBits)
                return size;
        }

        return 0;
    }

    // Entropy of a symbol, bits x 2^16, of 2^14 symbols in 16 runs over the whole text: it decides which groups are counted, not how they are coded.
    private static long SampledBits(ReadOnlySpan<byte> text, byte first, int alphabetSize)
    {
        const int Runs = 16;
        const int RunLength = MinLength / Runs;
        Span<int> counts = stackalloc int[alphabetSize];
        counts.Clear();
        for (int run = 0; run < Runs; run++)
        {
            foreach (byte symbol in text.Slice((int)((long)(text.Length - RunLength) * run / (Runs - 1)), RunLength))
                counts[(byte)(symbol - first)]++;
        }

        long bits = 0;
        foreach (int count in counts)
            bits += count == 0 ? 0 : count * (long)(FixedPointLog2.Of(MinLength) - FixedPointLog2.Of(count));
        return bits / MinLength;
    }

    private static long[] Weighted(long[] counts, int weight) => Array.ConvertAll(counts, count => count * weight);

    /// <summary>The plan for a token each; null where there is none.</summary>
    internal static RansPlan? Plain(ReadOnlySpan<long> counts, GroupRules rules) => RansPlan.Create(counts, GroupPlan.PrecisionBits, wideFrom: rules.WideFrom);

    // The largest group among those whose estimate is close to the smallest.
    private static GroupPlan? Choose(List<int[]> counts, int alphabetSize, int maxSize, long plainBytes, GroupRules rules)
    {
        var plans = new List<GroupPlan>();
        for (int i = 0, size = maxSize; size >= 2; i++, size /= 2)
        {
            if (GroupPlan.Create(new GroupCounts(counts[i], alphabetSize, size), rules.WideFrom) is GroupPlan plan)
                plans.Add(plan);
        }

        long smallest = plainBytes;
        foreach (GroupPlan plan in plans)
            smallest = Math.Min(smallest, plan.EstimatedBytes);
        return plans.Find(plan => plan.EstimatedBytes <= smallest + (smallest / rules.Tolerance));
    }

    /// <summary>Writes the payload.</summary>
    internal static BackwardBuffer Write(ReadOnlySpan<byte> text, byte first, int alphabetSize, GroupPlan plan)
    {
        int size = plan.GroupSize;
        int groups = text.Length / size;
        ReadOnlySpan<byte> rest = text[(groups * size)..];
        using var masks = new BackwardBuffer(plan.Escaped + ApartRoom);
        using var apart = new BackwardBuffer((plan.Escaped * size) + ApartRoom);
        Span<byte> restDigits = stackalloc byte[rest.Length];
        TensorPrimitives.Subtract(rest, first, restDigits);
        apart.Prepend(restDigits);
        BackwardBuffer payload = RansEncoder.Encode(new GroupTokens(text, first, alphabetSize, plan, masks, apart), groups, plan.Tokens);
        try
        {
            using var head = new MemoryStream();
            bool isNear = plan.Reach >= 0;
            head.WriteByte((byte)(int.Log2(size) | (plan.HasEscape ? GroupLayout.EscapeBit : 0) | (isNear ? GroupLayout.NearBit | (plan.Reach << GroupLayout.RiceOffset) : plan.RiceBits << GroupLayout.RiceOffset)));
            if (isNear || plan.HasEscape)
                head.WriteByte(plan.Filler);
            if (!isNear)
            {
                head.WriteByte((byte)(plan.Listed.Length - 1));
                WriteList(head, plan);
            }

            if (plan.HasEscape)
            {
                VarInt.Write(head, (ulong)masks.Written.Length);
                PlaneCoder.WritePlane(head, masks.Written.Span, GroupPlan.PrecisionBits, ApartWideFrom);
            }

            if (apart.Written.Length > 0)
                PlaneCoder.WritePlane(head, apart.Written.Span, GroupPlan.PrecisionBits, ApartWideFrom);
            payload.Prepend(head.GetBuffer().AsSpan(0, (int)head.Length));
            return payload;
        }
        catch
        {
            payload.Dispose();
            throw;
        }
    }

    private static void WriteList(MemoryStream output, GroupPlan plan)
    {
        var list = new BitWriter();
        int expected = 0;
        foreach (ushort number in plan.Listed)
        {
            int gap = number - expected;
            for (int i = 0; i < gap >> plan.RiceBits; i++)
                list.Write(1, 1);
            list.Write(0, 1);
            list.Write((uint)gap & ((1u << plan.RiceBits) - 1), plan.RiceBits);
            expected = number + 1;
        }

        output.Write(list.ToArray());
    }
}
