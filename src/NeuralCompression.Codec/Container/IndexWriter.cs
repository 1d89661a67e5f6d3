using System.Buffers.Binary;
using System.Text;

namespace NeuralCompression.Codec.Container;

/// <summary>Writes the index. Source: docs/format.md, section 4.</summary>
internal sealed class IndexWriter
{
    /// <summary>Bit 2 of the first byte of a tensor of an update: its own name follows.</summary>
    internal const int OwnNameStep = 4;

    /// <summary>Bit 3 of the first byte of a tensor of an update: the position of the base's tensor follows.</summary>
    internal const int PositionStep = 8;

    private readonly MemoryStream bytes;
    private byte[] previousName = [];

    private IndexWriter(MemoryStream bytes) => this.bytes = bytes;

    internal static byte[] Write(IReadOnlyList<TensorEntry> entries, IReadOnlyDictionary<string, string> metadata, UpdateRecord? update = null)
    {
        using var bytes = new MemoryStream();
        var writer = new IndexWriter(bytes);
        writer.VarInt((ulong)entries.Count);
        foreach (TensorEntry entry in entries)
        {
            if (update is null)
                writer.Name(entry.Name);
            writer.Entry(entry);
        }

        if (metadata.Count > 0)
            writer.Metadata(metadata);
        if (update is not null)
            writer.Update(update);
        return bytes.ToArray();
    }

    /// <summary>The bytes a tensor takes in the index of an update.</summary>
    internal static long NamelessBytes(TensorEntry entry)
    {
        using var bytes = new MemoryStream();
        new IndexWriter(bytes).Entry(entry);
        return bytes.Length;
    }

    /// <summary>What the digest of a model's content holds of a tensor before its elements. Source: docs/format.md, section 18.1.</summary>
    internal static byte[] Content(string name, ElementType type, ReadOnlySpan<long> shape, QuantizationGrid? grid)
    {
        using var bytes = new MemoryStream();
        var writer = new IndexWriter(bytes);
        writer.Text(Encoding.UTF8.GetBytes(name));
        int gridKind = grid is null ? ContainerLayout.GridNone : GridKind(grid);
        bytes.WriteByte((byte)((int)type | (gridKind << 4)));
        writer.VarInt((ulong)shape.Length);
        foreach (long length in shape)
            writer.VarInt((ulong)length);
        if (grid is not null)
            writer.Grid(grid, gridKind);
        return bytes.ToArray();
    }

    /// <summary>What the digest of a model's content holds of an alias. Source: docs/format.md, section 18.1.</summary>
    internal static byte[] ContentOfAlias(string name, int target)
    {
        using var bytes = new MemoryStream();
        var writer = new IndexWriter(bytes);
        writer.Text(Encoding.UTF8.GetBytes(name));
        bytes.WriteByte(ContainerLayout.AliasKind << 4);
        writer.VarInt((ulong)target);
        return bytes.ToArray();
    }

    /// <summary>What the digest of a model's content holds of its texts; also where there are none. Source: docs/format.md, section 18.1.</summary>
    internal static byte[] ContentOfMetadata(IReadOnlyDictionary<string, string> metadata)
    {
        using var bytes = new MemoryStream();
        new IndexWriter(bytes).Metadata(metadata);
        return bytes.ToArray();
    }

    private static ulong ZigZag(int value) => (uint)((value << 1) ^ (value >> 31));

    private void VarInt(ulong value) => Codec.VarInt.Write(bytes, value);

    private void Entry(TensorEntry entry)
    {
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

    private void Update(UpdateRecord update)
    {
        bytes.WriteByte((byte)(update.HasMetadataOfBase ? 1 : 0));
        bytes.Write(update.BaseDigest);
        bytes.Write(update.ResultDigest);
        VarInt((ulong)update.Steps.Count);
        previousName = [];
        int next = 0;
        foreach (UpdateStep step in update.Steps)
        {
            bool hasPosition = step.Name is null && step.Base != next;
            bytes.WriteByte((byte)((int)step.Operation | (step.Name is null ? 0 : OwnNameStep) | (hasPosition ? PositionStep : 0)));
            if (hasPosition)
                VarInt((ulong)step.Base);
            if (step.Name is null)
                next = step.Base + 1;
            else
                Name(step.Name);
            if (step.Operation == UpdateOperation.Alias)
                VarInt((ulong)step.Target);
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
    private void Name(string text)
    {
        byte[] name = Encoding.UTF8.GetBytes(text);
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
        _ when ReferenceEquals(grid, UpdateRecord.GridOfBase) => ContainerLayout.GridOfBase,
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
            case ContainerLayout.GridOfBase:
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
