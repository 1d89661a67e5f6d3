using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Lossless;

namespace NeuralCompression.Codec.Container;

/// <summary>What a segment can be decoded to.</summary>
/// <typeparam name="T">The elements of the destination.</typeparam>
internal interface ISegmentDecoder<T>
    where T : struct
{
    /// <summary>Elements of the destination for each of the tensor.</summary>
    public static abstract int Units(TensorEntry entry);

    /// <summary>Decodes elements from <paramref name="start"/> on: the whole segment, or any part of a constant one.</summary>
    public static abstract void Decode(TensorEntry entry, SegmentEntry segment, ReadOnlySpan<byte> payload, long start, Span<T> destination);
}

/// <summary>The symbols of a quantised tensor.</summary>
internal readonly struct SymbolDecoder<T> : ISegmentDecoder<T>
    where T : struct, IBinaryInteger<T>
{
    public static int Units(TensorEntry entry) => 1;

    public static void Decode(TensorEntry entry, SegmentEntry segment, ReadOnlySpan<byte> payload, long start, Span<T> destination) =>
        SymbolCoder.Decode(
            segment.Coding, payload, Segmentation.ShapeOf(entry.Shape, entry.Length, entry.SegmentLength, segment.Length), segment.MinSymbol, segment.MaxSymbol, destination);
}

/// <summary>Values as numbers.</summary>
internal readonly struct ValueDecoder<T> : ISegmentDecoder<T>
    where T : struct, IBinaryFloatingPointIeee754<T>
{
    /// <summary>Symbols dequantised at once where all are equal, so that a tensor of any length needs little memory.</summary>
    private const int ConstantBlock = 1 << 14;

    /// <summary>Elements of a lossless tensor converted at once.</summary>
    private const int ElementBlock = 1 << 12;

    public static int Units(TensorEntry entry) => 1;

    public static void Decode(TensorEntry entry, SegmentEntry segment, ReadOnlySpan<byte> payload, long start, Span<T> destination)
    {
        if (entry.Grid is null)
            Elements(entry, segment, payload, destination);
        else if (SymbolRange.IsNarrow(segment.MinSymbol, segment.MaxSymbol))
            Dequantize<sbyte>(entry, segment, payload, start, destination);
        else
            Dequantize<short>(entry, segment, payload, start, destination);
    }

    private static void Dequantize<TSymbol>(TensorEntry entry, SegmentEntry segment, ReadOnlySpan<byte> payload, long start, Span<T> values)
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        if (SymbolReader.Reads(segment.Coding, segment.MinSymbol, segment.MaxSymbol))
        {
            SymbolBlocks.Decode(segment, payload, values.Length, new ValueSink<T>(entry, start, values));
            return;
        }

        bool constant = segment.Coding == Coding.Constant;
        TSymbol[] symbols = ArrayPool<TSymbol>.Shared.Rent(constant ? Math.Min(values.Length, ConstantBlock) : values.Length);
        try
        {
            int block = constant ? symbols.Length : values.Length;
            SymbolDecoder<TSymbol>.Decode(entry, segment, payload, start, symbols.AsSpan(0, block));
            for (int offset = 0; offset < values.Length; offset += block)
            {
                int count = Math.Min(block, values.Length - offset);
                Dequantizer.Run<TSymbol, T>(symbols.AsSpan(0, count), start + offset, entry.Shape, entry.Grid!, entry.ElementType, values[offset..]);
            }
        }
        finally
        {
            ArrayPool<TSymbol>.Shared.Return(symbols);
        }
    }

    private static void Elements(TensorEntry entry, SegmentEntry segment, ReadOnlySpan<byte> payload, Span<T> values)
    {
        if (segment.Coding == Coding.Raw)
        {
            ElementBytes.Read(payload, entry.ElementType, values);
            return;
        }

        if (segment.Coding == Coding.Constant)
        {
            ElementBytes.Read(payload, entry.ElementType, values[..1]);
            values.Fill(values[0]);
            return;
        }

        if (entry.ElementType == ElementType.Float32 && typeof(T) == typeof(float) && BitConverter.IsLittleEndian)
        {
            ElementCoder.Decode(segment.Coding, payload, entry.ElementType, MemoryMarshal.AsBytes(values));
            return;
        }

        int size = entry.ElementType.Size();
        if (segment.Coding == Coding.Repeats)
        {
            byte[] all = ArrayPool<byte>.Shared.Rent(values.Length * size);
            ElementCoder.Decode(segment.Coding, payload, entry.ElementType, all.AsSpan(0, values.Length * size));
            ElementBytes.Read(all, entry.ElementType, values);
            ArrayPool<byte>.Shared.Return(all);
            return;
        }

        // Block by block, so that the conversion finds the elements in the cache.
        byte[] bytes = ArrayPool<byte>.Shared.Rent(Math.Min(values.Length, ElementBlock) * size);
        using var reader = new ElementReader(payload, entry.ElementType, values.Length);
        for (int offset = 0; offset < values.Length; offset += ElementBlock)
        {
            Span<T> block = values.Slice(offset, Math.Min(ElementBlock, values.Length - offset));
            Span<byte> used = bytes.AsSpan(0, block.Length * size);
            reader.Read(used);
            ElementBytes.Read(used, entry.ElementType, block);
        }

        ArrayPool<byte>.Shared.Return(bytes);
    }
}

