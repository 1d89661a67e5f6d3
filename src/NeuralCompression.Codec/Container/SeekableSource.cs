namespace NeuralCompression.Codec.Container;

/// <summary>A stream that can seek, read under a lock; the file starts at the stream's position and ends at its end.</summary>
internal sealed class SeekableSource(Stream stream, bool leaveOpen) : PayloadSource
{
    private readonly Lock gate = new();
    private readonly long start = stream.Position;

    internal override long Length => stream.Length - start;

    internal override int Read(long offset, Span<byte> buffer)
    {
        lock (gate)
        {
            stream.Position = start + offset;
            return stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        }
    }

    public override void Dispose()
    {
        if (!leaveOpen)
            stream.Dispose();
    }
}
