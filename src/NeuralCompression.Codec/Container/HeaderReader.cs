using System.Buffers.Binary;

namespace NeuralCompression.Codec.Container;

/// <summary>Reads everything in front of the payloads and places them. Source: docs/format.md, section 3.</summary>
internal static class HeaderReader
{
    internal static List<TensorEntry> Read(PayloadSource source, DecodeLimits limits, out IReadOnlyDictionary<string, string> metadata)
    {
        var header = new byte[ContainerLayout.HeaderBytes + ContainerLayout.MaxVarIntBytes];
        int have = Fill(source, header, 0, ContainerLayout.HeaderBytes);
        if (!header.AsSpan(0, Math.Min(have, 4)).SequenceEqual(ContainerLayout.Magic[..Math.Min(have, 4)]))
            throw Invalid.Data(ContainerError.NotAContainer, "The file does not start with the magic number.", 0);
        if (have < ContainerLayout.HeaderBytes)
            throw Invalid.Data(ContainerError.Truncated, "The file ends inside its header.", have);
        if (header[4] == 0)
            throw Invalid.Data(ContainerError.NotAContainer, "Version 0 does not exist.", 4);
        if (header[4] > ContainerLayout.Version)
            throw new NotSupportedException(FormattableString.Invariant($"The file has format version {header[4]}; this library reads up to version {ContainerLayout.Version}."));
        byte flags = header[5];
        if ((flags & ContainerLayout.ReservedMask) != 0)
            throw Invalid.Data(ContainerError.ReservedBits, "A reserved bit of the header is set.", 5);
        if ((flags & ContainerLayout.FeatureMask & ~ContainerLayout.KnownFlags) != 0)
            throw new NotSupportedException(FormattableString.Invariant($"The file needs a feature (flags 0x{flags:X2}) this library does not know."));

        int headerLength = ReadIndexLength(source, header, limits, out int indexLength);
        source.Prefetch(headerLength, indexLength + ContainerLayout.ChecksumBytes);
        byte[] index = ReadIndex(source, headerLength, indexLength);
        uint crc = Crc32C.Append(uint.MaxValue, header.AsSpan(0, headerLength));
        crc = ~Crc32C.Append(crc, index.AsSpan(0, indexLength));
        if (crc != BinaryPrimitives.ReadUInt32LittleEndian(index.AsSpan(indexLength)))
            throw Invalid.Data(ContainerError.IndexChecksum, "The checksum of header and index is wrong.", headerLength + indexLength);

        List<TensorEntry> entries = new IndexReader(index.AsSpan(0, indexLength), headerLength, limits).Read((flags & ContainerLayout.MetadataFlag) != 0, out metadata);
        Place(source, entries, headerLength + index.Length, (flags & ContainerLayout.AlignedFlag) != 0);
        return entries;
    }

