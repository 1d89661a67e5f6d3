using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace NeuralCompression.Codec.Container;

/// <summary>CRC-32C (Castagnoli), as in iSCSI: start and final complement 0xFFFFFFFF. Source: docs/format.md, section 7.</summary>
/// <remarks>
/// The processor's instruction answers after three cycles but takes a new question in each, so three runs are followed side by side. A register that went over 0 before run B becomes that of
/// A and B by linearity: moved over as many zero bytes as B has, then added to B's. Gopal et al., "Fast CRC computation for iSCSI polynomial using CRC32 instruction", Intel 2011.
/// </remarks>
internal static class Crc32C
{
    /// <summary>Bytes of each of three runs.</summary>
    private const int Run = 1024;

    private const int RunWords = Run / sizeof(ulong);

    // Row k, column b: what the register b x 2^(8k) becomes over a run of zero bytes.
    private static readonly uint[] Moves = BuildMoves();

    internal static uint Of(ReadOnlySpan<byte> data) => ~Append(uint.MaxValue, data);

    /// <summary>Continues a checksum that has not been complemented yet.</summary>
    internal static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        while (data.Length >= 3 * Run)
        {
            ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data[..(3 * Run)]);
            uint second = 0;
            uint third = 0;
            for (int i = 0; i < RunWords; i++)
            {
                crc = BitOperations.Crc32C(crc, FromLittleEndian(words[i]));
                second = BitOperations.Crc32C(second, FromLittleEndian(words[i + RunWords]));
                third = BitOperations.Crc32C(third, FromLittleEndian(words[i + (2 * RunWords)]));
            }

            crc = Move(Move(crc) ^ second) ^ third;
            data = data[(3 * Run)..];
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

    private static ulong FromLittleEndian(ulong word) => BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word);

    private static uint Move(uint crc) => Moves[(byte)crc] ^ Moves[256 + (byte)(crc >> 8)] ^ Moves[512 + (byte)(crc >> 16)] ^ Moves[768 + (crc >> 24)];

    private static uint[] BuildMoves()
    {
        var moves = new uint[4 * 256];
        for (int row = 0; row < 4; row++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                uint crc = 1u << ((8 * row) + bit);
                for (int i = 0; i < Run; i += sizeof(ulong))
                    crc = BitOperations.Crc32C(crc, 0UL);
                for (int column = 0; column < 1 << bit; column++)
                    moves[(row * 256) + (1 << bit) + column] = moves[(row * 256) + column] ^ crc;
            }
        }

        return moves;
    }
}
