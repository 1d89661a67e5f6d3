namespace NeuralCompression.Codec.Container;

/// <summary>A file behind a delegate that gives ranges of it: header and index in at most two requests, then one for each payload.</summary>
internal sealed class RangeSource : PayloadSource
{
    /// <summary>Enough for header and index of most models, and for small models as a whole; a round trip costs more than this many bytes.</summary>
    private const int FirstRequest = 1 << 16;

    private readonly Func<long, int, CancellationToken, ValueTask<ReadOnlyMemory<byte>>> read;
    private readonly bool isAsync;
    private ReadOnlyMemory<byte> front;
    private ReadOnlyMemory<byte> index;
    private long indexOffset;
    private bool hasFront;
    private bool hasIndex;

    internal RangeSource(Func<long, int, CancellationToken, ValueTask<ReadOnlyMemory<byte>>> read, long length, bool isAsync)
    {
        this.read = read;
        this.isAsync = isAsync;
        Length = length;
    }

    internal override long Length { get; }

    internal override bool ChecksPaddingAtOnce => false;

    private protected override ValueTask<int> ReadCoreAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => new(ReadCore(offset, buffer.Span));

    private protected override int ReadCore(long offset, Span<byte> buffer)
    {
        if (!hasFront)
        {
            front = Get(0, FirstCount());
            hasFront = true;
        }

        int total = Copy(front, offset, buffer);
        if (total < buffer.Length && !index.IsEmpty)
            total += Copy(index, offset + total - indexOffset, buffer[total..]);
        return total;
    }

    internal override void Prefetch(long offset, int length)
    {
        if (!hasIndex && Missing(offset, length) is { } missing)
        {
            hasIndex = true;
            (long start, int count) = missing;
            indexOffset = start;
            index = Get(start, count);
        }
    }

    internal override Payload? ReadPayload(SegmentEntry segment)
    {
        (long start, int count) = Range(segment);
        return Cut(segment, Cached(start, count) ?? Get(start, count));
    }

    internal override async ValueTask<Payload?> ReadPayloadAsync(SegmentEntry segment, CancellationToken cancellationToken)
    {
        (long start, int count) = Range(segment);
        return Cut(segment, Cached(start, count) ?? await GetAsync(start, count, cancellationToken).ConfigureAwait(false));
    }

    internal override async ValueTask FetchIndexAsync(DecodeLimits limits, CancellationToken cancellationToken)
    {
        front = await GetAsync(0, FirstCount(), cancellationToken).ConfigureAwait(false);
        hasFront = true;
        hasIndex = true;
        if (!HeaderReader.TryPeekIndex(front.Span, limits, out int offset, out int length) || Missing(offset, length) is not { } missing)
            return;
        (long start, int count) = missing;
        indexOffset = start;
        index = await GetAsync(start, count, cancellationToken).ConfigureAwait(false);
    }

    // The index has been read by then; what the first request brought may hold payloads too.
    internal override void Announce(IReadOnlyList<TensorEntry> entries) => index = default;

    // Nothing is taken away: a decoding on another thread may still look at it.
    public override void Dispose()
    {
    }

    private int FirstCount() => Length >= 0 ? (int)Math.Min(Length, FirstRequest) : FirstRequest;

    // What the first request did not bring, unless the file is known to end before it.
    private (long Start, int Count)? Missing(long offset, int length)
    {
        if (offset + length <= front.Length || front.Length < FirstCount() || (Length >= 0 && offset + length > Length))
            return null;
        long start = Math.Max(offset, front.Length);
        return (start, (int)(offset + length - start));
    }

    private static int Copy(ReadOnlyMemory<byte> from, long offset, Span<byte> buffer)
    {
        if (offset < 0 || offset >= from.Length)
            return 0;
        int count = (int)Math.Min(buffer.Length, from.Length - offset);
        from.Span.Slice((int)offset, count).CopyTo(buffer);
        return count;
    }

    // With the padding in front, which is checked on the way.
    private static (long Start, int Count) Range(SegmentEntry segment) => (segment.PayloadOffset - segment.Padding, segment.Padding + (int)segment.PayloadLength);

    private ReadOnlyMemory<byte>? Cached(long start, int count) => start + count <= front.Length ? front.Slice((int)start, count) : (ReadOnlyMemory<byte>?)null;

    private static Payload? Cut(SegmentEntry segment, ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length < segment.Padding + segment.PayloadLength)
            return null;
        if (bytes.Span[..segment.Padding].ContainsAnyExcept((byte)0))
            throw Invalid.Data(ContainerError.Padding, "A padding byte is not zero.", segment.PayloadOffset - segment.Padding);
        return new Payload(bytes[segment.Padding..]);
    }

    private ReadOnlyMemory<byte> Get(long offset, int count)
    {
        if (isAsync)
            throw new InvalidOperationException("The file was opened with an asynchronous delegate: use DecodeAsync.");
        return Checked(read(offset, count, CancellationToken.None).AsTask().GetAwaiter().GetResult(), count);
    }

    private async ValueTask<ReadOnlyMemory<byte>> GetAsync(long offset, int count, CancellationToken cancellationToken) =>
        Checked(await read(offset, count, cancellationToken).ConfigureAwait(false), count);

    private static ReadOnlyMemory<byte> Checked(ReadOnlyMemory<byte> bytes, int count) =>
        bytes.Length <= count ? bytes : throw new IOException("The delegate gave more bytes than were asked for.");
}
