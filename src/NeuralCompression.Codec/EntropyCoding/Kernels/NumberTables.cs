using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>Tables with an entry for each of many numbers: counting and looking up.</summary>
internal static unsafe class NumberTables
{
    /// <summary>Counts numbers in four tables side by side, because equal neighbours would wait for one another; or in one, with a stride of 0.</summary>
    /// <param name="numbers">The numbers, below <paramref name="size"/>.</param>
    /// <param name="counts">The tables; added to.</param>
    /// <param name="size">Entries of a table.</param>
    /// <param name="stride">Entries from one table to the next: <paramref name="size"/> or 0.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Count(ReadOnlySpan<ushort> numbers, Span<int> counts, int size, int stride)
    {
        Check(numbers, size);
        ArgumentOutOfRangeException.ThrowIfLessThan(counts.Length, size + (3 * stride));
        fixed (ushort* start = numbers)
        fixed (int* first = counts)
        {
            int* second = first + stride;
            int* third = second + stride;
            int* fourth = third + stride;
            ushort* next = start;
            ushort* end = start + numbers.Length;
            for (; end - next >= 4; next += 4)
            {
                first[next[0]]++;
                second[next[1]]++;
                third[next[2]]++;
                fourth[next[3]]++;
            }

            for (; next < end; next++)
                first[*next]++;
        }
    }

    /// <summary>The numbers as bytes, modulo 256.</summary>
    internal static void Narrow(ReadOnlySpan<ushort> numbers, Span<byte> values)
    {
        for (; numbers.Length >= 2 * Vector256<ushort>.Count; numbers = numbers[(2 * Vector256<ushort>.Count)..])
        {
            Vector256.Narrow(Vector256.Create(numbers), Vector256.Create(numbers[Vector256<ushort>.Count..])).CopyTo(values);
            values = values[Vector256<byte>.Count..];
        }

        for (int i = 0; i < numbers.Length; i++)
            values[i] = (byte)numbers[i];
    }

    /// <summary>Looks up a byte for every number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Map(ReadOnlySpan<ushort> numbers, ReadOnlySpan<byte> table, Span<byte> values)
    {
        Check(numbers, table.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(values.Length, numbers.Length);
        fixed (ushort* number = numbers)
        fixed (byte* map = table)
        fixed (byte* value = values)
        {
            for (int i = 0; i < numbers.Length; i++)
                value[i] = map[number[i]];
        }
    }

    // Once for all: a number can only be too large if another thread changes the symbols it is made from.
    private static void Check(ReadOnlySpan<ushort> numbers, int size)
    {
        if (numbers.Length > 0 && TensorPrimitives.Max(numbers) >= size)
            throw new InvalidOperationException("The symbols changed while they were encoded.");
    }
}
