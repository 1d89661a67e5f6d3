using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>Codes tensors without loss: the bytes of equal weight of all elements form a plane, and each plane is coded on its own. Source: docs/format.md, section 5.5.</summary>
/// <remarks>A floating-point element is rotated left by one bit first, which puts its exponent alone in the highest plane (float32, bfloat16) and its sign beside the lowest mantissa bits.</remarks>
internal static class PlaneCoder
{
    private const byte RawMode = 0;
    private const byte ConstantMode = 1;
    private const byte RansMode = 2;

    internal static EncodedTensor Encode(ReadOnlySpan<byte> elements, ElementType type, CompressionLevel level)
    {
        int size = type.Size();
        if (elements.Length > 0 && IsConstant(elements, size))
            return new(Coding.Constant, elements[..size].ToArray());
        if (level != CompressionLevel.NoCompression && elements.Length > 0)
        {
            byte[] coded = EncodePlanes(elements, type, level);
            if (coded.Length < elements.Length)
                return new(Coding.BytePlanes, coded);
        }

        return new(Coding.Raw, elements.ToArray());
    }

    internal static void Decode(Coding coding, ReadOnlySpan<byte> payload, ElementType type, Span<byte> elements)
    {
        switch (coding)
        {
            case Coding.Raw:
                payload.CopyTo(elements);
                break;
            case Coding.Constant:
                for (int offset = 0; offset < elements.Length; offset += payload.Length)
                    payload.CopyTo(elements[offset..]);
                break;
            default:
                DecodePlanes(payload, type, elements);
                break;
        }
    }

    private static bool IsConstant(ReadOnlySpan<byte> elements, int size) => elements[size..].SequenceEqual(elements[..^size]);

    private static byte[] EncodePlanes(ReadOnlySpan<byte> elements, ElementType type, CompressionLevel level)
    {
        int size = type.Size();
        int length = elements.Length / size;
        byte[] plane = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            Span<byte> used = plane.AsSpan(0, length);
            using var output = new MemoryStream();
            for (int index = size - 1; index >= 0; index--)
            {
                Gather(elements, type, index, used);
                WritePlane(output, used, SymbolCoder.MaxPrecision(level), RansPlan.DefaultWideFrom);
            }

            return output.ToArray();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(plane);
        }
    }

    /// <summary>Writes one plane in its shortest form.</summary>
    internal static void WritePlane(MemoryStream output, ReadOnlySpan<byte> plane, int maxPrecisionBits, int wideFrom)
    {
        long[] counts = ByteHistogram.Count(plane, RansConstants.MaxAlphabet);
        int first = Array.FindIndex(counts, count => count > 0);
        int last = Array.FindLastIndex(counts, count => count > 0);
        if (first == last)
        {
            output.Write([ConstantMode, (byte)first]);
            return;
        }

        RansPlan? plan = RansPlan.Create(counts.AsSpan(first, last - first + 1), maxPrecisionBits, wideFrom: wideFrom);
        if (plan is not null && plan.EstimatedBytes < plane.Length)
        {
            byte[] tokens = plane.ToArray();
            foreach (ref byte token in tokens.AsSpan())
                token -= (byte)first;
            byte[] stream = RansEncoder.Encode(tokens, plan);
            if (stream.Length + 2 < plane.Length)
            {
                output.Write([RansMode, (byte)first, (byte)(last - first)]);
                output.Write(stream);
                return;
            }
        }

        output.WriteByte(RawMode);
        output.Write(plane);
    }

    private static void DecodePlanes(ReadOnlySpan<byte> payload, ElementType type, Span<byte> elements)
    {
        int size = type.Size();
        int length = elements.Length / size;
        byte[] plane = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            Span<byte> used = plane.AsSpan(0, length);
            for (int index = size - 1; index >= 0; index--)
            {
                payload = payload[ReadPlane(payload, used)..];
                Scatter(used, size, index, elements);
            }

            if (!payload.IsEmpty)
                Invalid.Throw(ContainerError.Plane, "The payload goes on after the last byte plane.");
            if (type.IsFloatingPoint())
                RotateRight(elements, size);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(plane);
        }
    }

    /// <summary>Reads one plane and gives its length in the payload.</summary>
    internal static int ReadPlane(ReadOnlySpan<byte> payload, Span<byte> plane)
    {
        if (payload.IsEmpty)
            Invalid.Throw(ContainerError.Plane, "A byte plane is missing.");
        switch (payload[0])
        {
            case RawMode:
                if (payload.Length - 1 < plane.Length)
                    Invalid.Throw(ContainerError.Plane, "A byte plane ends early.");
                payload.Slice(1, plane.Length).CopyTo(plane);
                return 1 + plane.Length;
            case ConstantMode:
                if (payload.Length < 2)
                    Invalid.Throw(ContainerError.Plane, "A byte plane ends early.");
                plane.Fill(payload[1]);
                return 2;
            case RansMode:
                if (payload.Length < 3 || payload[1] + payload[2] > byte.MaxValue)
                    Invalid.Throw(ContainerError.Plane, "The byte range of a plane is missing or out of bounds.");
                return 3 + RansDecoder.Decode(payload[3..], payload[2] + 1, payload[1], plane);
            default:
                Invalid.Throw(ContainerError.Plane, "The mode of a byte plane is unknown.");
                return 0;
        }
    }

    // Byte `index` (0 is the lowest) of every element, after the rotation of floating-point types.
    private static void Gather(ReadOnlySpan<byte> elements, ElementType type, int index, Span<byte> plane)
    {
        int size = type.Size();
        if (!type.IsFloatingPoint())
        {
            for (int i = 0; i < plane.Length; i++)
                plane[i] = elements[(i * size) + index];
            return;
        }

        // Rotating left by one: each byte takes the top bit of the byte below it, the lowest that of the highest.
        int below = index == 0 ? size - 1 : index - 1;
        for (int i = 0; i < plane.Length; i++)
            plane[i] = (byte)((elements[(i * size) + index] << 1) | (elements[(i * size) + below] >> 7));
    }

    private static void Scatter(ReadOnlySpan<byte> plane, int size, int index, Span<byte> elements)
    {
        for (int i = 0; i < plane.Length; i++)
            elements[(i * size) + index] = plane[i];
    }

    private static void RotateRight(Span<byte> elements, int size)
    {
        for (int offset = 0; offset < elements.Length; offset += size)
        {
            Span<byte> element = elements.Slice(offset, size);
            switch (size)
            {
                case sizeof(ushort):
                    BinaryPrimitives.WriteUInt16LittleEndian(element, ushort.RotateRight(BinaryPrimitives.ReadUInt16LittleEndian(element), 1));
                    break;
                case sizeof(uint):
                    BinaryPrimitives.WriteUInt32LittleEndian(element, uint.RotateRight(BinaryPrimitives.ReadUInt32LittleEndian(element), 1));
                    break;
                default:
                    BinaryPrimitives.WriteUInt64LittleEndian(element, ulong.RotateRight(BinaryPrimitives.ReadUInt64LittleEndian(element), 1));
                    break;
            }
        }
    }
}
