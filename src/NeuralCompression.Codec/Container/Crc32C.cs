using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NeuralCompression.Codec.Container;

/// <summary>CRC-32C (Castagnoli), as in iSCSI: start and final complement 0xFFFFFFFF. Source: docs/format.md, section 7.</summary>
internal static class Crc32C
{
    /// <summary>Bytes of one of three parts whose checksums are computed side by side, because each step of one waits for the step before.</summary>
    private const int PartBytes = 4096;

    // What PartBytes zeros make of each byte of a checksum: 4 x 256.
    private static readonly uint[] Zeros = BuildZeros();

    internal static uint Of(ReadOnlySpan<byte> data) => ~Append(uint.MaxValue, data);

    /// <summary>Continues a checksum that has not been complemented yet.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        for (; data.Length >= 3 * PartBytes; data = data[(3 * PartBytes)..])
        {
            (crc, uint second, uint third) = Three(crc, data[..(3 * PartBytes)]);

            // A checksum is linear: that of bytes that follow others is that of the others followed by zeros, exclusive-or that of the bytes alone.
            crc = AppendZeros(AppendZeros(crc) ^ second) ^ third;
        }

        while (data.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[sizeof(ulong)..];
        }

        foreach (byte value in data)
            crc = BitOperations.Crc32C(crc, value);
        return crc;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (uint First, uint Second, uint Third) Three(uint first, ReadOnlySpan<byte> data)
    {
        uint second = 0;
        uint third = 0;
        ref byte start = ref MemoryMarshal.GetReference(data);
        for (nuint i = 0; i < PartBytes; i += sizeof(ulong))
        {
            first = BitOperations.Crc32C(first, Word(ref Unsafe.Add(ref start, i)));
            second = BitOperations.Crc32C(second, Word(ref Unsafe.Add(ref start, i + PartBytes)));
            third = BitOperations.Crc32C(third, Word(ref Unsafe.Add(ref start, i + (2 * PartBytes))));
        }

        return (first, second, third);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Word(ref byte start)
    {
        ulong word = Unsafe.ReadUnaligned<ulong>(ref start);
        return BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word);
    }

    private static uint AppendZeros(uint crc) =>
        Zeros[(byte)crc] ^ Zeros[256 + (byte)(crc >> 8)] ^ Zeros[512 + (byte)(crc >> 16)] ^ Zeros[768 + (int)(crc >> 24)];

    private static uint[] BuildZeros()
    {
        var zeros = new uint[4 * 256];
        for (int bit = 0; bit < 32; bit++)
        {
            uint crc = 1u << bit;
            for (int i = 0; i < PartBytes; i += sizeof(ulong))
                crc = BitOperations.Crc32C(crc, 0UL);

            // Every value with this bit is one without it, whose entry is there already, exclusive-or this bit alone.
            int table = bit / 8 * 256;
            int value = 1 << (bit % 8);
            for (int lower = 0; lower < value; lower++)
                zeros[table + value + lower] = zeros[table + lower] ^ crc;
        }

        return zeros;
    }
}