    /// <summary>True while a file that begins like this can be one, and its index length goes on.</summary>
    internal static bool MayHaveIndex(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= ContainerLayout.HeaderBytes && bytes.StartsWith(ContainerLayout.Magic) && bytes[4] == ContainerLayout.Version
        && (bytes.Length == ContainerLayout.HeaderBytes || bytes[^1] >= 0x80);

    /// <summary>Finds where index and checksum lie, without judging: only where that is certain and within the limits.</summary>
    internal static bool TryPeekIndex(ReadOnlySpan<byte> bytes, DecodeLimits limits, out int offset, out int length)
    {
        offset = ContainerLayout.HeaderBytes;
        length = 0;
        if (bytes.Length <= offset || !bytes.StartsWith(ContainerLayout.Magic) || bytes[4] != ContainerLayout.Version)
            return false;
        long value = 0;
        for (int shift = 0; offset < bytes.Length && shift < 35; shift += 7)
        {
            byte part = bytes[offset++];
            value |= (long)(part & 0x7F) << shift;
            if (part < 0x80)
            {
                length = (int)Math.Min(value, int.MaxValue - ContainerLayout.ChecksumBytes) + ContainerLayout.ChecksumBytes;
                return value <= Math.Min(limits.MaxIndexBytes, Array.MaxLength - 64);
            }
        }

        return false;
    }

    private static int Fill(PayloadSource source, byte[] header, int from, int count) => source.Read(from, header.AsSpan(from, count));

    private static int ReadIndexLength(PayloadSource source, byte[] header, DecodeLimits limits, out int indexLength)
    {
        ulong length = 0;
        int position = ContainerLayout.HeaderBytes;
        for (int shift = 0; ; shift += 7)
        {
            if (Fill(source, header, position, 1) == 0)
                throw Invalid.Data(ContainerError.Truncated, "The file ends inside its header.", position);
            byte part = header[position++];
            length |= (ulong)(part & 0x7F) << shift;
            if (shift == 63 && part > 1)
                throw Invalid.Data(ContainerError.Integer, "The index length does not fit in 64 bits.", position);
            if (part >= 0x80)
                continue;
            if (part == 0 && shift > 0)
                throw Invalid.Data(ContainerError.Integer, "The index length is longer than it needs to be.", position);
            break;
        }

        if (length > (ulong)Math.Min(limits.MaxIndexBytes, Array.MaxLength - ContainerLayout.ChecksumBytes))
            throw Invalid.Limit(nameof(DecodeLimits.MaxIndexBytes), FormattableString.Invariant($"The index has {length} bytes; the limit is {limits.MaxIndexBytes}."), ContainerLayout.HeaderBytes);
        indexLength = (int)length;
        return position;
    }

    // Index and checksum. Memory grows with the bytes that arrive, so that a length alone allocates nothing large.
    private static byte[] ReadIndex(PayloadSource source, int offset, int indexLength)
    {
        int length = indexLength + ContainerLayout.ChecksumBytes;
        if (source.Length >= 0 && source.Length - offset < length)
            throw Invalid.Data(ContainerError.Truncated, "The file ends inside its index.", source.Length);
        byte[] index = new byte[Math.Min(length, 1 << 16)];
        int filled = 0;
        while (true)
        {
            filled += source.Read(offset + filled, index.AsSpan(filled));
            if (filled == length)
                return index;
            if (filled < index.Length)
                throw Invalid.Data(ContainerError.Truncated, "The file ends inside its index.", offset + filled);
            Array.Resize(ref index, (int)Math.Min(length, 2L * index.Length));
        }
    }

    // Payloads lie in index order without holes; the file ends with the last one.
    private static void Place(PayloadSource source, List<TensorEntry> entries, long offset, bool aligned)
    {
        int ordinal = 0;
        foreach (TensorEntry entry in entries)
        {
            bool isFirst = true;
            foreach (SegmentEntry segment in entry.Segments)
            {
                segment.Ordinal = ordinal++;
                if (segment.PayloadLength == 0)
                    continue;
                long start = aligned && isFirst ? ContainerLayout.Align(offset) : offset;
                isFirst = false;
                if (source.ChecksPaddingAtOnce && start > offset && start <= source.Length)
                    CheckPadding(source, offset, start, entry);
                segment.Padding = (int)(start - offset);
                segment.PayloadOffset = start;
                offset = checked(start + segment.PayloadLength);
                if (source.Length >= 0 && offset > source.Length)
                    throw Named(Invalid.Data(ContainerError.Truncated, "The file ends inside a payload.", source.Length), entry);
            }
        }

        if (source.Length > offset)
            throw Invalid.Data(ContainerError.TrailingBytes, "The file goes on after its last payload.", offset);
    }

    private static void CheckPadding(PayloadSource source, long from, long to, TensorEntry entry)
    {
        Span<byte> padding = stackalloc byte[ContainerLayout.Alignment];
        padding = padding[..(int)(to - from)];
        if (source.Read(from, padding) != padding.Length)
            throw Named(Invalid.Data(ContainerError.Truncated, "The file ends inside padding.", from), entry);
        if (padding.ContainsAnyExcept((byte)0))
            throw Named(Invalid.Data(ContainerError.Padding, "A padding byte is not zero.", from), entry);
    }

    private static InvalidDataException Named(InvalidDataException exception, TensorEntry entry)
    {
        exception.Data[Invalid.TensorKey] = entry.Name;
        return exception;
    }
}
