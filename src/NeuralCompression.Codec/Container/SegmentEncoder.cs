using System.Buffers;
using System.IO.Compression;
using System.Numerics;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Lossless;

namespace NeuralCompression.Codec.Container;

/// <summary>Codes segments, several at a time where that is wanted, and keeps their payloads in the order they came in.</summary>
internal sealed class SegmentEncoder(PayloadSpool spool, CompressionLevel level, int parallelism)
{
    private readonly Queue<(PendingTensor Tensor, long Start, long Length, Task<Coded> Task)> queue = [];

    private readonly record struct Coded(EncodedTensor Encoded, int MinSymbol, int MaxSymbol, uint Checksum);

    /// <summary>Codes elements as little-endian bytes, without loss.</summary>
    internal void Encode(PendingTensor tensor, long start, ReadOnlySpan<byte> elements)
    {
        ElementType type = tensor.ElementType;
        long length = elements.Length / type.Size();
        if (parallelism == 1)
            Keep(tensor, start, length, Elements(elements, type));
        else
            Enqueue(tensor, start, length, elements, copy => Elements(copy.Span, type));
    }

    /// <summary>Codes symbols.</summary>
    internal void Encode<T>(PendingTensor tensor, long start, ReadOnlySpan<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        if (parallelism == 1)
            Keep(tensor, start, symbols.Length, Symbols(tensor, symbols));
        else
            Enqueue(tensor, start, symbols.Length, symbols, copy => Symbols(tensor, copy.Span));
    }

    /// <summary>Waits until every payload is kept.</summary>
    internal void Drain()
    {
        while (queue.Count > 0)
            KeepOldest();
    }

    /// <summary>Waits until every payload is kept.</summary>
    internal async ValueTask DrainAsync(CancellationToken cancellationToken)
    {
        while (queue.TryPeek(out var oldest))
        {
            await oldest.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            KeepOldest();
        }
    }

    private Coded Elements(ReadOnlySpan<byte> elements, ElementType type)
    {
        EncodedTensor encoded = ElementCoder.Encode(elements, type, level);
        return new(encoded, 0, 0, Crc32C.Of(encoded.Payload.Span));
    }

    private Coded Symbols<T>(PendingTensor tensor, ReadOnlySpan<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        (int min, int max) = typeof(T) == typeof(sbyte) ? SymbolRange.Of(MemoryMarshal.Cast<T, sbyte>(symbols)) : SymbolRange.Of(MemoryMarshal.Cast<T, short>(symbols));
        EncodedTensor encoded = SymbolCoder.Encode(symbols, Segmentation.ShapeOf(tensor.Shape, tensor.Length, tensor.SegmentLength, symbols.Length), min, max, level);
        return new(encoded, min, max, Crc32C.Of(encoded.Payload.Span));
    }

    // Copied, because the caller's memory may change when this returns.
    private void Enqueue<T>(PendingTensor tensor, long start, long length, ReadOnlySpan<T> content, Func<ReadOnlyMemory<T>, Coded> encode)
    {
        if (queue.Count == parallelism)
            KeepOldest();
        T[] copy = ArrayPool<T>.Shared.Rent(content.Length);
        content.CopyTo(copy);
        int count = content.Length;
        queue.Enqueue((tensor, start, length, Task.Run(() =>
        {
            try
            {
                return encode(copy.AsMemory(0, count));
            }
            finally
            {
                ArrayPool<T>.Shared.Return(copy);
            }
        })));
    }

    private void KeepOldest()
    {
        (PendingTensor tensor, long start, long length, Task<Coded> task) = queue.Dequeue();
        Keep(tensor, start, length, task.GetAwaiter().GetResult());
    }

    private void Keep(PendingTensor tensor, long start, long length, Coded coded)
    {
        ReadOnlyMemory<byte> payload = coded.Encoded.Payload;
        tensor.Add(
            new SegmentEntry
            {
                Start = start,
                Length = length,
                Coding = coded.Encoded.Coding,
                MinSymbol = coded.MinSymbol,
                MaxSymbol = coded.MaxSymbol,
                PayloadLength = payload.Length,
                PayloadChecksum = coded.Checksum,
                PayloadOffset = spool.Write(payload, coded.Encoded.Rented),
            },
            payload);
    }
}
