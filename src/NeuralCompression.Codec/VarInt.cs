namespace NeuralCompression.Codec;

/// <summary>Integers of seven bits a byte, lowest first; the high bit says that another byte follows. Source: docs/format.md, section 2.</summary>
internal static class VarInt
{
    /// <summary>Bits that a number in a payload may take: 5 bytes, more than any length.</summary>
    private const int PayloadBits = 35;

    /// <summary>Writes a number in its shortest form.</summary>
    internal static void Write(Stream stream, ulong value)
    {
        while (value >= 0x80)
        {
            stream.WriteByte((byte)(value | 0x80));
            value >>= 7;
        }

        stream.WriteByte((byte)value);
    }

    /// <summary>The bytes of a number.</summary>
    internal static byte[] ToArray(ulong value)
    {
        using var bytes = new MemoryStream();
        Write(bytes, value);
        return bytes.ToArray();
    }

    /// <summary>Reads a number of a payload, which is refused where it is not in its shortest form.</summary>
    /// <returns>Its bytes; 0 where they end early.</returns>
    internal static int Read(ReadOnlySpan<byte> bytes, out long value)
    {
        value = 0;
        int position = 0;
        for (int shift = 0; shift < PayloadBits; shift += 7)
        {
            if (position == bytes.Length)
                return 0;
            byte next = bytes[position++];
            value |= (long)(next & 127) << shift;
            if (next >= 128)
                continue;
            if (next == 0 && shift > 0)
                break;
            return position;
        }

        Invalid.Throw(ContainerError.Integer, "An integer is not in its shortest form.");
        return 0;
    }
}
