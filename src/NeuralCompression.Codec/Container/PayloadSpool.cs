using System.Buffers;

namespace NeuralCompression.Codec.Container;

/// <summary>Holds payloads until the index in front of them is known: in memory at first, as they are, then in a temporary file.</summary>
internal sealed class PayloadSpool(string folder, int memoryBytes = PayloadSpool.MemoryBytes)
{
    /// <summary>Models up to this size are written once; larger ones take no more memory than this.</summary>
    private const int MemoryBytes = 64 << 20;

    // By where they start; payloads of no bytes are not kept.
    private readonly SortedList<long, (ReadOnlyMemory<byte> Payload, byte[]? Rented)> held = [];
    private long heldBytes;
    private FileStream? file;

    /// <summary>Bytes kept so far.</summary>
    internal long Length { get; private set; }

    /// <summary>Takes a payload, which must not change any more, and tells where it starts.</summary>
    /// <param name="payload">The bytes.</param>
    /// <param name="rented">The array that holds them where it is to be returned to the shared pool.</param>
    internal long Write(ReadOnlyMemory<byte> payload, byte[]? rented)
    {
        long start = Length;
        Length += payload.Length;
        heldBytes += rented?.Length ?? payload.Length;
        if (payload.Length > 0)
            held.Add(start, (payload, rented));
        else if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
        if (file is not null || heldBytes > memoryBytes)
            MoveToDisk();
        return start;
    }

    /// <summary>Copies a payload to a stream.</summary>
    internal async ValueTask CopyTo(Stream destination, long offset, long count, bool isAsync, CancellationToken cancellationToken)
    {
        if (file is null)
        {
            if (count == 0)
                return;
            ReadOnlyMemory<byte> payload = held[offset].Payload;
            if (isAsync)
                await destination.WriteAsync(payload, cancellationToken).ConfigureAwait(false);
            else
                destination.Write(payload.Span);
            return;
        }

        if (file.Position != offset)
            file.Position = offset;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            while (count > 0)
            {
                int part = (int)Math.Min(count, buffer.Length);
                file.ReadExactly(buffer, 0, part);
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

    /// <summary>Gives the memory back and deletes the temporary file.</summary>
    /// <param name="isIdle">False where a write that was given up may still read from a payload: its memory is then left to the garbage collector.</param>
    internal void Release(bool isIdle)
    {
        if (isIdle)
        {
            foreach ((_, byte[]? rented) in held.Values)
            {
                if (rented is not null)
                    ArrayPool<byte>.Shared.Return(rented);
            }
        }

        held.Clear();
        file?.Dispose();
    }

    private void MoveToDisk()
    {
        file ??= new FileStream(
            Path.Combine(folder, Path.GetRandomFileName() + ".spool.tmp"), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
        foreach ((ReadOnlyMemory<byte> payload, byte[]? rented) in held.Values)
        {
            file.Write(payload.Span);
            if (rented is not null)
                ArrayPool<byte>.Shared.Return(rented);
        }

        held.Clear();
    }
}
