using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.Updates;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec;

/// <summary>Writes the tensors of a model into one compressed file, which appears when <see cref="Complete"/> returns and not before.</summary>
/// <remarks>
/// <para>Every tensor is cut into segments of at most 16 MiB, which are coded as they are added and kept (in memory up to 64 MiB, then in a temporary file) until
/// <see cref="Complete"/> writes index and payloads. The same tensors, names, level and segment length give the same bytes on every machine, for every number of
/// threads and in every culture. Not thread-safe.</para>
/// <para>Source: docs/format.md.</para>
/// </remarks>
public sealed class CompressedModelWriter : ITensorSink, IModelWriter
{
    private readonly Stream destination;
    private readonly AtomicFile? file;
    private readonly bool leaveOpen;
    private readonly CompressionLevel level;
    private readonly int segmentBytes;
    private readonly PayloadSpool spool;
    private readonly SegmentEncoder encoder;
    private readonly List<PendingTensor> tensors = [];
    private readonly Dictionary<string, int> names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> metadata = new(StringComparer.Ordinal);
    private CompressedTensorWriter? open;
    private bool completed;
    private bool disposed;
    private bool failed;

    private CompressedModelWriter(Stream destination, AtomicFile? file, bool leaveOpen, CompressedModelWriterOptions options, string? spoolFolder = null)
    {
        this.destination = destination;
        this.file = file;
        this.leaveOpen = leaveOpen;
        level = options.Level;
        segmentBytes = options.SegmentBytes;
        spool = new PayloadSpool(file?.Folder ?? spoolFolder ?? Path.GetTempPath());
        encoder = new SegmentEncoder(spool, level, options.MaxDegreeOfParallelism < 0 ? Environment.ProcessorCount : options.MaxDegreeOfParallelism);
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
    public static CompressedModelWriter Create(string path, CompressionLevel level = CompressionLevel.Optimal) =>
        Create(path, new CompressedModelWriterOptions { Level = level });

    /// <summary>Starts a file. What stood there before stays whole until <see cref="Complete"/> replaces it.</summary>
    /// <param name="path">The file to write; a temporary file is written beside it and renamed.</param>
    /// <param name="options">Level, threads and segment length.</param>
    /// <returns>The writer; dispose it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null, empty or names no file.</exception>
    /// <exception cref="IOException">The temporary file cannot be made, for example because the folder does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <remarks>Source: docs/format.md.</remarks>
    public static CompressedModelWriter Create(string path, CompressedModelWriterOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(options);
        var file = new AtomicFile(path);
        return new CompressedModelWriter(file.Stream, file, leaveOpen: false, options);
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
    public static CompressedModelWriter Create(Stream stream, CompressionLevel level = CompressionLevel.Optimal, bool leaveOpen = false) =>
        Create(stream, new CompressedModelWriterOptions { Level = level }, leaveOpen);

    /// <summary>Starts a file on a stream, which need not be able to seek: a pipe or a socket will do. Nothing is written before <see cref="Complete"/>.</summary>
    /// <param name="stream">Receives the file from its position on.</param>
    /// <param name="options">Level, threads and segment length.</param>
    /// <param name="leaveOpen">True to leave the stream open when the writer is disposed; default false.</param>
    /// <returns>The writer; dispose it.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="stream"/> cannot be written to.</exception>
    /// <remarks>Source: docs/format.md.</remarks>
    public static CompressedModelWriter Create(Stream stream, CompressedModelWriterOptions options, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(options);
        if (!stream.CanWrite)
            throw new ArgumentException("The stream cannot be written to.", nameof(stream));
        return new CompressedModelWriter(stream, null, leaveOpen, options);
    }

    /// <summary>Adds a quantised tensor.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="tensor">Symbols and grid; shape <c>[...]</c>. Not kept.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The name is empty, too long, not valid Unicode, or used before.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.</remarks>
    public void Add(string name, QuantizedTensor tensor)
    {
        CheckName(name);
        ArgumentNullException.ThrowIfNull(tensor);
        CompressedTensorWriter writer = Begin(name, tensor.ElementType, tensor.Shape, tensor.Length, tensor.Grid);
        if (tensor.TryGetSymbols(out ReadOnlyMemory<sbyte> narrow))
            writer.Append(narrow.Span);
        else if (tensor.TryGetSymbols(out ReadOnlyMemory<short> wide))
            writer.Append(wide.Span);
        writer.Complete();
    }

    /// <summary>Adds a float32 tensor without loss, every bit kept.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them.</param>
    /// <param name="values">Values; shape <c>[...]</c> row-major, weight units. Not kept.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is not allowed or used before, or the shape does not have as many elements as there are values.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
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
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.</remarks>
    public void Add(string name, ElementType type, ReadOnlySpan<long> shape, ReadOnlySpan<byte> littleEndianBytes)
    {
        CheckName(name);
        long length = CheckLossless(type, shape);
        if (littleEndianBytes.Length % type.Size() != 0 || length != littleEndianBytes.Length / type.Size())
            throw new ArgumentException(FormattableString.Invariant($"The shape has {length} elements of {type.Size()} bytes but {littleEndianBytes.Length} bytes were given."), nameof(shape));
        CompressedTensorWriter writer = Begin(name, type, shape, length, null);
        writer.Append(littleEndianBytes);
        writer.Complete();
    }

    /// <summary>Begins a tensor that is written in pieces, without loss; one segment of it is in memory at a time.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="type">The element type.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them. The tensor may have more than 2^31 elements or bytes.</param>
    /// <returns>Receives the elements; complete it before the next tensor is added.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="type"/> is not defined.</exception>
    /// <exception cref="ArgumentException">The name is not allowed or used before, or the shape is negative or too long.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <remarks>Gives the same file as <see cref="Add(string, ElementType, ReadOnlySpan{long}, ReadOnlySpan{byte})"/>. Source: docs/format.md, section 4.7.</remarks>
    public CompressedTensorWriter BeginTensor(string name, ElementType type, ReadOnlySpan<long> shape)
    {
        CheckName(name);
        return Begin(name, type, shape, CheckLossless(type, shape), null);
    }

    /// <summary>Begins a quantised tensor that is written in pieces; one segment of it is in memory at a time.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them. The tensor may have more than 2^31 elements.</param>
    /// <param name="grid">The rule that turns symbols into weights.</param>
    /// <param name="elementType">What the values decode to: a floating-point type; default float32.</param>
    /// <returns>Receives the symbols; complete it before the next tensor is added.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> or <paramref name="grid"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="elementType"/> is not a floating-point type.</exception>
    /// <exception cref="ArgumentException">The name is not allowed or used before, or the shape is negative, too long, or does not suit the grid.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <remarks>Gives the same file as <see cref="Add(string, QuantizedTensor)"/>. Source: docs/format.md, section 4.7.</remarks>
    public CompressedTensorWriter BeginTensor(string name, ReadOnlySpan<long> shape, QuantizationGrid grid, ElementType elementType = ElementType.Float32)
    {
        CheckName(name);
        ArgumentNullException.ThrowIfNull(grid);
        if (!ElementTypes.IsDefined(elementType) || !elementType.IsFloatingPoint())
            throw new ArgumentOutOfRangeException(nameof(elementType), elementType, "Symbols decode to a floating-point type.");
        long length = TensorShape.Count(shape, nameof(shape));
        if (!grid.Fits(shape, grid.FirstSymbol, grid.FirstSymbol, out string? reason))
            throw new ArgumentException(reason, nameof(grid));
        return Begin(name, elementType, shape, length, grid);
    }

    /// <summary>Adds a second name for a tensor added before, as tied weights need.</summary>
    /// <param name="name">The new name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="target">The name of a tensor added before that is not an alias.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The new name is not allowed or used before, or the target is unknown or an alias.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <remarks>Source: docs/format.md, section 4.6.</remarks>
    public void AddAlias(string name, string target)
    {
        CheckName(name);
        ArgumentNullException.ThrowIfNull(target);
        if (!names.TryGetValue(target, out int index) || tensors[index].AliasTarget >= 0)
            throw new ArgumentException($"There is no tensor '{target}' before this alias that is not an alias itself.", nameof(target));
        Append(new PendingTensor { Name = name, AliasTarget = index });
    }

    /// <summary>Adds a text that travels with the model: a licence, a format, what the values mean. The codec does not interpret it.</summary>
    /// <param name="key">Its key, any valid Unicode, not used before.</param>
    /// <param name="value">The text, any valid Unicode.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The key was used before, or a text is not valid Unicode.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or a tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <remarks>Readers refuse an index, of which this is a part, of more than <see cref="DecodeLimits.MaxIndexBytes"/>. Source: docs/format.md, section 4.8.</remarks>
    public void AddMetadata(string key, string value)
    {
        CheckState();
        Utf8Length(key, nameof(key));
        Utf8Length(value, nameof(value));
        if (!metadata.TryAdd(key, value))
            throw new ArgumentException($"There is already a text '{key}'.", nameof(key));
    }

    /// <summary>Writes the file and, where a path was given, gives it its name.</summary>
    /// <returns>What the file holds and what each tensor cost.</returns>
    /// <exception cref="InvalidOperationException">The writer has completed or failed before, or a tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">The file or stream cannot be written; a file that stood at the path before stays whole.</exception>
    /// <remarks>Source: docs/format.md, section 3.</remarks>
    public CompressionReport Complete()
    {
        CheckState();
        failed = true;
        encoder.Drain();

        // Completes at once: nothing in it waits when it may not.
        return Finish(isAsync: false, null, CancellationToken.None).AsTask().GetAwaiter().GetResult();
    }

    /// <summary>Writes the file and, where a path was given, gives it its name, without blocking a thread while segments are coded or bytes written.</summary>
    /// <param name="progress">Is told how many bytes of the file have been written, rising; bytes; default null, nobody.</param>
    /// <param name="cancellationToken">Gives up: no file is left, one that stood at the path before stays whole, and the writer can only be disposed. A stream may hold a part of the file.</param>
    /// <returns>What the file holds and what each tensor cost.</returns>
    /// <exception cref="InvalidOperationException">The writer has completed or failed before, or a tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">The file or stream cannot be written; a file that stood at the path before stays whole.</exception>
    /// <remarks>The temporary file is deleted by <see cref="Dispose"/>. Source: docs/format.md, section 3.</remarks>
    public async Task<CompressionReport> CompleteAsync(IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        CheckState();
        failed = true;
        cancellationToken.ThrowIfCancellationRequested();
        await encoder.DrainAsync(cancellationToken).ConfigureAwait(false);
        return await Finish(isAsync: true, progress, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Frees what the writer holds. Without <see cref="Complete"/> before it no file is left and an older one stays whole.</summary>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        spool.Release(isIdle: completed);
        if (file is not null)
            file.Dispose();
        else if (!leaveOpen)
            destination.Dispose();
    }

    /// <summary>A writer on a stream of our own, keeping payloads in a folder of our choice.</summary>
    internal static CompressedModelWriter Create(Stream stream, CompressedModelWriterOptions options, string spoolFolder) => new(stream, null, leaveOpen: false, options, spoolFolder);

    /// <summary>Bytes of all payloads so far; waits for those that are being coded.</summary>
    internal long KeptBytes()
    {
        encoder.Drain();
        return spool.Length;
    }

    /// <summary>What an update says; null for a model. The tensors of an update are stored without their names.</summary>
    internal UpdateRecord? Update { get; set; }

    /// <summary>The descriptor of the tensor that was added last; waits until it is coded.</summary>
    internal TensorEntry Last()
    {
        encoder.Drain();
        return tensors[^1].ToEntry();
    }

    /// <summary>Leaves out a tensor that no alias names. What is kept of its payload is never written.</summary>
    internal void Discard(string name)
    {
        CheckState();
        encoder.Drain();
        int position = names[name];
        tensors.RemoveAt(position);
        names.Remove(name);
        for (int i = position; i < tensors.Count; i++)
            names[tensors[i].Name] = i;
    }

    /// <summary>What follows must not fail half way, or the file can never be whole.</summary>
    internal void Abandon() => failed = true;

    /// <summary>What <see cref="Abandon"/> announced has not failed.</summary>
    internal void Resume() => failed = false;

    /// <summary>Throws unless elements can be written.</summary>
    internal void CheckTensor()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (failed)
            throw new InvalidOperationException("An earlier call failed, so the file would not be whole.");
    }

    internal void Close(CompressedTensorWriter tensor)
    {
        if (ReferenceEquals(open, tensor))
            open = null;
    }

    bool IModelWriter.MayDivide
    {
        set
        {
            // One file.
        }
    }

    CompressionReport IModelWriter.Complete(CancellationToken cancellationToken) => CompleteAsync(cancellationToken: cancellationToken).GetAwaiter().GetResult();

    private async ValueTask<CompressionReport> Finish(bool isAsync, IProgress<long>? progress, CancellationToken cancellationToken)
    {
        TensorEntry[] entries = [.. tensors.Select(tensor => tensor.ToEntry())];
        bool aligned = level == CompressionLevel.NoCompression;
        byte[] head = Head(entries, aligned, metadata, Update);
        await Write(head, isAsync, cancellationToken).ConfigureAwait(false);

        long offset = head.Length;
        progress?.Report(offset);
        byte[] padding = new byte[ContainerLayout.Alignment];
        foreach (TensorEntry entry in entries)
        {
            if (entry.PayloadLength == 0)
                continue;
            if (aligned)
            {
                long start = ContainerLayout.Align(offset);
                await Write(padding.AsMemory(0, (int)(start - offset)), isAsync, cancellationToken).ConfigureAwait(false);
                offset = start;
            }

            foreach (SegmentEntry segment in entry.Segments)
            {
                await spool.CopyTo(destination, segment.PayloadOffset, segment.PayloadLength, isAsync, cancellationToken).ConfigureAwait(false);
                offset += segment.PayloadLength;
                progress?.Report(offset);
            }
        }

        if (isAsync)
            await destination.FlushAsync(cancellationToken).ConfigureAwait(false);
        else if (file is null)
            destination.Flush();
        cancellationToken.ThrowIfCancellationRequested();
        file?.Publish();
        completed = true;
        var report = new CompressionReport(offset, [.. entries.Select(entry => Report(entry, entries))]);
        CodecEventSource.Log.FileWritten(entries.Length, offset, report.OriginalBytes);
        return report;
    }

    private ValueTask Write(ReadOnlyMemory<byte> bytes, bool isAsync, CancellationToken cancellationToken)
    {
        if (isAsync)
            return destination.WriteAsync(bytes, cancellationToken);
        destination.Write(bytes.Span);
        return default;
    }

    /// <summary>Everything before the payloads.</summary>
    internal static byte[] Head(TensorEntry[] entries, bool aligned, IReadOnlyDictionary<string, string> metadata, UpdateRecord? update = null)
    {
        byte[] index = IndexWriter.Write(entries, metadata, update);
        using var head = new MemoryStream();
        head.Write(ContainerLayout.Magic);
        head.WriteByte(ContainerLayout.Version);
        head.WriteByte((byte)((aligned ? ContainerLayout.AlignedFlag : 0) | (metadata.Count > 0 ? ContainerLayout.MetadataFlag : 0) | (update is null ? 0 : ContainerLayout.UpdateFlag)));
        VarInt.Write(head, (ulong)index.Length);
        head.Write(index);
        Span<byte> checksum = stackalloc byte[ContainerLayout.ChecksumBytes];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(checksum, Crc32C.Of(head.GetBuffer().AsSpan(0, (int)head.Length)));
        head.Write(checksum);
        return head.ToArray();
    }

    internal static TensorReport Report(TensorEntry entry, TensorEntry[] entries)
    {
        TensorEntry shown = entry.AliasTarget >= 0 ? entries[entry.AliasTarget] : entry;
        bool alias = entry.AliasTarget >= 0;
        return new TensorReport(entry.Name, shown.Shape, shown.ElementType, shown.Length, alias ? 0 : shown.PayloadLength, shown.CodingName, alias ? shown.Name : null);
    }

    private static long CheckLossless(ElementType type, ReadOnlySpan<long> shape)
    {
        if (!ElementTypes.IsDefined(type))
            throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type.");
        long length = TensorShape.Count(shape, nameof(shape));
        return length <= long.MaxValue / type.Size() ? length : throw new ArgumentException("The tensor has 2^63 bytes or more.", nameof(shape));
    }

    private CompressedTensorWriter Begin(string name, ElementType type, ReadOnlySpan<long> shape, long length, QuantizationGrid? grid)
    {
        var tensor = new PendingTensor
        {
            Name = name,
            ElementType = type,
            Shape = shape.ToArray(),
            Length = length,
            Grid = grid,
            SegmentLength = Segmentation.LengthFor(shape, length, type.Size(), segmentBytes),
        };
        Append(tensor);
        open = new CompressedTensorWriter(this, encoder, tensor);
        return open;
    }

    private void CheckState()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (completed)
            throw new InvalidOperationException("The file is complete.");
        if (open is not null && !failed)
            throw new InvalidOperationException($"The tensor '{open.Name}' is not complete.");
        if (failed)
            throw new InvalidOperationException("An earlier call failed, so the file would not be whole.");
    }

    private void CheckName(string name)
    {
        CheckState();
        int bytes = Utf8Length(name, nameof(name));
        if (bytes is 0 or > ContainerLayout.MaxNameBytes)
            throw new ArgumentException(FormattableString.Invariant($"A tensor name has 1 to {ContainerLayout.MaxNameBytes} bytes of UTF-8, not {bytes}."), nameof(name));
        if (names.ContainsKey(name))
            throw new ArgumentException($"There is already a tensor '{name}'.", nameof(name));
    }

    private static int Utf8Length(string text, string parameter)
    {
        ArgumentNullException.ThrowIfNull(text, parameter);
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetByteCount(text);
        }
        catch (EncoderFallbackException exception)
        {
            throw new ArgumentException("Names and texts must be valid Unicode.", parameter, exception);
        }
    }

    private void Append(PendingTensor tensor)
    {
        names.Add(tensor.Name, tensors.Count);
        tensors.Add(tensor);
    }
}
