namespace NeuralCompression.Codec.Container;

/// <summary>A stream that cannot seek: read forward once. Payloads that are passed are kept in memory, within a limit, so that any may be asked for again.</summary>
/// <remarks>
/// One that was passed without being asked for must be kept; one that was given already is kept only while there is room. So a caller that decodes in the order of the file
/// needs no room at all, and one that does not gets a clear error where it needs more than the limit.
/// </remarks>
internal sealed class ForwardSource(Stream stream, bool leaveOpen, DecodeLimits limits) : PayloadSource
{
    /// <summary>Memory grows with the bytes that arrive, not with the bytes that were declared.</summary>
    private const int FirstPiece = 1 << 16;

    private readonly SemaphoreSlim gate = new(1);
    private SegmentEntry[] segments = [];
    private byte[]?[] payloads = [];

    // The kept payloads that were given at least once, in the order in which they are dropped.
    private readonly Queue<int> given = new();
    private bool[] wasGiven = [];
    private long position;
    private long buffered;
    private int next;
    private bool ended;
    private bool reading;
    private volatile bool disposed;

    internal override long Length => -1;

    internal override long BufferedBytes => buffered;

    internal override bool ChecksPaddingAtOnce => false;

    internal override void Announce(IReadOnlyList<TensorEntry> entries)
    {
        base.Announce(entries);
        segments = [.. entries.SelectMany(entry => entry.Segments)];
        payloads = new byte[]?[segments.Length];
        wasGiven = new bool[segments.Length];
    }

    internal override Payload? ReadPayload(SegmentEntry segment)
    {
        gate.Wait();

        // Completes at once: nothing in it waits when it may not.
        return ReadUpTo(segment, isAsync: false, CancellationToken.None).AsTask().GetAwaiter().GetResult();
    }

    internal override async ValueTask<Payload?> ReadPayloadAsync(SegmentEntry segment, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        return await ReadUpTo(segment, isAsync: true, cancellationToken).ConfigureAwait(false);
    }

    public override void Dispose()
    {
        // The gate has no handle to free, and a read on another thread may still hold it.
        disposed = true;
        if (!leaveOpen)
            stream.Dispose();
    }

    private protected override int ReadCore(long offset, Span<byte> buffer)
    {
        int read = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        position += read;
        return read;
    }

    private protected override async ValueTask<int> ReadCoreAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int read = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        position += read;
        return read;
    }

    // The gate is held; it is left open again.
    private async ValueTask<Payload?> ReadUpTo(SegmentEntry segment, bool isAsync, CancellationToken cancellationToken)
    {
        try
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            byte[]? passing = null;
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
                    bool isKept = MakeRoom(entry.PayloadLength);
                    if (!isKept && next < segment.Ordinal)
                        throw Limit("The payloads before this point were not asked for and");

                    reading = true;
                    if (!await SkipPadding(entry.Padding, isAsync, cancellationToken).ConfigureAwait(false)
                        || await Grow(entry.PayloadLength, isAsync, cancellationToken).ConfigureAwait(false) is not byte[] payload)
                    {
                        ended = true;
                        return null;
                    }

                    reading = false;
                    passing = payload;
                    if (isKept)
                    {
                        payloads[next] = payload;
                        buffered += payload.Length;
                    }
                }

                next++;
            }

            return Give(segment.Ordinal, passing);
        }
        finally
        {
            gate.Release();
        }
    }

    private bool MakeRoom(long length)
    {
        while (length > limits.MaxBufferedBytes - buffered && given.TryDequeue(out int oldest))
        {
            buffered -= payloads[oldest]!.Length;
            payloads[oldest] = null;
        }

        return length <= limits.MaxBufferedBytes - buffered;
    }

    private Payload Give(int ordinal, byte[]? passing)
    {
        byte[] bytes = payloads[ordinal] ?? passing ?? throw Limit("This payload was read before; all that are kept");
        if (payloads[ordinal] is not null && !wasGiven[ordinal])
            given.Enqueue(ordinal);
        wasGiven[ordinal] = true;
        return new Payload(bytes);
    }

    private InvalidDataException Limit(string what) => Invalid.Limit(
        nameof(DecodeLimits.MaxBufferedBytes),
        FormattableString.Invariant($"{what} exceed the limit of {limits.MaxBufferedBytes} buffered bytes: decode in the order of the file, or raise it."),
        position);

    private ValueTask<int> Next(Memory<byte> buffer, bool isAsync, CancellationToken cancellationToken) =>
        isAsync ? ReadCoreAsync(position, buffer, cancellationToken) : new(ReadCore(position, buffer.Span));

    private async ValueTask<bool> SkipPadding(int count, bool isAsync, CancellationToken cancellationToken)
    {
        if (count == 0)
            return true;
        byte[] padding = new byte[count];
        if (await Next(padding, isAsync, cancellationToken).ConfigureAwait(false) != count)
            return false;
        if (padding.AsSpan().ContainsAnyExcept((byte)0))
            throw Invalid.Data(ContainerError.Padding, "A padding byte is not zero.", position);
        return true;
    }

    private async ValueTask<byte[]?> Grow(long length, bool isAsync, CancellationToken cancellationToken)
    {
        byte[] payload = new byte[(int)Math.Min(length, FirstPiece)];
        int filled = 0;
        while (true)
        {
            filled += await Next(payload.AsMemory(filled), isAsync, cancellationToken).ConfigureAwait(false);
            if (filled == length)
                return payload;
            if (filled < payload.Length)
                return null;
            Array.Resize(ref payload, (int)Math.Min(length, 2L * payload.Length));
        }
    }
}
