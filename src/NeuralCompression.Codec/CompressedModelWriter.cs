using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec;

/// <summary>Writes the tensors of a model into one compressed file, which appears when <see cref="Complete"/> returns and not before.</summary>
/// <remarks>
/// <para>Every tensor is coded as it is added and kept (in memory up to 8 MiB, then in a temporary file) until <see cref="Complete"/> writes index and payloads.
/// The same tensors, names and level give the same bytes on every machine and in every culture. Not thread-safe.</para>
/// <para>Source: docs/format.md.</para>
/// </remarks>
public sealed class CompressedModelWriter : IDisposable
{
    private readonly Stream destination;
    private readonly AtomicFile? file;
    private readonly bool leaveOpen;
    private readonly CompressionLevel level;
    private readonly PayloadSpool spool;
    private readonly List<TensorEntry> entries = [];
    private readonly Dictionary<string, int> names = new(StringComparer.Ordinal);
    private bool completed;
    private bool disposed;
    private bool failed;

    private CompressedModelWriter(Stream destination, AtomicFile? file, bool leaveOpen, CompressionLevel level)
    {
        this.destination = destination;
        this.file = file;
        this.leaveOpen = leaveOpen;
        this.level = level;
        spool = new PayloadSpool(file?.Folder ?? Path.GetTempPath());
    }

