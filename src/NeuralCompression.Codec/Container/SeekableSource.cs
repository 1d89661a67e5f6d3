namespace NeuralCompression.Codec.Container;

/// <summary>A stream that can seek, read by one thread at a time; the file starts at the stream's position and ends at its end.</summary>
internal sealed class SeekableSource(Stream stream, bool leaveOpen) : PayloadSource
{
    private readonly SemaphoreSlim gate = new(1);
    private readonly long start = stream.Position;

    internal override long Length => stream.Length - start;

    public override void Dispose()
    {
        // The gate has no handle to free, and a read on another thread may still hold it.
        if (!leaveOpen)
            stream.Dispose();
    }

    private protected override int ReadCore(long offset, Span<byte> buffer)
    {
        gate.Wait();
        try
        {
            stream.Position = start + offset;
            return stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        }
        finally
        {
            gate.Release();
        }
    }

    private protected override async ValueTask<int> ReadCoreAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            stream.Position = start + offset;
            return await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }
}
