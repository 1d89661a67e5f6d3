namespace NeuralCompression.Codec.Container;

/// <summary>A stream that cannot seek: read forward once, payloads kept in memory so that any may be asked for again.</summary>
internal sealed class ForwardSource(Stream stream, bool leaveOpen, DecodeLimits limits) : PayloadSource
{
    /// <summary>Memory grows with the bytes that arrive, not with the bytes that were declared.</summary>
    private const int FirstPiece = 1 << 16;

    private readonly Lock gate = new();
    private SegmentEntry[] segments = [];
    private byte[]?[] payloads = [];
    private long position;
    private long buffered;
    private int next;
    private bool ended;
    private bool reading;

    internal override long Length => -1;

    internal override bool ChecksPaddingAtOnce => false;

    internal override void Announce(IReadOnlyList<TensorEntry> entries)
    {
        segments = [.. entries.SelectMany(entry => entry.Segments)];
        payloads = new byte[]?[segments.Length];
    }

    internal override int Read(long offset, Span<byte> buffer)
    {
        int read = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        position += read;
        return read;
    }

    internal override Payload? ReadPayload(SegmentEntry segment)
    {
        lock (gate)
        {
            while (next <= segment.Ordinal)
            {
                // A read that stopped half way has lost the place in the stream for good.
                if (ended)
                    return null;
                if (reading)
                    throw new IOException("An earlier read of this stream failed.");
                SegmentEntry entry = segments[next];
                if (entry.PayloadLength > 0)
                {
                    if (entry.PayloadLength > limits.MaxBufferedBytes - buffered)
                    {
                        throw Invalid.Limit(
                            nameof(DecodeLimits.MaxBufferedBytes),
                            FormattableString.Invariant($"The payloads before this point exceed the limit of {limits.MaxBufferedBytes} buffered bytes."),
                            position);
                    }

                    reading = true;
                    if (!SkipPadding(entry.Padding) || Grow(entry.PayloadLength) is not byte[] payload)
                    {
                        ended = true;
                        return null;
                    }

                    reading = false;
                    payloads[next] = payload;
                    buffered += payload.Length;
                }

                next++;
            }

            return payloads[segment.Ordinal] is byte[] bytes ? new Payload(bytes) : null;
        }
    }

    public override void Dispose()
    {
        if (!leaveOpen)
            stream.Dispose();
    }

    private bool SkipPadding(int count)
    {
        Span<byte> padding = stackalloc byte[ContainerLayout.Alignment];
        padding = padding[..count];
        if (Read(position, padding) != padding.Length)
            return false;
        if (padding.ContainsAnyExcept((byte)0))
            throw Invalid.Data(ContainerError.Padding, "A padding byte is not zero.", position);
        return true;
    }

    private byte[]? Grow(long length)
    {
        byte[] payload = new byte[(int)Math.Min(length, FirstPiece)];
        int filled = 0;
        while (true)
        {
            filled += Read(position, payload.AsSpan(filled));
            if (filled == length)
                return payload;
            if (filled < payload.Length)
                return null;
            Array.Resize(ref payload, (int)Math.Min(length, 2L * payload.Length));
        }
    }
}
