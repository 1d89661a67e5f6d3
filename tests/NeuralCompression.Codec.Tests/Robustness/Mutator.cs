using System.Buffers.Binary;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Changes valid files at random: their bytes, with and without right checksums, and their structure.</summary>
internal static class Mutator
{
    /// <summary>Changes one to four places of a file's bytes; half of the changes hit header and index, which are short.</summary>
    internal static byte[] Bytes(byte[] file, IReadOnlyList<byte[]> others, XorShift random, int front = 160)
    {
        var bytes = new List<byte>(file);
        int times = 1 + random.Next(4);
        for (int i = 0; i < times && bytes.Count > 0; i++)
        {
            int at = random.Next(2) == 0 ? random.Next(Math.Min(bytes.Count, front)) : random.Next(bytes.Count);
            switch (random.Next(7))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes[at] = random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => 0x80 };
                    break;
                case 3:
                    bytes.RemoveRange(at, Math.Min(bytes.Count - at, 1 + random.Next(8)));
                    break;
                case 4:
                    bytes.InsertRange(at, Enumerable.Range(0, 1 + random.Next(8)).Select(_ => (byte)random.Next(256)));
                    break;
                case 5:
                    byte[] other = others[random.Next(others.Count)];
                    int from = random.Next(other.Length);
                    int count = Math.Min(1 + random.Next(16), Math.Min(other.Length - from, bytes.Count - at));
                    for (int j = 0; j < count; j++)
                        bytes[at + j] = other[from + j];
                    break;
                default:
                    bytes[at] += (byte)(random.Next(2) == 0 ? 1 : -1);
                    break;
            }
        }

        return [.. bytes];
    }

    /// <summary>Writes right checksums over a file whose content was changed, as far as its structure can still be followed.</summary>
    internal static bool Repair(byte[] file)
    {
        int position = ContainerLayout.HeaderBytes;
        ulong length = 0;
        for (int shift = 0; ; shift += 7)
        {
            if (position >= file.Length || shift > 28)
                return false;
            byte part = file[position++];
            length |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                break;
        }

        if (length > (ulong)file.Length || position + (int)length + ContainerLayout.ChecksumBytes > file.Length)
            return false;
        int end = position + (int)length;
        Seal();
        try
        {
            using CompressedModelReader reader = (file[ContainerLayout.HeaderBytes - 1] & ContainerLayout.UpdateFlag) != 0
                ? CompressedModelReader.OpenUpdate(new MemoryStream(file), Victim.Limits, leaveOpen: false)
                : CompressedModelReader.Open(new MemoryStream(file), Victim.Limits);
            Span<byte> wrong = stackalloc byte[ContainerLayout.ChecksumBytes];
            foreach (CompressedTensorInfo tensor in reader.Tensors.Where(tensor => tensor.AliasOf is null))
            {
                foreach (SegmentEntry segment in tensor.Entry.Segments)
                {
                    uint right = Crc32C.Of(file.AsSpan((int)segment.PayloadOffset, (int)segment.PayloadLength));
                    if (segment.PayloadLength == 0 || right == segment.PayloadChecksum)
                        continue;

                    // Its bytes are in the index exactly once as a rule.
                    BinaryPrimitives.WriteUInt32LittleEndian(wrong, segment.PayloadChecksum);
                    int at = file.AsSpan(position, (int)length).IndexOf(wrong);
                    if (at < 0)
                        return false;
                    BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(position + at), right);
                }
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
            return false;
        }

        Seal();
        return true;

        void Seal() => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(end), Crc32C.Of(file.AsSpan(0, end)));
    }

    /// <summary>Changes payloads, codings and symbol ranges of a file and writes an index that is right for them, so that the coders meet what the container would have caught. Of a file without an index only bytes.</summary>
    internal static byte[] Structure(byte[] file, IReadOnlyList<byte[]> others, XorShift random)
    {
        CompressedModelReader opened;
        try
        {
            opened = CompressedModelReader.Open(new MemoryStream(file), Victim.Limits);
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
            return Bytes(file, others, random);
        }

        using CompressedModelReader reader = opened;
        SegmentEntry[] coded = [.. reader.Tensors.Where(tensor => tensor.AliasOf is null).SelectMany(tensor => tensor.Entry.Segments).Where(segment => segment.PayloadLength > 0)];
        if (coded.Length == 0)
            return Bytes(file, others, random);
        SegmentEntry chosen = coded[random.Next(coded.Length)];
        var entries = new List<TensorEntry>();
        var payloads = new List<byte[]>();
        foreach (CompressedTensorInfo tensor in reader.Tensors)
        {
            TensorEntry entry = tensor.AliasOf is null ? tensor.Entry : new TensorEntry { Name = tensor.Name, AliasTarget = IndexOf(reader, tensor.AliasOf) };
            var segments = new List<SegmentEntry>();
            foreach (SegmentEntry segment in entry.Segments)
            {
                byte[] payload = file[(int)segment.PayloadOffset..(int)(segment.PayloadOffset + segment.PayloadLength)];
                segments.Add(ReferenceEquals(segment, chosen) ? Change(segment, entry, ref payload, others, random) : segment);
                payloads.Add(payload);
            }

            entries.Add(entry.AliasTarget >= 0
                ? entry
                : new TensorEntry { Name = entry.Name, ElementType = entry.ElementType, Shape = entry.Shape, Length = entry.Length, Grid = entry.Grid, SegmentLength = entry.SegmentLength, Segments = segments });
        }

        byte[] index = IndexWriter.Write(entries, reader.Metadata);
        using var output = new MemoryStream();
        output.Write(ContainerLayout.Magic);
        output.Write([ContainerLayout.Version, reader.Metadata.Count > 0 ? ContainerLayout.MetadataFlag : (byte)0]);
        VarInt.Write(output, (ulong)index.Length);
        output.Write(index);
        Span<byte> checksum = stackalloc byte[ContainerLayout.ChecksumBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(checksum, Crc32C.Of(output.ToArray()));
        output.Write(checksum);
        foreach (byte[] payload in payloads)
            output.Write(payload);
        return output.ToArray();
    }

    private static int IndexOf(CompressedModelReader reader, string name) => reader.Tensors.TakeWhile(tensor => tensor.Name != name).Count();

    private static SegmentEntry Change(SegmentEntry segment, TensorEntry entry, ref byte[] payload, IReadOnlyList<byte[]> others, XorShift random)
    {
        Coding coding = segment.Coding;
        int min = segment.MinSymbol;
        int max = segment.MaxSymbol;
        if (random.Next(16) == 0)
        {
            Coding[] all = Enum.GetValues<Coding>();
            coding = all[random.Next(all.Length)];
        }

        if (random.Next(8) == 0)
            (min, max) = (Math.Clamp(min + random.Next(5) - 2, short.MinValue, max), Math.Clamp(max + random.Next(5) - 2, Math.Max(min, short.MinValue), short.MaxValue));
        if (random.Next(16) != 0)
            payload = Bytes(payload, others, random, front: 16);
        return new SegmentEntry
        {
            Start = segment.Start,
            Length = segment.Length,
            Coding = coding,
            MinSymbol = entry.Grid is null ? 0 : Math.Min(min, max),
            MaxSymbol = entry.Grid is null ? 0 : Math.Max(min, max),
            PayloadLength = payload.Length,
            PayloadChecksum = Crc32C.Of(payload),
        };
    }
}
