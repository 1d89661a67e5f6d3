namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>A stream like a socket: no seeking, no length, and few bytes at a time.</summary>
internal sealed class ForwardOnlyStream(byte[] bytes, int piece = 7) : Stream
{
    /// <summary>Bytes handed out so far.</summary>
    internal int Consumed { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        int count = Math.Min(Math.Min(buffer.Length, piece), bytes.Length - Consumed);
        bytes.AsSpan(Consumed, count).CopyTo(buffer);
        Consumed += count;
        return count;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
