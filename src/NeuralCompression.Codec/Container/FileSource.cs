using Microsoft.Win32.SafeHandles;

namespace NeuralCompression.Codec.Container;

/// <summary>A file on disk, read at any offset from any thread without a lock.</summary>
internal sealed class FileSource(FileStream file) : PayloadSource
{
    private readonly SafeFileHandle handle = file.SafeFileHandle;

    internal override long Length => RandomAccess.GetLength(handle);

    public override void Dispose() => file.Dispose();

    private protected override int ReadCore(long offset, Span<byte> buffer)
    {
        int total = 0;
        while (total < buffer.Length)
        {
            int read = RandomAccess.Read(handle, buffer[total..], offset + total);
            if (read == 0)
                break;
            total += read;
        }

        return total;
    }

    private protected override async ValueTask<int> ReadCoreAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int total = 0;
        while (total < buffer.Length)
        {
            int read = await RandomAccess.ReadAsync(handle, buffer[total..], offset + total, cancellationToken).ConfigureAwait(false);
            if (read == 0)
                break;
            total += read;
        }

        return total;
    }
}
