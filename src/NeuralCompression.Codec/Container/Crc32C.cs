using System.Buffers.Binary;
using System.Numerics;

namespace NeuralCompression.Codec.Container;

/// <summary>CRC-32C (Castagnoli), as in iSCSI: start and final complement 0xFFFFFFFF. Source: docs/format.md, section 7.</summary>
internal static class Crc32C
{
    internal static uint Of(ReadOnlySpan<byte> data) => ~Append(uint.MaxValue, data);

    /// <summary>Continues a checksum that has not been complemented yet.</summary>
    internal static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        while (data.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[sizeof(ulong)..];
        }

        foreach (byte value in data)
            crc = BitOperations.Crc32C(crc, value);
        return crc;
    }
}
