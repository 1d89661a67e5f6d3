using System.Buffers.Binary;
using System.Collections.ObjectModel;
using System.Text;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Container;

/// <summary>Reads an index whose checksum is right, trusting nothing else about it. Source: docs/format.md, section 4.</summary>
internal ref struct IndexReader(ReadOnlySpan<byte> index, long fileOffset, DecodeLimits limits)
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly ReadOnlySpan<byte> index = index;
    private int position;
    private string? tensor;
    private long segmentCount;

    internal List<TensorEntry> Read(bool hasMetadata, out IReadOnlyDictionary<string, string> metadata)
    {
        ulong count = VarInt();
        if (count > (ulong)limits.MaxTensors)
            throw Limit(nameof(DecodeLimits.MaxTensors), FormattableString.Invariant($"The file declares {count} tensors; the limit is {limits.MaxTensors}."));

        // The list grows as descriptors are read: a count alone allocates nothing.
        var entries = new List<TensorEntry>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        byte[] previousName = [];
        long decoded = 0;
        for (ulong i = 0; i < count; i++)
        {
            tensor = null;
            previousName = Name(previousName);
            string name = Text(previousName) ?? throw Error(ContainerError.Name, "A tensor name is not valid UTF-8.");
            tensor = name;
            if (!names.Add(name))
                throw Error(ContainerError.DuplicateName, "Two tensors have the same name.");
            TensorEntry entry = Entry(name, entries);
            TensorEntry shown = entry.AliasTarget >= 0 ? entries[entry.AliasTarget] : entry;
            decoded += checked(shown.Length * shown.ElementType.Size());
            if (decoded < 0 || decoded > limits.MaxDecodedBytes)
                throw Limit(nameof(DecodeLimits.MaxDecodedBytes), FormattableString.Invariant($"The tensors decode to more than the limit of {limits.MaxDecodedBytes} bytes."));
            entries.Add(entry);
        }

        tensor = null;
        metadata = hasMetadata ? Metadata() : ReadOnlyDictionary<string, string>.Empty;
        if (position != index.Length)
            throw Error(ContainerError.IndexLength, "The index goes on after its last field.");
        return entries;
    }

    // Ascending keys give a model one form only, and show a key that occurs twice without a set.
    private ReadOnlyDictionary<string, string> Metadata()
    {
        ulong count = VarInt();
        if (count == 0)
            throw Error(ContainerError.Metadata, "The metadata has no entry.");
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        ReadOnlySpan<byte> previous = default;
        for (ulong i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> key = Bytes((int)Math.Min(VarInt(), int.MaxValue));
            if (i > 0 && key.SequenceCompareTo(previous) <= 0)
                throw Error(ContainerError.Metadata, "The keys of the metadata do not ascend.");
            previous = key;
            string name = Text(key) ?? throw Error(ContainerError.Metadata, "A key of the metadata is not valid UTF-8.");
            metadata.Add(name, Text(Bytes((int)Math.Min(VarInt(), int.MaxValue))) ?? throw Error(ContainerError.Metadata, "A value of the metadata is not valid UTF-8."));
        }

        return metadata.AsReadOnly();
    }

    private static string? Text(ReadOnlySpan<byte> utf8)
    {
        try
        {
            return StrictUtf8.GetString(utf8);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private TensorEntry Entry(string name, List<TensorEntry> earlier)
    {
        int first = Byte();
        int gridKind = (first >> 4) & 7;
        bool isCut = (first & ContainerLayout.SegmentedKind) != 0;
        if (gridKind == ContainerLayout.AliasKind)
            return Alias(name, first & (ContainerLayout.SegmentedKind | 15), earlier);

        // All sixteen are defined.
        var type = (ElementType)(first & 15);
        if (gridKind > ContainerLayout.GridCodebook)
            throw Error(ContainerError.Grid, FormattableString.Invariant($"Grid kind {gridKind} is unknown."));
        if (gridKind != ContainerLayout.GridNone && !type.IsFloatingPoint())
            throw Error(ContainerError.ElementType, "A grid decodes to a floating-point type only.");

        int second = Byte();
        int rank = second & 15;
        if (isCut && second >> 4 != 0)
            throw Error(ContainerError.ReservedBits, "A reserved bit of a descriptor is set.");
        Coding coding = isCut ? Coding.Raw : CodingOf(second >> 4, gridKind);
        long[] shape = Shape(rank);
        long length = Count(shape, type);
        QuantizationGrid? grid = gridKind == ContainerLayout.GridNone ? null : Grid(gridKind, shape);
        long segmentLength = length;
        SegmentEntry[] segments;
        if (isCut)
        {
            segmentLength = SegmentLength(length, type);
            segments = Segments(shape, length, segmentLength, grid, type);
        }
        else
        {
            if (coding != Coding.Constant && length > ContainerLayout.SegmentBytes / type.Size())
                throw Error(ContainerError.Segments, FormattableString.Invariant($"A tensor of {length} elements is longer than a segment may be, but is not cut into segments."));
            segments = [Segment(shape, 0, length, coding, grid, type)];
        }

        return new TensorEntry { Name = name, ElementType = type, Shape = shape, Length = length, Grid = grid, SegmentLength = segmentLength, Segments = segments };
    }

    private readonly Coding CodingOf(int id, int gridKind)
    {
        var coding = (Coding)id;
        if (!coding.IsAllowed(gridKind != ContainerLayout.GridNone))
            throw Error(ContainerError.Coding, FormattableString.Invariant($"Coding {id} is unknown or not allowed for this tensor."));
        return coding;
    }

    private long SegmentLength(long length, ElementType type)
    {
        ulong elements = VarInt();
        if (elements == 0 || elements >= (ulong)length || elements > (ulong)(ContainerLayout.SegmentBytes / type.Size()))
            throw Error(ContainerError.Segments, FormattableString.Invariant($"Segments of {elements} elements are empty, too long, or not shorter than the {length} elements of the tensor."));
        return (long)elements;
    }

    // Grows with the descriptors that are read: a count alone allocates nothing.
    private SegmentEntry[] Segments(long[] shape, long length, long segmentLength, QuantizationGrid? grid, ElementType type)
    {
        long count = ((length - 1) / segmentLength) + 1;
        if (count > limits.MaxSegments - segmentCount)
            throw Limit(nameof(DecodeLimits.MaxSegments), FormattableString.Invariant($"The tensors are cut into more segments than the limit of {limits.MaxSegments}."));
        segmentCount += count;
        var segments = new List<SegmentEntry>();
        for (long start = 0; start < length; start += segmentLength)
        {
            int form = Byte();
            if (form >> 4 != 0)
                throw Error(ContainerError.ReservedBits, "A reserved bit of a segment is set.");
            Coding coding = CodingOf(form, grid is null ? ContainerLayout.GridNone : ContainerLayout.GridUniform32);
            segments.Add(Segment(shape, start, Math.Min(segmentLength, length - start), coding, grid, type));
        }

        return [.. segments];
    }

    private SegmentEntry Segment(long[] shape, long start, long length, Coding coding, QuantizationGrid? grid, ElementType type)
    {
        int min = 0;
        int max = 0;
        if (grid is not null)
        {
            (min, max) = Range(grid, shape, length);
            if ((min == max) != (coding == Coding.Constant))
                throw Error(ContainerError.Coding, "A tensor with a single symbol, and no other, has the constant coding.");
        }

        if (length == 0 && coding != (grid is null ? Coding.Raw : Coding.Constant))
            throw Error(ContainerError.Coding, "An empty tensor cannot have this coding.");
        var segment = new SegmentEntry { Start = start, Length = length, Coding = coding, MinSymbol = min, MaxSymbol = max };
        long payloadLength = segment.ImpliedPayloadLength(type, grid is not null);
        if (payloadLength < 0)
        {
            long raw = segment.RawLength(type, grid is not null);
            ulong declared = VarInt();
            if (declared == 0 || declared >= (ulong)raw)
                throw Error(ContainerError.PayloadLength, FormattableString.Invariant($"A payload of {declared} bytes is not shorter than the {raw} bytes of the raw form, or is empty."));
            payloadLength = (long)declared;
        }

        return new SegmentEntry
        {
            Start = start,
            Length = length,
            Coding = coding,
            MinSymbol = min,
            MaxSymbol = max,
            PayloadLength = payloadLength,
            PayloadChecksum = payloadLength > 0 ? BinaryPrimitives.ReadUInt32LittleEndian(Bytes(sizeof(uint))) : 0,
        };
    }

    private TensorEntry Alias(string name, int reservedBits, List<TensorEntry> earlier)
    {
        if (reservedBits != 0)
            throw Error(ContainerError.ReservedBits, "A reserved bit of a descriptor is set.");
        ulong target = VarInt();
        if (target >= (ulong)earlier.Count || earlier[(int)target].AliasTarget >= 0)
            throw Error(ContainerError.AliasTarget, "An alias must name an earlier tensor that is not an alias.");
        return new TensorEntry { Name = name, AliasTarget = (int)target };
    }

    private byte[] Name(byte[] previous)
    {
        int lengths = Byte();
        ulong shared = (ulong)(lengths & 15);
        ulong added = (ulong)(lengths >> 4);
        if (shared == 15)
            shared += Math.Min(VarInt(), int.MaxValue);
        if (added == 15)
            added += Math.Min(VarInt(), int.MaxValue);
        if (shared > (ulong)previous.Length)
            throw Error(ContainerError.Name, "A tensor name shares more bytes with the name before it than that has.");
        if (shared + added == 0)
            throw Error(ContainerError.Name, "A tensor name is empty.");
        if (shared + added > (ulong)limits.MaxNameBytes)
            throw Limit(nameof(DecodeLimits.MaxNameBytes), FormattableString.Invariant($"A tensor name has {shared + added} bytes; the limit is {limits.MaxNameBytes}."));
        return [.. previous.AsSpan(0, (int)shared), .. Bytes((int)added)];
    }

    private long[] Shape(int rank)
    {
        if (rank > limits.MaxRank)
            throw Limit(nameof(DecodeLimits.MaxRank), FormattableString.Invariant($"A tensor has {rank} axes; the limit is {limits.MaxRank}."));
        var shape = new long[rank];
        for (int axis = 0; axis < rank; axis++)
        {
            ulong length = VarInt();
            if (length > long.MaxValue)
                throw Error(ContainerError.Shape, "An axis length does not fit in 63 bits.");
            shape[axis] = (long)length;
        }

        return shape;
    }

    private long Count(long[] shape, ElementType type)
    {
        if (!TensorShape.TryCount(shape, out long length))
            throw Error(ContainerError.Shape, "The number of elements does not fit in 63 bits.");
        if (length > limits.MaxElementsPerTensor)
            throw Limit(nameof(DecodeLimits.MaxElementsPerTensor), FormattableString.Invariant($"A tensor has {length} elements; the limit is {limits.MaxElementsPerTensor}."));
        if (length > limits.MaxDecodedBytesPerTensor / type.Size())
            throw Limit(nameof(DecodeLimits.MaxDecodedBytesPerTensor), FormattableString.Invariant($"A tensor decodes to more than the limit of {limits.MaxDecodedBytesPerTensor} bytes."));
        return length;
    }

    private QuantizationGrid Grid(int kind, long[] shape)
    {
        if (kind is ContainerLayout.GridUniform32 or ContainerLayout.GridUniform64)
        {
            double step = kind == ContainerLayout.GridUniform32
                ? BinaryPrimitives.ReadSingleLittleEndian(Bytes(sizeof(float)))
                : BinaryPrimitives.ReadDoubleLittleEndian(Bytes(sizeof(double)));
            if (!QuantizationGrid.IsStep(step) || (kind == ContainerLayout.GridUniform64 && (float)step == step))
                throw Error(ContainerError.Grid, "A step size is not finite and positive, or takes 8 bytes where 4 are enough.");
            return QuantizationGrid.Uniform(step);
        }

        if (kind == ContainerLayout.GridPerChannel)
        {
            ulong axis = VarInt();
            if (axis >= (ulong)shape.Length)
                throw Error(ContainerError.Grid, "A grid's axis is not an axis of its tensor.");
            float[] steps = Floats((ulong)shape[axis]);
            foreach (float step in steps)
            {
                if (!QuantizationGrid.IsStep(step))
                    throw Error(ContainerError.Grid, "A step size is not finite and positive.");
            }

            return QuantizationGrid.PerChannel(steps, (int)axis);
        }

        ulong count = VarInt();
        long first = ZigZag();
        if (count == 0 || count > 65_536 || first < short.MinValue || first + (long)count - 1 > short.MaxValue)
            throw Error(ContainerError.Grid, "A codebook is empty or its symbols do not fit in 16 bits.");
        float[] values = Floats(count);
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
                throw Error(ContainerError.Grid, "A codebook value is not finite.");
        }

        return QuantizationGrid.Codebook(values, (int)first);
    }

    private (int Min, int Max) Range(QuantizationGrid grid, long[] shape, long length)
    {
        long min = ZigZag();
        ulong width = VarInt();
        if (min < short.MinValue || min > short.MaxValue || width > (ulong)(short.MaxValue - min))
            throw Error(ContainerError.SymbolRange, "The symbols do not fit in 16 bits.");
        int max = (int)(min + (long)width);
        if (length == 0 && (min != 0 || width != 0))
            throw Error(ContainerError.SymbolRange, "An empty tensor declares symbols.");
        if (length > 0 && !grid.Fits(shape, (int)min, max, out string? reason))
            throw Error(ContainerError.SymbolRange, reason!);
        return ((int)min, max);
    }

    private float[] Floats(ulong count)
    {
        if (count > (ulong)(index.Length - position) / sizeof(float))
            throw Error(ContainerError.IndexLength, "The index ends inside a grid.");
        ReadOnlySpan<byte> bytes = Bytes((int)count * sizeof(float));
        var values = new float[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = BinaryPrimitives.ReadSingleLittleEndian(bytes[(i * sizeof(float))..]);
        return values;
    }

    private int Byte() => Bytes(1)[0];

    private ReadOnlySpan<byte> Bytes(int count)
    {
        if (count > index.Length - position)
            throw Error(ContainerError.IndexLength, "The index ends inside a descriptor.");
        position += count;
        return index.Slice(position - count, count);
    }

    private ulong VarInt()
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            int part = Byte();
            value |= (ulong)(part & 0x7F) << shift;
            if (shift == 63 && part > 1)
                throw Error(ContainerError.Integer, "An integer does not fit in 64 bits.");
            if (part < 0x80)
            {
                if (part == 0 && shift > 0)
                    throw Error(ContainerError.Integer, "An integer is longer than it needs to be.");
                return value;
            }
        }
    }

    private long ZigZag()
    {
        ulong value = VarInt();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    private readonly InvalidDataException Error(ContainerError error, string message) => Named(Invalid.Data(error, message, fileOffset + position));

    private readonly InvalidDataException Limit(string limit, string message) => Named(Invalid.Limit(limit, message, fileOffset + position));

    private readonly InvalidDataException Named(InvalidDataException exception)
    {
        if (tensor is not null)
            exception.Data[Invalid.TensorKey] = tensor;
        return exception;
    }
}
