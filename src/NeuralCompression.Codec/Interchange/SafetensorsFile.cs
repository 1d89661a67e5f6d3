using System.Buffers.Binary;

namespace NeuralCompression.Codec;

/// <summary>One safetensors file that is open: its header, and ranges of its data on demand.</summary>
internal sealed class SafetensorsFile : IDisposable
{
    private readonly FileStream stream;
    private readonly long dataStart;

    internal SafetensorsFile(string path)
    {
        // No buffer: every read is at an offset of its own, and of a length of its own.
        stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        try
        {
            if (!stream.CanSeek)
                throw new IOException($"'{path}' cannot be read at any place, as a safetensors file must be: copy it to a file first.");
            Header = ReadHeader(out dataStart);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    internal SafetensorsHeader Header { get; }

    /// <summary>Fills a buffer from an offset in the data.</summary>
    internal void Read(long offset, Span<byte> destination)
    {
        for (int done = 0; done < destination.Length;)
        {
            int count = RandomAccess.Read(stream.SafeFileHandle, destination[done..], dataStart + offset + done);
            if (count == 0)
                throw SafetensorsHeader.Refusal(SafetensorsError.FileLength, "The file has become shorter since it was opened.");
            done += count;
        }
    }

    public void Dispose() => stream.Dispose();

    private SafetensorsHeader ReadHeader(out long start)
    {
        long length = stream.Length;
        if (length < SafetensorsHeader.LengthBytes)
            throw SafetensorsHeader.Refusal(SafetensorsError.TooShort, "The file is too short to be a safetensors file.");
        Span<byte> field = stackalloc byte[SafetensorsHeader.LengthBytes];
        RandomAccess.Read(stream.SafeFileHandle, field, 0);
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(field);
        if (headerBytes > SafetensorsHeader.MaxBytes)
            throw SafetensorsHeader.Refusal(SafetensorsError.HeaderLength, FormattableString.Invariant($"This is no safetensors file, or a damaged one: its header would have {headerBytes} bytes; {SafetensorsHeader.MaxBytes} are allowed."));
        if ((long)headerBytes > length - SafetensorsHeader.LengthBytes)
            throw SafetensorsHeader.Refusal(SafetensorsError.HeaderLength, FormattableString.Invariant($"The file ends inside its header, which has {headerBytes} bytes."));
        start = SafetensorsHeader.LengthBytes + (long)headerBytes;
        byte[] json = GC.AllocateUninitializedArray<byte>((int)headerBytes);
        for (int done = 0; done < json.Length;)
        {
            int count = RandomAccess.Read(stream.SafeFileHandle, json.AsSpan(done), SafetensorsHeader.LengthBytes + done);
            if (count == 0)
                throw SafetensorsHeader.Refusal(SafetensorsError.HeaderLength, "The file ends inside its header.");
            done += count;
        }

        return SafetensorsHeader.Parse(json, length - start, this);
    }
}
