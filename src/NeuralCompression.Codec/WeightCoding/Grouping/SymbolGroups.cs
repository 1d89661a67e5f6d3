using System.Buffers;
using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>Groups of 2, 4 or 8 neighbouring symbols as one number: digits to the base of the alphabet, the first symbol lowest.</summary>
internal static class SymbolGroups
{
    /// <summary>Group numbers are below this.</summary>
    internal const int MaxNumbers = 1 << 16;

    /// <summary>The largest group for an alphabet: 8 for up to 4 symbols, 4 for up to 16, 2 for up to 256.</summary>
    internal static int MaxSize(int alphabetSize) => alphabetSize <= 4 ? 8 : alphabetSize <= 16 ? 4 : 2;

    /// <summary>How many different groups there are; at most <see cref="MaxNumbers"/>.</summary>
    internal static int Numbers(int alphabetSize, int groupSize)
    {
        int numbers = 1;
        for (int i = 0; i < groupSize; i++)
            numbers *= alphabetSize;
        return numbers;
    }

    /// <summary>Groups numbered at once, so that their digits stay in the first-level cache.</summary>
    internal const int Block = 1024;

    /// <summary>The largest group: symbols.</summary>
    private const int LargestGroup = 8;

    /// <summary>Up to here four tables of counts fit in the second-level cache.</summary>
    private const int MaxFourfold = 1 << 13;

    /// <summary>The number of each whole group of symbols; at most <see cref="Block"/> of them.</summary>
    [SkipLocalsInit]
    internal static void Number(ReadOnlySpan<byte> text, byte first, int alphabetSize, int groupSize, Span<ushort> numbers)
    {
        Span<byte> digits = stackalloc byte[Block * LargestGroup];
        digits = digits[..(numbers.Length * groupSize)];
        TensorPrimitives.Subtract(text[..digits.Length], first, digits);
        Number(digits, alphabetSize, groupSize, numbers);
    }

    /// <summary>The number of each whole group of digits.</summary>
    internal static void Number(ReadOnlySpan<byte> digits, int alphabetSize, int groupSize, Span<ushort> numbers)
    {
        // Two, four, then eight digits side by side in 64 bits; the partial numbers stay below 2^8, 2^16 and 2^32, so nothing carries over.
        ulong once = (ulong)alphabetSize;
        ulong twice = once * once;
        ulong fourTimes = twice * twice;
        int perStep = sizeof(ulong) / groupSize;
        int i = Avx2.IsSupported ? NumberWide(digits, alphabetSize, groupSize, numbers) : 0;
        for (; (i + perStep) * groupSize <= digits.Length && i + perStep <= numbers.Length; i += perStep)
        {
            ulong eight = BinaryPrimitives.ReadUInt64LittleEndian(digits[(i * groupSize)..]);
            ulong pairs = (eight & 0x00FF00FF00FF00FF) + (once * ((eight >> 8) & 0x00FF00FF00FF00FF));
            if (groupSize == 2)
            {
                numbers[i + 3] = (ushort)(pairs >> 48);
                numbers[i + 2] = (ushort)(pairs >> 32);
                numbers[i + 1] = (ushort)(pairs >> 16);
                numbers[i] = (ushort)pairs;
                continue;
            }

            ulong fours = (pairs & 0x0000FFFF0000FFFF) + (twice * ((pairs >> 16) & 0x0000FFFF0000FFFF));
            if (groupSize == 4)
            {
                numbers[i + 1] = (ushort)(fours >> 32);
                numbers[i] = (ushort)fours;
                continue;
            }

            numbers[i] = (ushort)((uint)fours + ((uint)fourTimes * (uint)(fours >> 32)));
        }

        for (; i < numbers.Length; i++)
        {
            int number = 0;
            for (int digit = groupSize - 1; digit >= 0; digit--)
                number = (number * alphabetSize) + digits[(i * groupSize) + digit];
            numbers[i] = (ushort)number;
        }
    }

    /// <summary>The digits of a number.</summary>
    internal static void Split(int number, int alphabetSize, Span<byte> digits)
    {
        foreach (ref byte digit in digits)
            (number, digit) = (number / alphabetSize, (byte)(number % alphabetSize));
    }

