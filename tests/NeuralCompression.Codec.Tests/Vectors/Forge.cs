using System.Buffers.Binary;
using System.Text;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding;

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
    internal static byte[] Rans(int length, int min, int width, byte[] payload) => Coded(Coding.StaticRans, [length], min, width, payload);

    /// <summary>A one-tensor file: float32 symbols with step 1, by any coding that stores its length, and a payload of any content.</summary>
    internal static byte[] Coded(Coding coding, int[] shape, int min, int width, byte[] payload) => File(
        1,
        [.. Name("w"), 0x10, (byte)(((int)coding << 4) | shape.Length), .. shape.SelectMany(axis => VarInt((ulong)axis)), .. One, .. ZigZag(min), .. VarInt((ulong)width), .. VarInt((ulong)payload.Length), .. UInt32(Crc(payload))],
        payload);

    /// <summary>The numbers of the whole groups of digits.</summary>
    internal static int[] GroupNumbers(byte[] digits, int alphabet, int sizeLog) =>
        [.. digits.Chunk(1 << sizeLog).Where(group => group.Length == 1 << sizeLog).Select(group => group.Reverse().Aggregate(0, (number, digit) => (number * alphabet) + digit))];

    /// <summary>A payload of section 5.7: groups that are not listed share the escape; the digits of theirs that are not 0 stand apart as they are. It may tell of more of them, or fewer, than there are.</summary>
    internal static byte[] Grouped(byte[] digits, int alphabet, int sizeLog, int[] listed, int escapesMore = 0)
    {
        int size = 1 << sizeLog;
        int[] numbers = GroupNumbers(digits, alphabet, sizeLog);
        byte[] tokens = [.. numbers.Select(number => (byte)(Array.IndexOf(listed, number) is int token and >= 0 ? token : listed.Length))];
        byte[][] unlisted = [.. digits.Chunk(size).Where((group, i) => i < numbers.Length && tokens[i] == listed.Length)];
        byte[] rest = digits[(numbers.Length * size)..];
        unlisted = escapesMore < 0 ? unlisted[-escapesMore..] : [.. Enumerable.Repeat(new byte[size], escapesMore), .. unlisted];
        byte[] masks = [.. unlisted.Select(group => (byte)group.Select((digit, j) => digit == 0 ? 0 : 1 << j).Sum())];
        byte[] apart = [.. unlisted.SelectMany(group => group).Where(digit => digit != 0), .. rest];
        int escapes = masks.Length;
        long[] counts = [.. Enumerable.Range(0, listed.Length + (escapes > 0 ? 1 : 0)).Select(token => tokens.LongCount(other => other == token))];
        int rice = 3 * (sizeLog - 1);
        string list = string.Concat(listed.Select((number, i) =>
        {
            int gap = number - (i == 0 ? 0 : listed[i - 1] + 1);
            return new string('1', gap >> rice) + '0' + string.Concat(Enumerable.Range(0, rice).Select(bit => (gap >> bit) & 1));
        }));
        return
        [
            (byte)(sizeLog | (escapes > 0 ? 4 : 0) | (rice << 3)),
            .. escapes > 0 ? [0] : Array.Empty<byte>(),
            (byte)(listed.Length - 1),
            .. Bits(list),
            .. escapes > 0 ? [.. VarInt((ulong)escapes), 0, .. masks] : Array.Empty<byte>(),
            .. apart.Length > 0 ? [0, .. apart] : Array.Empty<byte>(),
            .. RansEncoder.Encode(tokens, RansPlan.Create(counts, RansConstants.MinPrecisionBits)!),
        ];
    }

    /// <summary>The same with one row and the classified coding.</summary>
    internal static byte[] Classified(int length, int min, int width, byte[] payload) => Coded(Coding.ClassifiedRans, [1, length], min, width, payload);

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
