using System.Buffers;
using System.IO.Compression;
using System.Numerics.Tensors;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;
using NeuralCompression.Codec.WeightCoding.Lossless.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Lossless;

/// <summary>Writes the payload of byte planes. Source: docs/format.md, section 5.5.</summary>
internal static class ElementEncoder
{
    /// <summary>Mode of a plane below the highest: bytes of elements whose highest byte is 0, then those of the others.</summary>
    internal const byte SplitMode = 3;

    /// <summary>The first bit of the form in the first byte of a payload; the mode of the first plane lies below.</summary>
    internal const int FormOffset = 4;

    internal const int ModeMask = (1 << FormOffset) - 1;

    /// <summary>Planes that do not shrink take up to 5 bytes more than their bytes, a list of values 2 KiB and one.</summary>
    private const int Slack = 4096;

    /// <summary>Planes are that far from a multiple of 4 KiB apart, so that they do not fall into the same sets of the cache.</summary>
    private const int Skew = 320;

    /// <summary>Splitting by zeros is tried from one zero in so many elements on.</summary>
    private const int ZerosWorth = 32;

    /// <summary>Codes at least one element; null where that does not become shorter than the elements.</summary>
    internal static EncodedTensor? Encode(ReadOnlySpan<byte> elements, ElementType type, CompressionLevel level)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(elements.Length + Slack);
        byte[] unused = rented;
        try
        {
            var output = new MemoryStream(rented, 0, rented.Length, writable: true, publiclyVisible: true);
            byte[]? palette = type.Size() > 1 ? EncodePalette(elements, type, level, output) : null;

            // Places cost no more than planes do, but the list of values does: only where that counts are planes tried as well.
            if (palette is not null && (palette[1] + 1) * type.Size() * 16 < palette.Length)
                return Shorter(palette, elements.Length);
            output.Position = 0;
            ElementForm form = IntegerForms.Allows(type) ? IntegerForms.Choose(elements, type) : ElementForm.Elements;
            if (form == ElementForm.Elements)
                EncodePlanes(elements, type, level, output);
            else
                EncodeForm(elements, type, level, form, output);
            rented[0] |= (byte)((int)form << FormOffset);
            int length = (int)output.Position;
            if (palette is not null && palette.Length <= length)
                return Shorter(palette, elements.Length);
            if (length >= elements.Length)
                return null;
            unused = [];
            return new(Coding.BytePlanes, rented.AsMemory(0, length), rented);
        }
        finally
        {
            if (unused.Length > 0)
                ArrayPool<byte>.Shared.Return(unused);
        }
    }

    private static EncodedTensor? Shorter(byte[] payload, int length) => payload.Length < length ? new(Coding.BytePlanes, payload) : null;

    private static byte[]? EncodePalette(ReadOnlySpan<byte> elements, ElementType type, CompressionLevel level, MemoryStream output)
    {
        int length = elements.Length / type.Size();
        byte[] places = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            Span<byte> used = places.AsSpan(0, length);
            byte[]? values = Palette.Find(elements, type.Size(), used);
            if (values is null || values.Length + 2 >= elements.Length)
                return null;
            PlaneRules rules = PlaneRules.For(level, length);
            PlaneCoder.WritePlane(output, used, ByteHistogram.Count(used, RansConstants.MaxAlphabet), rules with { LeastGain = 0 });
            ReadOnlySpan<byte> plane = output.GetBuffer().AsSpan(0, (int)output.Position);
            return [(byte)(plane[0] | ((int)ElementForm.Palette << FormOffset)), (byte)((values.Length / type.Size()) - 1), .. values, .. plane[1..]];
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(places);
        }
    }

    private static void EncodeForm(ReadOnlySpan<byte> elements, ElementType type, CompressionLevel level, ElementForm form, MemoryStream output)
    {
        byte[] numbers = ArrayPool<byte>.Shared.Rent(elements.Length);
        try
        {
            Span<byte> used = numbers.AsSpan(0, elements.Length);
            elements.CopyTo(used);
            IntegerForms.Apply(form, used, type);
            EncodePlanes(used, type, level, output);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(numbers);
        }
    }

    private static void EncodePlanes(ReadOnlySpan<byte> elements, ElementType type, CompressionLevel level, MemoryStream output)
    {
        int size = type.Size();
        int length = elements.Length / size;
        int stride = length + Skew;
        byte[] rented = ArrayPool<byte>.Shared.Rent((size + 1) * stride);
        try
        {
            PlaneKernels.Split(elements, size, type.IsFloatingPoint(), rented, stride);
            ReadOnlySpan<byte> top = rented.AsSpan((size - 1) * stride, length);
            Span<byte> room = rented.AsSpan(size * stride, length);
            int zeros = top.Count((byte)0);
            for (int index = size - 1; index >= 0; index--)
            {
                ReadOnlySpan<byte> plane = rented.AsSpan(index * stride, length);
                if (index == size - 1 || zeros < length / ZerosWorth || zeros == length)
                    PlaneCoder.WritePlane(output, plane, PlaneRules.For(level, length));
                else
                    WriteBelowZeros(output, plane, top, zeros, room, level);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    // The mantissa of an exact zero is zero: beside the exponent it says nothing, but among other mantissas it would have to be told apart from them again.
    private static void WriteBelowZeros(MemoryStream output, ReadOnlySpan<byte> plane, ReadOnlySpan<byte> top, int zeros, Span<byte> room, CompressionLevel level)
    {
        Span<byte> ofZeros = room[..zeros];
        Span<byte> ofOthers = room[zeros..];
        int zero = 0;
        int other = 0;
        for (int i = 0; i < top.Length; i++)
        {
            if (top[i] == 0)
                ofZeros[zero++] = plane[i];
            else
                ofOthers[other++] = plane[i];
        }

        long[] zeroCounts = ByteHistogram.Count(ofZeros, RansConstants.MaxAlphabet);
        long[] otherCounts = ByteHistogram.Count(ofOthers, RansConstants.MaxAlphabet);
        var counts = new long[RansConstants.MaxAlphabet];
        TensorPrimitives.Add<long>(zeroCounts, otherCounts, counts);
        if (Estimate(zeroCounts, zeros) + Estimate(otherCounts, other) >= Estimate(counts, plane.Length))
        {
            PlaneCoder.WritePlane(output, plane, counts, PlaneRules.For(level, plane.Length));
            return;
        }

        output.WriteByte(SplitMode);
        PlaneCoder.WritePlane(output, ofZeros, zeroCounts, PlaneRules.For(level, zeros));
        PlaneCoder.WritePlane(output, ofOthers, otherCounts, PlaneRules.For(level, other));
    }

    /// <summary>About the bytes of a plane; a symbol of a table takes about one.</summary>
    internal static long Estimate(long[] counts, int length) => Math.Min(length, PlaneCoder.EntropyBytes(counts) + counts.Count(count => count > 0));
}
