using System.Buffers;
using System.Numerics.Tensors;
using NeuralCompression.Codec.WeightCoding.Lossless.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Lossless;

/// <summary>Reads a payload of byte planes, the whole of which is checked at first, block by block. Source: docs/format.md, section 5.5.</summary>
internal ref struct ElementReader
{
    /// <summary>Bytes of elements merged at once: their planes stay in the first-level cache.</summary>
    private const int BlockBytes = 1 << 14;

    private readonly ReadOnlySpan<byte> payload;
    private readonly ElementType type;
    private readonly int size;
    private readonly ElementForm form;
    private readonly PlaneSource[] planes;
    private readonly byte[] values = [];
    private readonly int valueCount;
    private readonly byte[] rented;
    private long last;

    /// <summary>Parses the payload of <paramref name="length"/> elements.</summary>
    internal ElementReader(ReadOnlySpan<byte> payload, ElementType type, int length)
    {
        this.payload = payload;
        this.type = type;
        size = type.Size();
        int position = 0;
        int first = PlaneSource.ReadMode(payload, ref position);
        form = (ElementForm)(first >> ElementEncoder.FormOffset);
        bool allowed = form switch
        {
            ElementForm.Elements => true,
            ElementForm.ZigZag or ElementForm.Differences => IntegerForms.Allows(type),
            ElementForm.Palette => size > 1,
            _ => false,
        };
        if (!allowed)
            Invalid.Throw(ContainerError.Plane, "The form of the byte planes is unknown or not allowed for this tensor.");
        if (form == ElementForm.Palette)
        {
            PlaneCoder.CheckLength(payload, 2);
            valueCount = payload[position++] + 1;
            PlaneCoder.CheckLength(payload[position..], valueCount * size);
            values = new byte[Palette.MaxCount * size];
            payload.Slice(position, valueCount * size).CopyTo(values);
            if (!Palette.Ascends(values.AsSpan(0, valueCount * size), size))
                Invalid.Throw(ContainerError.Plane, "The values of a list do not ascend.");
            position += valueCount * size;
        }

        planes = new PlaneSource[form == ElementForm.Palette ? 1 : size];
        planes[^1] = new PlaneSource(first & ElementEncoder.ModeMask, payload, ref position, length);
        int zeroCount = planes[^1].CountZeros(payload, length);
        for (int index = planes.Length - 2; index >= 0; index--)
            planes[index] = new PlaneSource(PlaneSource.ReadMode(payload, ref position), payload, ref position, length, zeroCount);
        if (position != payload.Length)
            Invalid.Throw(ContainerError.Plane, "The payload goes on after the last byte plane.");

        // The planes of a block, and room for the two texts of a split one.
        rented = ArrayPool<byte>.Shared.Rent((planes.Length + 1) * (BlockBytes / size));
    }

    /// <summary>Reads the next elements.</summary>
    internal void Read(Span<byte> elements)
    {
        int most = BlockBytes / size;
        Span<byte> room = rented.AsSpan(planes.Length * most);
        while (!elements.IsEmpty)
        {
            int count = Math.Min(most, elements.Length / size);
            Span<byte> block = elements[..(count * size)];
            Span<byte> top = rented.AsSpan((planes.Length - 1) * most, count);
            planes[^1].Read(payload, top, top, room);
            for (int index = planes.Length - 2; index >= 0; index--)
                planes[index].Read(payload, top, rented.AsSpan(index * most, count), room);
            if (form == ElementForm.Palette)
            {
                if (TensorPrimitives.Max<byte>(top) >= valueCount)
                    Invalid.Throw(ContainerError.Plane, "A place lies beyond the list of values.");
                Palette.LookUp(top, values, size, block);
            }
            else
            {
                PlaneKernels.Merge(rented, most, size, type.IsFloatingPoint(), block);
                IntegerForms.Undo(form, block, type, ref last);
            }

            elements = elements[block.Length..];
        }
    }

    /// <summary>Frees what the reader rented.</summary>
    internal readonly void Dispose()
    {
        ArrayPool<byte>.Shared.Return(rented);
        foreach (PlaneSource plane in planes)
            plane.Free();
    }
}