    /// <summary>Starts a file. What stood there before stays whole until <see cref="Complete"/> replaces it.</summary>
    /// <param name="path">The file to write; a temporary file is written beside it and renamed.</param>
    /// <param name="level">How hard to try; default <see cref="CompressionLevel.Optimal"/>.</param>
    /// <returns>The writer; dispose it.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null, empty or names no file.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="level"/> is not defined.</exception>
    /// <exception cref="IOException">The temporary file cannot be made, for example because the folder does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <remarks>Source: docs/format.md.</remarks>
    public static CompressedModelWriter Create(string path, CompressionLevel level = CompressionLevel.Optimal)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        CheckLevel(level);
        var file = new AtomicFile(path);
        return new CompressedModelWriter(file.Stream, file, leaveOpen: false, level);
    }

    /// <summary>Starts a file on a stream, which need not be able to seek: a pipe or a socket will do. Nothing is written before <see cref="Complete"/>.</summary>
    /// <param name="stream">Receives the file from its position on.</param>
    /// <param name="level">How hard to try; default <see cref="CompressionLevel.Optimal"/>.</param>
    /// <param name="leaveOpen">True to leave the stream open when the writer is disposed.</param>
    /// <returns>The writer; dispose it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="stream"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="stream"/> cannot be written to.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="level"/> is not defined.</exception>
    /// <remarks>Source: docs/format.md.</remarks>
    public static CompressedModelWriter Create(Stream stream, CompressionLevel level = CompressionLevel.Optimal, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanWrite)
            throw new ArgumentException("The stream cannot be written to.", nameof(stream));
        CheckLevel(level);
        return new CompressedModelWriter(stream, null, leaveOpen, level);
    }

    /// <summary>Adds a quantised tensor.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="tensor">Symbols and grid; shape <c>[...]</c>. Not kept.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The name is empty, too long, not valid Unicode, or used before; or the symbols take more than 2 GiB.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.</remarks>
    public void Add(string name, QuantizedTensor tensor)
    {
        CheckName(name);
        ArgumentNullException.ThrowIfNull(tensor);
        if (SymbolCoder.RawLength(tensor.Length, tensor.MinSymbol, tensor.MaxSymbol) > Array.MaxLength)
            throw new ArgumentException("A tensor of more than 2 GiB of symbols must be split.", nameof(tensor));
        EncodedTensor encoded = tensor.TryGetSymbols(out ReadOnlyMemory<sbyte> narrow)
            ? SymbolCoder.Encode(narrow.Span, tensor.Shape, tensor.MinSymbol, tensor.MaxSymbol, level)
            : tensor.TryGetSymbols(out ReadOnlyMemory<short> wide) ? SymbolCoder.Encode(wide.Span, tensor.Shape, tensor.MinSymbol, tensor.MaxSymbol, level) : default;
        Append(new TensorEntry
        {
            Name = name,
            ElementType = tensor.ElementType,
            Shape = tensor.Shape.ToArray(),
            Length = tensor.Length,
            Grid = tensor.Grid,
            MinSymbol = tensor.MinSymbol,
            MaxSymbol = tensor.MaxSymbol,
            Coding = encoded.Coding,
            PayloadLength = encoded.Payload.Length,
            PayloadChecksum = Crc32C.Of(encoded.Payload),
        }, encoded.Payload);
    }

    /// <summary>Adds a float32 tensor without loss, every bit kept.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them.</param>
    /// <param name="values">Values; shape <c>[...]</c> row-major, weight units. Not kept.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is not allowed or used before, or the shape does not have as many elements as there are values.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.</remarks>
    public void Add(string name, ReadOnlySpan<long> shape, ReadOnlySpan<float> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            Add(name, ElementType.Float32, shape, MemoryMarshal.AsBytes(values));
            return;
        }

        var swapped = new int[values.Length];
        System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<float, int>(values), swapped);
        Add(name, ElementType.Float32, shape, MemoryMarshal.AsBytes<int>(swapped));
    }

    /// <summary>Adds a tensor of any type without loss, every bit kept.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="type">The element type.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them.</param>
    /// <param name="littleEndianBytes">The elements, shape <c>[...]</c> row-major, as little-endian bytes. Not kept.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="type"/> is not defined.</exception>
    /// <exception cref="ArgumentException">The name is not allowed or used before, or the shape does not fit the number of bytes.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.</remarks>
    public void Add(string name, ElementType type, ReadOnlySpan<long> shape, ReadOnlySpan<byte> littleEndianBytes)
    {
        CheckName(name);
        if (!ElementTypes.IsDefined(type))
            throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type.");
        long length = TensorShape.Count(shape, nameof(shape));
        if (littleEndianBytes.Length % type.Size() != 0 || length != littleEndianBytes.Length / type.Size())
            throw new ArgumentException(FormattableString.Invariant($"The shape has {length} elements of {type.Size()} bytes but {littleEndianBytes.Length} bytes were given."), nameof(shape));
        EncodedTensor encoded = PlaneCoder.Encode(littleEndianBytes, type, level);
        Append(new TensorEntry
        {
            Name = name,
            ElementType = type,
            Shape = shape.ToArray(),
            Length = length,
            Coding = encoded.Coding,
            PayloadLength = encoded.Payload.Length,
            PayloadChecksum = Crc32C.Of(encoded.Payload),
        }, encoded.Payload);
    }

    /// <summary>Adds a second name for a tensor added before, as tied weights need.</summary>
    /// <param name="name">The new name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="target">The name of a tensor added before that is not an alias.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The new name is not allowed or used before, or the target is unknown or an alias.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <remarks>Source: docs/format.md, section 4.6.</remarks>
    public void AddAlias(string name, string target)
    {
        CheckName(name);
        ArgumentNullException.ThrowIfNull(target);
        if (!names.TryGetValue(target, out int index) || entries[index].AliasTarget >= 0)
            throw new ArgumentException($"There is no tensor '{target}' before this alias that is not an alias itself.", nameof(target));
        Append(new TensorEntry { Name = name, AliasTarget = index }, []);
    }

    /// <summary>Writes the file and, where a path was given, gives it its name.</summary>
    /// <returns>What the file holds and what each tensor cost.</returns>
    /// <exception cref="InvalidOperationException">The writer has completed or failed before.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">The file or stream cannot be written; a file that stood at the path before stays whole.</exception>
    /// <remarks>Source: docs/format.md, section 3.</remarks>
    public CompressionReport Complete()
    {
        CheckState();
        failed = true;
        bool aligned = level == CompressionLevel.NoCompression;
        byte[] index = IndexWriter.Write(entries);
        using var head = new MemoryStream();
        head.Write(ContainerLayout.Magic);
        head.WriteByte(ContainerLayout.Version);
        head.WriteByte(aligned ? ContainerLayout.AlignedFlag : (byte)0);
        IndexWriter.VarInt(head, (ulong)index.Length);
        head.Write(index);
        Span<byte> checksum = stackalloc byte[ContainerLayout.ChecksumBytes];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(checksum, Crc32C.Of(head.GetBuffer().AsSpan(0, (int)head.Length)));
        head.Write(checksum);
        head.WriteTo(destination);

        long offset = head.Length;
        spool.Rewind();
        Span<byte> padding = stackalloc byte[ContainerLayout.Alignment];
        padding.Clear();
        foreach (TensorEntry entry in entries)
        {
            if (entry.PayloadLength == 0)
                continue;
            if (aligned)
            {
                long start = ContainerLayout.Align(offset);
                destination.Write(padding[..(int)(start - offset)]);
                offset = start;
            }

            spool.CopyTo(destination, entry.PayloadLength);
            offset += entry.PayloadLength;
        }

        if (file is null)
            destination.Flush();
        else
            file.Publish();
        completed = true;
        return new CompressionReport(offset, [.. entries.Select(Report)]);
    }

    /// <summary>Frees what the writer holds. Without <see cref="Complete"/> before it no file is left and an older one stays whole.</summary>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        spool.Dispose();
        if (file is not null)
            file.Dispose();
        else if (!leaveOpen)
            destination.Dispose();
    }

    private static void CheckLevel(CompressionLevel level)
    {
        if (level is not (CompressionLevel.NoCompression or CompressionLevel.Fastest or CompressionLevel.Optimal or CompressionLevel.SmallestSize))
            throw new ArgumentOutOfRangeException(nameof(level), level, "Unknown compression level.");
    }

    private TensorReport Report(TensorEntry entry)
    {
        TensorEntry shown = entry.AliasTarget >= 0 ? entries[entry.AliasTarget] : entry;
        bool alias = entry.AliasTarget >= 0;
        return new TensorReport(entry.Name, shown.Shape, shown.ElementType, shown.Length, alias ? 0 : shown.PayloadLength, shown.Coding.Name(), alias ? shown.Name : null);
    }

    private void CheckState()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (completed)
            throw new InvalidOperationException("The file is complete.");
        if (failed)
            throw new InvalidOperationException("An earlier call failed, so the file would not be whole.");
    }

    private void CheckName(string name)
    {
        CheckState();
        ArgumentNullException.ThrowIfNull(name);
        int bytes;
        try
        {
            bytes = new UTF8Encoding(false, throwOnInvalidBytes: true).GetByteCount(name);
        }
        catch (EncoderFallbackException exception)
        {
            throw new ArgumentException("A tensor name must be valid Unicode.", nameof(name), exception);
        }

        if (bytes is 0 or > ContainerLayout.MaxNameBytes)
            throw new ArgumentException(FormattableString.Invariant($"A tensor name has 1 to {ContainerLayout.MaxNameBytes} bytes of UTF-8, not {bytes}."), nameof(name));
        if (names.ContainsKey(name))
            throw new ArgumentException($"There is already a tensor '{name}'.", nameof(name));
    }

    private void Append(TensorEntry entry, byte[] payload)
    {
        // A write that fails half way would shift every later payload.
        failed = true;
        spool.Write(payload);
        names.Add(entry.Name, entries.Count);
        entries.Add(entry);
        failed = false;
    }
}
