using System.Buffers.Binary;

namespace NeuralCompression.Codec.WeightCoding.Lossless.Kernels;

/// <summary>The definition of splitting and merging: the vector kernels must give the same bytes. Source: docs/format.md, section 5.5.2.</summary>
internal static class ScalarPlanes
{
    /// <summary>Writes byte j of every element, rotated left by one bit if asked, to plane j.</summary>
    internal static void Split(ReadOnlySpan<byte> elements, int size, bool rotate, Span<byte> planes, int stride)
    {
        for (int i = 0; i < elements.Length / size; i++)
        {
            ulong number = Read(elements.Slice(i * size, size));
            if (rotate)
                number = (number << 1) | (number >> ((8 * size) - 1));
            for (int plane = 0; plane < size; plane++)
                planes[(plane * stride) + i] = (byte)(number >> (8 * plane));
        }
    }

    /// <summary>Undoes <see cref="Split"/>.</summary>
    internal static void Merge(ReadOnlySpan<byte> planes, int stride, int size, bool rotate, Span<byte> elements)
    {
        for (int i = 0; i < elements.Length / size; i++)
        {
            ulong number = 0;
            for (int plane = 0; plane < size; plane++)
                number |= (ulong)planes[(plane * stride) + i] << (8 * plane);
            if (rotate)
                number = (number >> 1) | (number << ((8 * size) - 1));
            for (int plane = 0; plane < size; plane++)
                elements[(i * size) + plane] = (byte)(number >> (8 * plane));
        }
    }

    /// <summary>Takes the next byte of <paramref name="zeros"/> where <paramref name="top"/> is 0, else that of <paramref name="others"/>.</summary>
    internal static void Interleave(ReadOnlySpan<byte> top, ReadOnlySpan<byte> zeros, ReadOnlySpan<byte> others, Span<byte> plane)
    {
        int zero = 0;
        int other = 0;
        for (int i = 0; i < top.Length; i++)
            plane[i] = top[i] == 0 ? zeros[zero++] : others[other++];
    }

    /// <summary>An element as an unsigned integer.</summary>
    internal static ulong Read(ReadOnlySpan<byte> element) => element.Length switch
    {
        sizeof(byte) => element[0],
        sizeof(ushort) => BinaryPrimitives.ReadUInt16LittleEndian(element),
        sizeof(uint) => BinaryPrimitives.ReadUInt32LittleEndian(element),
        _ => BinaryPrimitives.ReadUInt64LittleEndian(element),
    };
}
