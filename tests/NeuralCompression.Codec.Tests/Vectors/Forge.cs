using System.Buffers.Binary;
using System.Text;

namespace NeuralCompression.Codec.Tests.Vectors;

/// <summary>Puts files together byte by byte, right checksums included, without the writer's scruples.</summary>
internal static class Forge
{
    internal static readonly byte[] One = [0, 0, 0x80, 0x3F];

    /// <summary>A file from an index (without its count) and payloads.</summary>
    internal static byte[] File(int count, byte[] index, byte[]? payloads = null, byte flags = 0, byte version = 1) =>
        Seal([0x8F, 0x4E, 0x43, 0x4D, version, flags, .. VarInt((ulong)index.Length + (ulong)VarInt((ulong)count).Length), .. VarInt((ulong)count), .. index], payloads ?? []);

    /// <summary>Adds the checksum of header and index, then payloads.</summary>
    internal static byte[] Seal(byte[] head, byte[] payloads) => [.. head, .. UInt32(Crc(head)), .. payloads];

    internal static byte[] Name(string name) => [.. NameLengths(0, name.Length), .. Encoding.UTF8.GetBytes(name)];

    internal static byte[] NameLengths(int shared, int added) =>
        [(byte)(Math.Min(shared, 15) | (Math.Min(added, 15) << 4)), .. shared >= 15 ? VarInt((ulong)(shared - 15)) : [], .. added >= 15 ? VarInt((ulong)(added - 15)) : []];

    /// <summary>A one-tensor file: float32 symbols with step 1 by static rANS and a payload of any content.</summary>
    internal static byte[] Rans(int length, int min, int width, byte[] payload) =>
        File(1, [.. Name("w"), 0x10, 0x21, .. VarInt((ulong)length), .. One, .. ZigZag(min), .. VarInt((ulong)width), .. VarInt((ulong)payload.Length), .. UInt32(Crc(payload))], payload);

    /// <summary>The same with one row and the classified coding.</summary>
    internal static byte[] Classified(int length, int min, int width, byte[] payload) =>
        File(1, [.. Name("w"), 0x10, 0x62, 1, .. VarInt((ulong)length), .. One, .. ZigZag(min), .. VarInt((ulong)width), .. VarInt((ulong)payload.Length), .. UInt32(Crc(payload))], payload);

    /// <summary>A one-tensor file: float32 without loss in byte planes and a payload of any content.</summary>
    internal static byte[] Planes(int length, byte[] payload) =>
        File(1, [.. Name("w"), 0x00, 0x31, .. VarInt((ulong)length), .. VarInt((ulong)payload.Length), .. UInt32(Crc(payload))], payload);

    internal static byte[] VarInt(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7)
            bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return [.. bytes];
    }

    internal static byte[] ZigZag(int value) => VarInt(value >= 0 ? 2UL * (ulong)value : (2UL * (ulong)-(long)value) - 1);

    internal static byte[] UInt32(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }

    /// <summary>Bits given as text, first bit first; spaces are for the reader.</summary>
    internal static byte[] Bits(string bits)
    {
        bits = bits.Replace(" ", "", StringComparison.Ordinal);
        var bytes = new byte[(bits.Length + 7) / 8];
        for (int i = 0; i < bits.Length; i++)
            bytes[i / 8] |= (byte)((bits[i] - '0') << (i % 8));
        return bytes;
    }

    /// <summary>CRC-32C bit by bit, from its definition.</summary>
    internal static uint Crc(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in data)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ ((crc & 1) * 0x82F63B78);
        }

        return ~crc;
    }
}
