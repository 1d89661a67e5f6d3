using System.Buffers;
using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>Chooses a group size and writes the payload of the grouped coding. Source: docs/format.md, section 5.7.</summary>
internal static class GroupEncoder
{
    /// <summary>Below this many symbols speed does not show and the list of groups does.</summary>
    internal const int MinLength = 1 << 14;

    /// <summary>A larger group, which decodes faster, may cost one part in this many of the smallest estimate.</summary>
    private const int Tolerance = 256;

    /// <summary>Above this many eighths of a bit per symbol pairs would need more tokens than there are.</summary>
    private const int MaxEighthsOfBit = 28;

    /// <summary>Bytes from which the symbols coded apart get 32 lanes: they are few, but would take long one by one.</summary>
    private const int ApartWideFrom = 2 << 10;

    /// <summary>Above this alphabet symbols are counted on their own before groups are, since pairs seldom pay.</summary>
    private const int SmallAlphabet = 16;

    /// <summary>Codes digits (symbols minus the smallest) in groups where that is not more than 0.4 % longer than a token for each.</summary>
    /// <param name="digits">The text.</param>
    /// <param name="alphabetSize">Digits are below this.</param>
    /// <param name="plain">The plan for a token each; null where there is none.</param>
    /// <returns>The payload, or null where a token each is better.</returns>
    internal static byte[]? TryEncode(ReadOnlySpan<byte> digits, int alphabetSize, out RansPlan? plain)
    {
        plain = null;
        if (digits.Length < MinLength || alphabetSize > SmallAlphabet)
        {
            plain = Plain(ByteHistogram.Count(digits, alphabetSize));
            if (digits.Length < MinLength || !IsCandidate(plain, digits.Length))
                return null;
        }

        int size = SymbolGroups.MaxSize(alphabetSize);
        ushort[] rented = ArrayPool<ushort>.Shared.Rent(digits.Length / 2);
        try
        {
            Span<ushort> numbers = rented.AsSpan(0, digits.Length / size);
            SymbolGroups.Number(digits, alphabetSize, size, numbers);
            List<int[]> counts = [SymbolGroups.Count(numbers, SymbolGroups.Numbers(alphabetSize, size))];
            for (int half = size / 2; half >= 1; half /= 2)
                counts.Add(SymbolGroups.Halve(counts[^1], SymbolGroups.Numbers(alphabetSize, half)));
            if (plain is null)
            {
                long[] symbols = Array.ConvertAll(counts[^1], count => (long)count);
                foreach (byte digit in digits[(numbers.Length * size)..])
                    symbols[digit]++;
                plain = Plain(symbols);
                if (!IsCandidate(plain, digits.Length))
                    return null;
            }

            GroupPlan? chosen = Choose(counts, alphabetSize, size, plain!.EstimatedBytes);
            if (chosen is null)
                return null;
            if (chosen.GroupSize != size)
            {
                numbers = rented.AsSpan(0, digits.Length / chosen.GroupSize);
                SymbolGroups.Number(digits, alphabetSize, chosen.GroupSize, numbers);
            }

            return Write(digits, alphabetSize, chosen, numbers);
        }
        finally
        {
            ArrayPool<ushort>.Shared.Return(rented);
        }
    }

    private static RansPlan? Plain(long[] counts) => RansPlan.Create(counts, GroupPlan.PrecisionBits, wideFrom: RansPlan.FastWideFrom);

    private static bool IsCandidate(RansPlan? plain, int length) => plain is not null && plain.EstimatedBytes * 64 <= (long)length * MaxEighthsOfBit;

    // The largest group among those whose estimate is close to the smallest.
    private static GroupPlan? Choose(List<int[]> counts, int alphabetSize, int maxSize, long plainBytes)
    {
        var plans = new List<GroupPlan>();
        for (int i = 0, size = maxSize; size >= 2; i++, size /= 2)
        {
            if (GroupPlan.Create(counts[i], alphabetSize, size) is GroupPlan plan)
                plans.Add(plan);
        }

        long smallest = plainBytes;
        foreach (GroupPlan plan in plans)
            smallest = Math.Min(smallest, plan.EstimatedBytes);
        return plans.Find(plan => plan.EstimatedBytes <= smallest + (smallest / Tolerance));
    }

    private static byte[] Write(ReadOnlySpan<byte> digits, int alphabetSize, GroupPlan plan, ReadOnlySpan<ushort> numbers)
    {
        int size = plan.GroupSize;
        byte escape = (byte)plan.Listed.Length;
        byte[] rented = ArrayPool<byte>.Shared.Rent(numbers.Length);
        try
        {
            Span<byte> tokens = rented.AsSpan(0, numbers.Length);
            Tokens(numbers, alphabetSize, plan, tokens);
            var apart = new ArrayBufferWriter<byte>();
            int escaped = 0;
            for (int start = 0; plan.HasEscape; start++, escaped++)
            {
                int next = tokens[start..].IndexOf(escape);
                if (next < 0)
                    break;
                start += next;
                apart.Write(digits.Slice(start * size, size));
            }

            apart.Write(digits[(numbers.Length * size)..]);

            using var output = new MemoryStream();
            output.WriteByte((byte)(int.Log2(size) | (plan.HasEscape ? GroupLayout.EscapeBit : 0) | (plan.RiceBits << GroupLayout.RiceOffset)));
            output.WriteByte((byte)(plan.Listed.Length - 1));
            WriteList(output, plan);
            if (plan.HasEscape)
                WriteCount(output, (uint)escaped);
            if (apart.WrittenCount > 0)
                PlaneCoder.WritePlane(output, apart.WrittenSpan, GroupPlan.PrecisionBits, ApartWideFrom);
            output.Write(RansEncoder.Encode(tokens, plan.Tokens));
            return output.ToArray();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tokens(ReadOnlySpan<ushort> numbers, int alphabetSize, GroupPlan plan, Span<byte> tokens)
    {
        var tokenOf = new byte[SymbolGroups.Numbers(alphabetSize, plan.GroupSize)];
        tokenOf.AsSpan().Fill((byte)plan.Listed.Length);
        for (int token = 0; token < plan.Listed.Length; token++)
            tokenOf[plan.Listed[token]] = (byte)token;
        numbers = numbers[..tokens.Length];
        for (int i = 0; i < tokens.Length; i++)
            tokens[i] = tokenOf[numbers[i]];
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

    private static void WriteCount(MemoryStream output, uint count)
    {
        for (; count >= 128; count >>= 7)
            output.WriteByte((byte)(count | 128));
        output.WriteByte((byte)count);
    }
}
