namespace NeuralCompression.Codec.Container;

/// <summary>Where a reader gets bytes of the file from; offsets count from the first byte of the header.</summary>
internal abstract class PayloadSource : IDisposable
{
    /// <summary>The length of the file, or -1 where only the end of the stream would tell.</summary>
    internal abstract long Length { get; }

    /// <summary>Reads up to as many bytes as the buffer holds; fewer at the end of the file only. Used for header and index, in order.</summary>
    internal abstract int Read(long offset, Span<byte> buffer);

    /// <summary>Gives the payload of one tensor, or null when the file ends inside it. Safe on many threads.</summary>
    internal abstract byte[]? ReadPayload(int tensor, long offset, long length);

    /// <summary>Tells where all payloads lie, before the first is read.</summary>
    internal virtual void Announce(IReadOnlyList<TensorEntry> entries)
    {
    }

    public abstract void Dispose();
}
