using System.Buffers;

namespace NeuralCompression.Codec.Container;

/// <summary>Holds payloads until the index in front of them is known: in memory at first, then in a temporary file.</summary>
internal sealed class PayloadSpool(string folder) : IDisposable
{
    /// <summary>Small models never touch the disk; large ones take no more memory than this.</summary>
    private const int MemoryBytes = 8 << 20;

    private Stream stream = new MemoryStream();
    private bool onDisk;

    /// <summary>Bytes kept so far.</summary>
    internal long Length => stream.Length;

    /// <summary>Keeps a payload and tells where it starts.</summary>
    internal long Write(ReadOnlySpan<byte> payload)
    {
        long start = stream.Length;
        if (!onDisk && start + payload.Length > MemoryBytes)
        {
            string path = Path.Combine(folder, Path.GetRandomFileName() + ".spool.tmp");
            var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
            stream.Position = 0;
            stream.CopyTo(file);
            stream.Dispose();
            stream = file;
            onDisk = true;
        }

        stream.Write(payload);
        return start;
    }

    /// <summary>Copies kept bytes to a stream.</summary>
    internal async ValueTask CopyTo(Stream destination, long offset, long count, bool isAsync, CancellationToken cancellationToken)
    {
        if (stream.Position != offset)
            stream.Position = offset;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            while (count > 0)
            {
                int part = (int)Math.Min(count, buffer.Length);
                stream.ReadExactly(buffer, 0, part);
                if (isAsync)
                    await destination.WriteAsync(buffer.AsMemory(0, part), cancellationToken).ConfigureAwait(false);
                else
                    destination.Write(buffer, 0, part);
                count -= part;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public void Dispose() => stream.Dispose();
}
