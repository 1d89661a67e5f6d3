using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;
using NeuralCompression.Codec.WeightCoding.Lossless.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Lossless;

/// <summary>Integers as numbers whose upper bytes are mostly 0. Source: docs/format.md, section 5.5.3.</summary>
internal static class IntegerForms
{
    /// <summary>Elements looked at to choose a form: enough to tell counters, positions and weights apart.</summary>
    private const int SampleLength = 1 << 16;

    /// <summary>bool and the 8-bit floats have only their bytes.</summary>
    internal static bool Allows(ElementType type) => type is (>= ElementType.Int8 and <= ElementType.Int64) or (>= ElementType.UInt16 and <= ElementType.UInt64);

    /// <summary>The form with the smallest estimate over a run of elements from the middle; the simplest of equal ones.</summary>
    internal static ElementForm Choose(ReadOnlySpan<byte> elements, ElementType type)
    {
        int size = type.Size();
        int length = Math.Min(elements.Length / size, SampleLength);
        ReadOnlySpan<byte> sample = elements.Slice((elements.Length / size - length) / 2 * size, length * size);
        byte[] rented = ArrayPool<byte>.Shared.Rent(2 * sample.Length);
        try
        {
            Span<byte> numbers = rented.AsSpan(0, sample.Length);
            Span<byte> planes = rented.AsSpan(sample.Length, sample.Length);
            var best = ElementForm.Elements;
            long least = long.MaxValue;
            foreach (ElementForm form in (ReadOnlySpan<ElementForm>)[ElementForm.Elements, ElementForm.ZigZag, ElementForm.Differences])
            {
                sample.CopyTo(numbers);
                Apply(form, numbers, type);
                PlaneKernels.Split(numbers, size, rotate: false, planes, length);
                long estimate = 0;
                for (int plane = 0; plane < size; plane++)
                    estimate += ElementEncoder.Estimate(ByteHistogram.Count(planes.Slice(plane * length, length), RansConstants.MaxAlphabet), length);

                if (estimate < least)
                    (best, least) = (form, estimate);
            }

            return best;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Replaces integers by the numbers of a form.</summary>
    internal static void Apply(ElementForm form, Span<byte> elements, ElementType type)
    {
        if (form == ElementForm.Elements)
            return;
        switch (type.Size())
        {
            case sizeof(sbyte):
                Apply(form, MemoryMarshal.Cast<byte, sbyte>(elements));
                break;
            case sizeof(short):
                Span<short> shorts = MemoryMarshal.Cast<byte, short>(elements);
                FromLittleEndian(shorts);
                Apply(form, shorts);
                FromLittleEndian(shorts);
                break;
            case sizeof(int):
                Span<int> ints = MemoryMarshal.Cast<byte, int>(elements);
                FromLittleEndian(ints);
                Apply(form, ints);
                FromLittleEndian(ints);
                break;
            default:
                Span<long> longs = MemoryMarshal.Cast<byte, long>(elements);
                FromLittleEndian(longs);
                Apply(form, longs);
                FromLittleEndian(longs);
                break;
        }
    }

    /// <summary>Undoes <see cref="Apply(ElementForm, Span{byte}, ElementType)"/>, block by block.</summary>
    /// <param name="form">The form.</param>
    /// <param name="elements">The numbers; becomes the integers.</param>
    /// <param name="type">Their type.</param>
    /// <param name="last">The integer before the first, 0 at the start; becomes the last one.</param>
    internal static void Undo(ElementForm form, Span<byte> elements, ElementType type, ref long last)
    {
        if (form == ElementForm.Elements)
            return;
        switch (type.Size())
        {
            case sizeof(sbyte):
                Undo(form, MemoryMarshal.Cast<byte, sbyte>(elements), ref last);
                break;
            case sizeof(short):
                Span<short> shorts = MemoryMarshal.Cast<byte, short>(elements);
                FromLittleEndian(shorts);
                Undo(form, shorts, ref last);
                FromLittleEndian(shorts);
                break;
            case sizeof(int):
                Span<int> ints = MemoryMarshal.Cast<byte, int>(elements);
                FromLittleEndian(ints);
                Undo(form, ints, ref last);
                FromLittleEndian(ints);
                break;
            default:
                Span<long> longs = MemoryMarshal.Cast<byte, long>(elements);
                FromLittleEndian(longs);
                Undo(form, longs, ref last);
                FromLittleEndian(longs);
                break;
        }
    }

    private static void Apply<T>(ElementForm form, Span<T> numbers)
        where T : struct, IBinaryInteger<T>, ISignedNumber<T>
    {
        T before = T.Zero;
        foreach (ref T number in numbers)
        {
            T value = number;
            T coded = unchecked(value - before);
            if (form == ElementForm.Differences)
                before = value;
            number = unchecked((coded << 1) ^ (T.IsNegative(coded) ? T.NegativeOne : T.Zero));
        }
    }

    private static void Undo<T>(ElementForm form, Span<T> numbers, ref long last)
        where T : struct, IBinaryInteger<T>, ISignedNumber<T>
    {
        T before = T.CreateTruncating(last);
        foreach (ref T number in numbers)
        {
            T coded = unchecked((number >>> 1) ^ (T.Zero - (number & T.One)));
            number = unchecked(coded + before);
            if (form == ElementForm.Differences)
                before = number;
        }

        last = long.CreateTruncating(before);
    }

    // The same both ways; nothing on little-endian machines, which all that run .NET but one are.
    private static void FromLittleEndian(Span<short> numbers)
    {
        if (!BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(numbers, numbers);
    }

    private static void FromLittleEndian(Span<int> numbers)
    {
        if (!BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(numbers, numbers);
    }

    private static void FromLittleEndian(Span<long> numbers)
    {
        if (!BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(numbers, numbers);
    }
}