    // The same, 32 digits at a time, as far as they go; gives how many groups that were.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int NumberWide(ReadOnlySpan<byte> digits, int alphabetSize, int groupSize, Span<ushort> numbers)
    {
        int i = 0;
        if (groupSize == 2)
        {
            Vector256<ushort> scale = Vector256.Create((ushort)alphabetSize);
            for (; i + 16 <= numbers.Length; i += 16)
            {
                Vector256<ushort> pairs = Vector256.Create(digits.Slice(i * 2, 32)).AsUInt16();
                ((pairs & Vector256.Create((ushort)255)) + (scale * Vector256.ShiftRightLogical(pairs, 8))).CopyTo(numbers[i..]);
            }

            return i;
        }

        // Up to 16 symbols: pairs stay below 2^8, fours below 2^16, and all factors fit in the signed operand.
        Vector256<sbyte> once = Vector256.Create((short)(1 | (alphabetSize << 8))).AsSByte();
        Vector256<short> twice = Vector256.Create(1 | ((alphabetSize * alphabetSize) << 16)).AsInt16();
        if (groupSize == 4)
        {
            for (; i + 16 <= numbers.Length; i += 16)
            {
                Vector256<ushort> both = Avx2.PackUnsignedSaturate(Fours(digits.Slice(i * 4, 32), once, twice), Fours(digits.Slice((i * 4) + 32, 32), once, twice));
                Avx2.Permute4x64(both.AsUInt64(), 0b11011000).AsUInt16().CopyTo(numbers[i..]);
            }

            return i;
        }

        Vector256<short> fourTimes = Vector256.Create(1 | (alphabetSize * alphabetSize * alphabetSize * alphabetSize << 16)).AsInt16();
        for (; i + 16 <= numbers.Length; i += 16)
        {
            ReadOnlySpan<byte> block = digits.Slice(i * 8, 128);
            Vector256<ushort> first = Avx2.PackUnsignedSaturate(Fours(block[..32], once, twice), Fours(block.Slice(32, 32), once, twice));
            Vector256<ushort> second = Avx2.PackUnsignedSaturate(Fours(block.Slice(64, 32), once, twice), Fours(block.Slice(96, 32), once, twice));
            Vector256<ushort> all = Avx2.PackUnsignedSaturate(
                Avx2.MultiplyAddAdjacent(first.AsInt16(), fourTimes), Avx2.MultiplyAddAdjacent(second.AsInt16(), fourTimes));

            // Packing within halves leaves pairs of numbers as 0 2 4 6 1 3 5 7.
            Avx2.PermuteVar8x32(all.AsInt32(), Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7)).AsUInt16().CopyTo(numbers[i..]);
        }

        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Fours(ReadOnlySpan<byte> digits, Vector256<sbyte> once, Vector256<short> twice) =>
        Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Vector256.Create(digits), once), twice);

    /// <summary>How often each number occurs among the whole groups of a text of symbols.</summary>
    internal static int[] Count(ReadOnlySpan<byte> text, byte first, int alphabetSize, int groupSize)
    {
        int size = Numbers(alphabetSize, groupSize);
        int stride = size <= MaxFourfold ? size : 0;
        int[] counts = ArrayPool<int>.Shared.Rent(size + (3 * stride));
        try
        {
            counts.AsSpan(0, size + (3 * stride)).Clear();
            Span<ushort> numbers = stackalloc ushort[Block];
            for (int left = text.Length / groupSize; left > 0; left -= numbers.Length)
            {
                numbers = numbers[..Math.Min(Block, left)];
                Number(text, first, alphabetSize, groupSize, numbers);
                NumberTables.Count(numbers, counts, size, stride);
                text = text[(numbers.Length * groupSize)..];
            }

            for (int number = 0; number < stride; number++)
                counts[number] += counts[stride + number] + counts[(2 * stride) + number] + counts[(3 * stride) + number];
            return counts[..size];
        }
        finally
        {
            ArrayPool<int>.Shared.Return(counts);
        }
    }

    /// <summary>Counts of groups half as long, from counts of groups: both halves of each.</summary>
    internal static int[] Halve(ReadOnlySpan<int> counts, int halfNumbers)
    {
        var halves = new int[halfNumbers];
        for (int high = 0; high < halfNumbers; high++)
        {
            for (int low = 0; low < halfNumbers; low++)
            {
                int count = counts[(high * halfNumbers) + low];
                halves[low] += count;
                halves[high] += count;
            }
        }

        return halves;
    }
}
