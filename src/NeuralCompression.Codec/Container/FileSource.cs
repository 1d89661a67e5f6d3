using Microsoft.Win32.SafeHandles;

namespace NeuralCompression.Codec.Container;

/// <summary>A file on disk, read at any offset from any thread without a lock.</summary>
internal sealed class FileSource(FileStream file) : PayloadSource
{
    private readonly SafeFileHandle handle = file.SafeFileHandle;

    internal override long Length => RandomAccess.GetLength(handle);

    internal override int Read(long offset, Span<byte> buffer)
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

    public override void Dispose() => file.Dispose();
}
