using System.Buffers;

namespace NeuralCompression.Codec.Container;

/// <summary>Where a reader gets bytes of the file from; offsets count from the first byte of the header.</summary>
internal abstract class PayloadSource : IDisposable
{
    /// <summary>Header and index where they were read ahead.</summary>
    private byte[] front = [];

    /// <summary>The length of the file, or -1 where only its end would tell.</summary>
    internal abstract long Length { get; }

    /// <summary>Bytes of payloads kept in memory between two calls.</summary>
    internal virtual long BufferedBytes => 0;

    /// <summary>True where reading a few bytes of padding costs nothing and the length is known.</summary>
    internal virtual bool ChecksPaddingAtOnce => true;

    /// <summary>Reads up to as many bytes as the buffer holds; fewer at the end of the file only. Used for header and index, in order.</summary>
    internal int Read(long offset, Span<byte> buffer)
    {
        int total = 0;
        if (offset < front.Length)
        {
            total = (int)Math.Min(buffer.Length, front.Length - offset);
            front.AsSpan((int)offset, total).CopyTo(buffer);
        }

        return total == buffer.Length ? total : total + ReadCore(offset + total, buffer[total..]);
    }

    /// <summary>Tells that these bytes will be read next, so that a remote source can ask for all of them at once.</summary>
    internal virtual void Prefetch(long offset, int length)
    {
    }

    /// <summary>Reads what <see cref="HeaderReader"/> will ask for, so that it does not wait.</summary>
    internal virtual async ValueTask FetchIndexAsync(DecodeLimits limits, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[ContainerLayout.HeaderBytes + ContainerLayout.MaxVarIntBytes];
        int have = await ReadCoreAsync(0, bytes.AsMemory(0, ContainerLayout.HeaderBytes), cancellationToken).ConfigureAwait(false);
        int read = have;
        while (HeaderReader.MayHaveIndex(bytes.AsSpan(0, have)) && have < bytes.Length && read > 0)
        {
            read = await ReadCoreAsync(have, bytes.AsMemory(have, 1), cancellationToken).ConfigureAwait(false);
            have += read;
        }

        if (HeaderReader.TryPeekIndex(bytes.AsSpan(0, have), limits, out int offset, out int length) && (Length < 0 || offset + (long)length <= Length))
        {
            // Memory grows with the bytes that arrive.
            int end = offset + length;
            while (have < end)
            {
                Array.Resize(ref bytes, (int)Math.Min(end, have + Math.Max(1L << 16, have)));
                read = await ReadCoreAsync(have, bytes.AsMemory(have), cancellationToken).ConfigureAwait(false);
                have += read;
                if (have < bytes.Length)
                    break;
            }
        }

        front = bytes[..have];
    }

    /// <summary>Gives the payload of one segment, or nothing when the file ends inside it. Safe on many threads.</summary>
    internal virtual Payload? ReadPayload(SegmentEntry segment)
    {
        var payload = new Payload((int)segment.PayloadLength);
        bool whole = false;
        try
        {
            whole = ReadCore(segment.PayloadOffset, payload.Buffer.Span) == segment.PayloadLength;
        }
        finally
        {
            if (!whole)
                payload.Dispose();
        }

        return whole ? payload : null;
    }

    /// <summary>Gives the payload of one segment, or nothing when the file ends inside it. Safe on many threads.</summary>
    internal virtual async ValueTask<Payload?> ReadPayloadAsync(SegmentEntry segment, CancellationToken cancellationToken)
    {
        // Not given back to the pool on failure: a read that was cancelled may still write to it.
        var payload = new Payload((int)segment.PayloadLength);
        int read = await ReadCoreAsync(segment.PayloadOffset, payload.Buffer, cancellationToken).ConfigureAwait(false);
        if (read == segment.PayloadLength)
            return payload;
        payload.Dispose();
        return null;
    }

    /// <summary>Tells where all payloads lie, before the first is read and after the index was.</summary>
    internal virtual void Announce(IReadOnlyList<TensorEntry> entries) => front = [];

    public abstract void Dispose();

    /// <summary>Reads from the source itself.</summary>
    private protected abstract int ReadCore(long offset, Span<byte> buffer);

    /// <summary>Reads from the source itself.</summary>
    private protected abstract ValueTask<int> ReadCoreAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken);
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
    internal Memory<byte> Buffer => rented.AsMemory(0, Bytes.Length);

    public void Dispose()
    {
        if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
    }
}
