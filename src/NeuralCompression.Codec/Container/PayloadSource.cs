using System.Buffers;

namespace NeuralCompression.Codec.Container;

/// <summary>Where a reader gets bytes of the file from; offsets count from the first byte of the header.</summary>
internal abstract class PayloadSource : IDisposable
{
    /// <summary>The length of the file, or -1 where only its end would tell.</summary>
    internal abstract long Length { get; }

    /// <summary>True where reading a few bytes of padding costs nothing and the length is known.</summary>
    internal virtual bool ChecksPaddingAtOnce => true;

    /// <summary>Reads up to as many bytes as the buffer holds; fewer at the end of the file only. Used for header and index, in order.</summary>
    internal abstract int Read(long offset, Span<byte> buffer);

    /// <summary>Tells that these bytes will be read next, so that a remote source can ask for all of them at once.</summary>
    internal virtual void Prefetch(long offset, int length)
    {
    }

    /// <summary>Gives the payload of one segment, or nothing when the file ends inside it. Safe on many threads.</summary>
    internal virtual Payload? ReadPayload(SegmentEntry segment)
    {
        var payload = new Payload((int)segment.PayloadLength);
        bool whole = false;
        try
        {
            whole = Read(segment.PayloadOffset, payload.Buffer) == segment.PayloadLength;
        }
        finally
        {
            if (!whole)
                payload.Dispose();
        }

        return whole ? payload : null;
    }

    /// <summary>Tells where all payloads lie, before the first is read.</summary>
    internal virtual void Announce(IReadOnlyList<TensorEntry> entries)
    {
    }

    public abstract void Dispose();
}

/// <summary>The bytes of a payload, given back to the pool they came from, where they did.</summary>
internal readonly struct Payload : IDisposable
{
    private readonly byte[]? rented;

    /// <summary>Rents room for a payload.</summary>
    internal Payload(int length)
    {
        rented = ArrayPool<byte>.Shared.Rent(length);
        Bytes = rented.AsMemory(0, length);
    }

    /// <summary>Wraps bytes that stay where they are.</summary>
    internal Payload(ReadOnlyMemory<byte> bytes) => Bytes = bytes;

    internal ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>The rented room, to be filled.</summary>
    internal Span<byte> Buffer => rented.AsSpan(0, Bytes.Length);

    internal Memory<byte> BufferMemory => rented.AsMemory(0, Bytes.Length);

    public void Dispose()
    {
        if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
    }
}
