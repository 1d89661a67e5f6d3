using System.Buffers;
using System.Numerics;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Container;

/// <summary>Decodes the 8-bit symbols of a segment block by block, so that what turns them into values finds them in the cache.</summary>
internal static class SymbolBlocks
{
    /// <summary>Decodes all symbols of a segment whose coding <see cref="SymbolReader.Reads"/>.</summary>
    internal static void Decode<TSink>(SegmentEntry segment, ReadOnlySpan<byte> payload, int length, TSink sink)
        where TSink : ISymbolSink, allows ref struct
    {
        Span<uint> states = stackalloc uint[SymbolReader.StateCount];
        Span<byte> tokens = stackalloc byte[SymbolReader.TokenBytes];
        sbyte[] block = ArrayPool<sbyte>.Shared.Rent(SymbolReader.BlockLength);
        var reader = new SymbolReader(segment.Coding, payload, length, segment.MinSymbol, segment.MaxSymbol, states, tokens);
        try
        {
            for (int offset = 0; offset < length; offset += SymbolReader.BlockLength)
            {
                Span<sbyte> symbols = block.AsSpan(0, Math.Min(SymbolReader.BlockLength, length - offset));
                reader.Read(symbols);
                sink.Take(offset, symbols);
            }

            reader.Finish();
        }
        finally
        {
            reader.Dispose();
            ArrayPool<sbyte>.Shared.Return(block);
        }
    }
}

/// <summary>Turns symbols into values.</summary>
internal interface ISymbolSink
{
    /// <summary>Takes the symbols from <paramref name="offset"/> on, counted from the first that is decoded.</summary>
    public void Take(int offset, ReadOnlySpan<sbyte> symbols);
}

/// <summary>Values as numbers.</summary>
internal readonly ref struct ValueSink<T>(TensorEntry entry, long start, Span<T> values) : ISymbolSink
    where T : struct, IBinaryFloatingPointIeee754<T>
{
    private readonly Span<T> values = values;

    public void Take(int offset, ReadOnlySpan<sbyte> symbols) =>
        Dequantizer.Run<sbyte, T>(symbols, start + offset, entry.Shape, entry.Grid!, entry.ElementType, values.Slice(offset, symbols.Length));
}

/// <summary>Values of 16-bit types as little-endian bytes.</summary>
internal readonly ref struct HalfSink(TensorEntry entry, long start, Span<byte> bytes) : ISymbolSink
{
    private readonly Span<byte> bytes = bytes;

    public void Take(int offset, ReadOnlySpan<sbyte> symbols) =>
        Dequantizer.RunHalves(symbols, start + offset, entry.Shape, entry.Grid!, entry.ElementType, bytes.Slice(offset * sizeof(ushort), symbols.Length * sizeof(ushort)));
}