/// <summary>Values as little-endian bytes of the tensor's own type.</summary>
internal readonly struct ByteDecoder : ISegmentDecoder<byte>
{
    /// <summary>Values converted at once.</summary>
    private const int Block = 1 << 14;

    public static int Units(TensorEntry entry) => entry.ElementType.Size();

    public static void Decode(TensorEntry entry, SegmentEntry segment, ReadOnlySpan<byte> payload, long start, Span<byte> destination)
    {
        if (entry.Grid is null)
            ElementCoder.Decode(segment.Coding, payload, entry.ElementType, destination);
        else if (entry.ElementType == ElementType.Float64)
            Doubles(entry, segment, payload, start, destination);
        else if (segment.Coding == Coding.Constant)
            Constant(entry, segment, payload, start, destination);
        else if (entry.ElementType != ElementType.Float32 && SymbolReader.Reads(segment.Coding, segment.MinSymbol, segment.MaxSymbol))
            SymbolBlocks.Decode(segment, payload, destination.Length / sizeof(ushort), new HalfSink(entry, start, destination));
        else
            Singles(entry, segment, payload, start, destination);
    }

    private static void Doubles(TensorEntry entry, SegmentEntry segment, ReadOnlySpan<byte> payload, long start, Span<byte> bytes)
    {
        Span<double> values = MemoryMarshal.Cast<byte, double>(bytes);
        ValueDecoder<double>.Decode(entry, segment, payload, start, values);
        if (!BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<double, long>(values), MemoryMarshal.Cast<double, long>(values));
    }

    private static void Singles(TensorEntry entry, SegmentEntry segment, ReadOnlySpan<byte> payload, long start, Span<byte> bytes)
    {
        if (entry.ElementType == ElementType.Float32 && BitConverter.IsLittleEndian)
        {
            ValueDecoder<float>.Decode(entry, segment, payload, start, MemoryMarshal.Cast<byte, float>(bytes));
            return;
        }

        int length = bytes.Length / entry.ElementType.Size();
        float[] rented = ArrayPool<float>.Shared.Rent(length);
        try
        {
            Span<float> values = rented.AsSpan(0, length);
            ValueDecoder<float>.Decode(entry, segment, payload, start, values);
            ElementBytes.Write(values, entry.ElementType, bytes);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }

    private static void Constant(TensorEntry entry, SegmentEntry segment, ReadOnlySpan<byte> payload, long start, Span<byte> bytes)
    {
        int size = entry.ElementType.Size();
        for (int offset = 0; offset < bytes.Length; offset += Block * size)
            Singles(entry, segment, payload, start + (offset / size), bytes.Slice(offset, Math.Min(Block * size, bytes.Length - offset)));
    }
}
