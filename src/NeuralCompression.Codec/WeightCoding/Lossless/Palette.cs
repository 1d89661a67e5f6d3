using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.WeightCoding.Lossless.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Lossless;

/// <summary>The values of a tensor that has at most 256: a network stored as floats after quantisation, masks, small integers. Source: docs/format.md, section 5.5.4.</summary>
internal static class Palette
{
    /// <summary>Places in the list are bytes.</summary>
    internal const int MaxCount = 256;

    private const int TableBits = 10;

    /// <summary>Lists the values and writes each element's place; stops as soon as there is one too many, which dense tensors show after a few hundred elements.</summary>
    /// <param name="elements">Elements of 2, 4 or 8 bytes.</param>
    /// <param name="size">Bytes of an element.</param>
    /// <param name="places">Receives a byte for each element.</param>
    /// <returns>The values one after another, ascending as unsigned integers; null if there are more than 256.</returns>
    internal static byte[]? Find(ReadOnlySpan<byte> elements, int size, Span<byte> places) => size switch
    {
        sizeof(ushort) => Find(MemoryMarshal.Cast<byte, ushort>(elements), places),
        sizeof(uint) => Find(MemoryMarshal.Cast<byte, uint>(elements), places),
        _ => Find(MemoryMarshal.Cast<byte, ulong>(elements), places),
    };

    /// <summary>Whether values ascend, each greater than the one before.</summary>
    internal static bool Ascends(ReadOnlySpan<byte> values, int size)
    {
        for (int offset = size; offset < values.Length; offset += size)
        {
            if (ScalarPlanes.Read(values.Slice(offset - size, size)) >= ScalarPlanes.Read(values.Slice(offset, size)))
                return false;
        }

        return true;
    }

    /// <summary>Replaces places by values.</summary>
    /// <param name="places">A byte for each element.</param>
    /// <param name="values">256 values.</param>
    /// <param name="size">Bytes of an element.</param>
    /// <param name="elements">Receives the elements.</param>
    internal static void LookUp(ReadOnlySpan<byte> places, ReadOnlySpan<byte> values, int size, Span<byte> elements)
    {
        switch (size)
        {
            case sizeof(ushort):
                LookUp(places, MemoryMarshal.Cast<byte, ushort>(values), MemoryMarshal.Cast<byte, ushort>(elements));
                break;
            case sizeof(uint):
                LookUp(places, MemoryMarshal.Cast<byte, uint>(values), MemoryMarshal.Cast<byte, uint>(elements));
                break;
            default:
                LookUp(places, MemoryMarshal.Cast<byte, ulong>(values), MemoryMarshal.Cast<byte, ulong>(elements));
                break;
        }
    }

    private static byte[]? Find<T>(ReadOnlySpan<T> elements, Span<byte> places)
        where T : unmanaged, IBinaryInteger<T>
    {
        Span<T> found = stackalloc T[MaxCount];
        Span<short> table = stackalloc short[1 << TableBits];           // number of a value in order of appearance, plus 1; linear probing, a quarter full at most
        table.Clear();
        int count = 0;
        for (int i = 0; i < elements.Length; i++)
        {
            T value = elements[i];
            uint slot = Hash(value);
            while (table[(int)slot] != 0 && found[table[(int)slot] - 1] != value)
                slot = (slot + 1) & ((1 << TableBits) - 1);
            if (table[(int)slot] == 0)
            {
                if (count == MaxCount)
                    return null;
                found[count++] = value;
                table[(int)slot] = (short)count;
            }

            places[i] = (byte)(table[(int)slot] - 1);
        }

        ulong[] keys = new ulong[count];
        for (int i = 0; i < count; i++)
            keys[i] = Number(found[i]);
        int[] order = [.. Enumerable.Range(0, count)];
        Array.Sort(keys, order);
        Span<byte> place = stackalloc byte[MaxCount];
        var values = new byte[count * Unsafe.SizeOf<T>()];
        for (int i = 0; i < count; i++)
        {
            place[order[i]] = (byte)i;
            MemoryMarshal.Cast<byte, T>(values.AsSpan())[i] = found[order[i]];
        }

        for (int i = 0; i < elements.Length; i++)
            places[i] = place[places[i]];
        return values;
    }

    private static uint Hash<T>(T value)
        where T : unmanaged, IBinaryInteger<T> => (uint)((ulong.CreateTruncating(value) * 0x9E3779B97F4A7C15) >> (64 - TableBits));

    // The bytes of T are those of the file, little-endian.
    private static ulong Number<T>(T value)
        where T : unmanaged, IBinaryInteger<T> => BitConverter.IsLittleEndian
            ? ulong.CreateTruncating(value)
            : BinaryPrimitives.ReverseEndianness(ulong.CreateTruncating(value)) >> (64 - (8 * Unsafe.SizeOf<T>()));

    private static void LookUp<T>(ReadOnlySpan<byte> places, ReadOnlySpan<T> values, Span<T> elements)
    {
        values = values[..MaxCount];
        elements = elements[..places.Length];
        for (int i = 0; i < places.Length; i++)
            elements[i] = values[places[i]];
    }
}
