using System.Buffers.Binary;
using System.Text;

namespace NeuralCompression.Codec.Container;

/// <summary>Writes the index. Source: docs/format.md, section 4.</summary>
internal sealed class IndexWriter
{
    private readonly MemoryStream bytes;
    private byte[] previousName = [];

    private IndexWriter(MemoryStream bytes) => this.bytes = bytes;

    internal static byte[] Write(IReadOnlyList<TensorEntry> entries, IReadOnlyDictionary<string, string> metadata)
    {
        using var bytes = new MemoryStream();
        var writer = new IndexWriter(bytes);
        writer.VarInt((ulong)entries.Count);
        foreach (TensorEntry entry in entries)
            writer.Entry(entry);
        if (metadata.Count > 0)
            writer.Metadata(metadata);
        return bytes.ToArray();
    }

    /// <summary>Seven bits a byte, lowest first; the high bit says that another byte follows.</summary>
    internal static void VarInt(Stream stream, ulong value)
    {
        while (value >= 0x80)
        {
            stream.WriteByte((byte)(value | 0x80));
            value >>= 7;
        }

        stream.WriteByte((byte)value);
    }

    private static ulong ZigZag(int value) => (uint)((value << 1) ^ (value >> 31));

    private void VarInt(ulong value) => VarInt(bytes, value);

    private void Entry(TensorEntry entry)
    {
        Name(Encoding.UTF8.GetBytes(entry.Name));
        if (entry.AliasTarget >= 0)
        {
            bytes.WriteByte(ContainerLayout.AliasKind << 4);
            VarInt((ulong)entry.AliasTarget);
            return;
        }

        int gridKind = entry.Grid is null ? ContainerLayout.GridNone : GridKind(entry.Grid);
        bool isCut = entry.Segments.Count > 1;
        bytes.WriteByte((byte)((int)entry.ElementType | (gridKind << 4) | (isCut ? ContainerLayout.SegmentedKind : 0)));
        bytes.WriteByte((byte)(entry.Shape.Length | (isCut ? 0 : (int)entry.Segments[0].Coding << 4)));
        foreach (long length in entry.Shape)
            VarInt((ulong)length);
        if (entry.Grid is not null)
            Grid(entry.Grid, gridKind);
        if (isCut)
            VarInt((ulong)entry.SegmentLength);
        foreach (SegmentEntry segment in entry.Segments)
        {
            if (isCut)
                bytes.WriteByte((byte)segment.Coding);
            Segment(segment, entry.ElementType, entry.Grid is not null);
        }
    }

    // Keys in the order of their bytes, whatever order they were added in.
    private void Metadata(IReadOnlyDictionary<string, string> metadata)
    {
        VarInt((ulong)metadata.Count);
        var sorted = metadata.Select(text => (Key: Encoding.UTF8.GetBytes(text.Key), text.Value)).ToList();
        sorted.Sort((left, right) => left.Key.AsSpan().SequenceCompareTo(right.Key));
        foreach ((byte[] key, string value) in sorted)
        {
            Text(key);
            Text(Encoding.UTF8.GetBytes(value));
        }
    }

    private void Text(byte[] utf8)
    {
        VarInt((ulong)utf8.Length);
        bytes.Write(utf8);
    }

    private void Segment(SegmentEntry segment, ElementType type, bool quantized)
    {
        if (quantized)
        {
            VarInt(ZigZag(segment.MinSymbol));
            VarInt((ulong)(segment.MaxSymbol - segment.MinSymbol));
        }

        if (segment.ImpliedPayloadLength(type, quantized) < 0)
            VarInt((ulong)segment.PayloadLength);
        if (segment.PayloadLength > 0)
            UInt32(segment.PayloadChecksum);
    }

    // The bytes shared with the name before, and the new ones: a nibble each, 15 meaning that a varint of the rest follows.
    private void Name(byte[] name)
    {
        int shared = name.AsSpan().CommonPrefixLength(previousName);
        int added = name.Length - shared;
        bytes.WriteByte((byte)(Math.Min(shared, 15) | (Math.Min(added, 15) << 4)));
        if (shared >= 15)
            VarInt((ulong)(shared - 15));
        if (added >= 15)
            VarInt((ulong)(added - 15));
        bytes.Write(name, shared, added);
        previousName = name;
    }

    private static int GridKind(QuantizationGrid grid) => grid.Kind switch
    {
        QuantizationGridKind.Uniform => (float)grid.StepSize == grid.StepSize ? ContainerLayout.GridUniform32 : ContainerLayout.GridUniform64,
        QuantizationGridKind.PerChannel => ContainerLayout.GridPerChannel,
        _ => ContainerLayout.GridCodebook,
    };

    private void Grid(QuantizationGrid grid, int kind)
    {
        switch (kind)
        {
            case ContainerLayout.GridUniform32:
                UInt32(BitConverter.SingleToUInt32Bits((float)grid.StepSize));
                break;
            case ContainerLayout.GridUniform64:
                Span<byte> step = stackalloc byte[sizeof(double)];
                BinaryPrimitives.WriteDoubleLittleEndian(step, grid.StepSize);
                bytes.Write(step);
                break;
            case ContainerLayout.GridPerChannel:
                VarInt((ulong)grid.Axis);
                foreach (float stepSize in grid.StepSizes)
                    UInt32(BitConverter.SingleToUInt32Bits(stepSize));
                break;
            default:
                VarInt((ulong)grid.Values.Length);
                VarInt(ZigZag(grid.FirstSymbol));
                foreach (float value in grid.Values)
                    UInt32(BitConverter.SingleToUInt32Bits(value));
                break;
        }
    }

    private void UInt32(uint value)
    {
        Span<byte> field = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(field, value);
        bytes.Write(field);
    }
}
