using System.Diagnostics.CodeAnalysis;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec;

/// <summary>Reads a compressed model: the index when it is opened, each tensor when it is asked for.</summary>
/// <remarks>
/// <para>Decoding is safe on many threads at once. A file is taken for hostile: whatever it holds, the reader throws <see cref="InvalidDataException"/>
/// (whose <c>Data</c> says why, see <see cref="ContainerError"/>), <see cref="NotSupportedException"/> for a newer format, or the source's own exceptions, and nothing else.
/// After an exception the destination's content is undefined.</para>
/// <para>Source: docs/format.md.</para>
/// </remarks>
public sealed class CompressedModelReader : IDisposable
{
    private readonly PayloadSource source;
    private readonly CompressedTensorInfo[] tensors;
    private readonly Dictionary<string, int> names;
    private Recent? recent;
    private bool disposed;

    private CompressedModelReader(PayloadSource source, DecodeLimits limits, bool asUpdate)
    {
        this.source = source;
        ModelIndex index = HeaderReader.Read(source, limits, asUpdate);
        IReadOnlyList<TensorEntry> entries = index.Tensors;
        Metadata = index.Metadata;
        Update = index.Update;
        source.Announce(entries);
        tensors = new CompressedTensorInfo[entries.Count];
        names = new Dictionary<string, int>(entries.Count, StringComparer.Ordinal);
        for (int i = 0; i < tensors.Length; i++)
        {
            TensorEntry entry = entries[i];
            tensors[i] = new CompressedTensorInfo(entry, this, entry.AliasTarget >= 0 ? tensors[entry.AliasTarget] : null);
            names.Add(entry.Name, i);
        }

        CodecEventSource.Log.FileOpened(tensors.Length, CodecInfo.Kernel);
    }

    /// <summary>The tensors in the order of the file, aliases included.</summary>
    public IReadOnlyList<CompressedTensorInfo> Tensors => tensors;

    /// <summary>Texts that came with the model, by key; never interpreted by the codec; empty where there are none.</summary>
    /// <remarks>Source: docs/format.md, section 4.8.</remarks>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>What an update says; null for a model.</summary>
    internal UpdateRecord? Update { get; }

    /// <summary>Bytes of payloads kept in memory between two calls.</summary>
    internal long BufferedBytes => source.BufferedBytes;

    /// <summary>Finds a tensor by its exact name.</summary>
    /// <param name="name">The name.</param>
    /// <returns>What the index says about it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="KeyNotFoundException">There is no such tensor.</exception>
    public CompressedTensorInfo this[string name] =>
        TryGet(name, out CompressedTensorInfo? info) ? info : throw new KeyNotFoundException($"The file has no tensor '{name}'.");

    /// <summary>Opens a file and reads its index.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What to accept at most; default <see cref="DecodeLimits.Default"/>.</param>
    /// <returns>The reader; dispose it.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null or empty.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or over a limit.</exception>
    /// <exception cref="NotSupportedException">The file has a newer format.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <remarks>Source: docs/format.md, section 3.</remarks>
    public static CompressedModelReader Open(string path, DecodeLimits? limits = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        // No buffer: every read is at an offset of its own. A named pipe has no offsets and is read forward.
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        return Open(file.CanSeek ? new FileSource(file) : new ForwardSource(file, leaveOpen: false, limits ?? DecodeLimits.Default), limits);
    }

    /// <summary>Opens a file on a stream, from the stream's position on, and reads its index.</summary>
    /// <param name="stream">Holds the file. A stream that can seek must end where the file ends. One that cannot is read forward only, and never beyond the file's last
    /// byte; payloads are kept in memory up to <see cref="DecodeLimits.MaxBufferedBytes"/>, those decoded longest ago dropped first, so that tensors may be decoded in any order and more than once while
    /// there is room. Decoding in the order of the file needs none: with a limit of 0 one payload is in memory at a time.</param>
    /// <param name="limits">What to accept at most; default <see cref="DecodeLimits.Default"/>.</param>
    /// <param name="leaveOpen">True to leave the stream open when the reader is disposed.</param>
    /// <returns>The reader; dispose it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="stream"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="stream"/> cannot be read from.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or over a limit.</exception>
    /// <exception cref="NotSupportedException">The file has a newer format.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    /// <remarks>Source: docs/format.md, section 3.</remarks>
    public static CompressedModelReader Open(Stream stream, DecodeLimits? limits = null, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanRead)
            throw new ArgumentException("The stream cannot be read from.", nameof(stream));
        return Open(stream.CanSeek ? new SeekableSource(stream, leaveOpen) : new ForwardSource(stream, leaveOpen, limits ?? DecodeLimits.Default), limits);
    }

    /// <summary>Opens a file that is read in ranges, as from a store of objects, and reads its index.</summary>
    /// <param name="read">Gives bytes of the file: offset, bytes from the first of the file; length, bytes. May give fewer at the end of the file only. What it gives must not change while the reader is used.
    /// Called on any thread, also on several at once.</param>
    /// <param name="length">The length of the file, bytes; default -1, unknown: then a file that is too long or too short is noticed only where it is read.</param>
    /// <param name="limits">What to accept at most; default <see cref="DecodeLimits.Default"/>.</param>
    /// <returns>The reader; dispose it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="read"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="length"/> is less than -1.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or over a limit.</exception>
    /// <exception cref="NotSupportedException">The file has a newer format.</exception>
    /// <exception cref="IOException">The delegate gave more than was asked for.</exception>
    /// <remarks>Opening takes one request of 64 KiB, and one more for the rest of a longer index; decoding one for each segment that the first did not bring. What the delegate throws passes through. Source: docs/format.md, section 3.</remarks>
    public static CompressedModelReader Open(Func<long, int, ReadOnlyMemory<byte>> read, long length = -1, DecodeLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(read);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, -1);
        return Open(new RangeSource((offset, count, _) => new(read(offset, count)), length, isAsync: false), limits);
    }

    /// <summary>Opens a file and reads its index, waiting for the disk without blocking a thread.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What to accept at most; default <see cref="DecodeLimits.Default"/>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The reader; dispose it.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null or empty.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or over a limit.</exception>
    /// <exception cref="NotSupportedException">The file has a newer format.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <remarks>Source: docs/format.md, section 3.</remarks>
    public static Task<CompressedModelReader> OpenAsync(string path, DecodeLimits? limits = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0, FileOptions.Asynchronous);
        return OpenAsync(file.CanSeek ? new FileSource(file) : new ForwardSource(file, leaveOpen: false, limits ?? DecodeLimits.Default), limits, cancellationToken);
    }

    /// <summary>Opens a file on a stream, from the stream's position on, and reads its index without blocking a thread.</summary>
    /// <param name="stream">Holds the file, as for <see cref="Open(Stream, DecodeLimits?, bool)"/>.</param>
    /// <param name="limits">What to accept at most; default <see cref="DecodeLimits.Default"/>.</param>
    /// <param name="leaveOpen">True to leave the stream open when the reader is disposed; default false.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The reader; dispose it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="stream"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="stream"/> cannot be read from.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or over a limit.</exception>
    /// <exception cref="NotSupportedException">The file has a newer format.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    /// <remarks>Source: docs/format.md, section 3.</remarks>
    public static Task<CompressedModelReader> OpenAsync(Stream stream, DecodeLimits? limits = null, bool leaveOpen = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanRead)
            throw new ArgumentException("The stream cannot be read from.", nameof(stream));
        return OpenAsync(stream.CanSeek ? new SeekableSource(stream, leaveOpen) : new ForwardSource(stream, leaveOpen, limits ?? DecodeLimits.Default), limits, cancellationToken);
    }

    /// <summary>Opens a file that is read in ranges, as over HTTP, and reads its index.</summary>
    /// <param name="read">Gives bytes of the file: offset, bytes from the first of the file; length, bytes. May give fewer at the end of the file only. What it gives must not change while the reader is used.
    /// Called on any thread, also on several at once.</param>
    /// <param name="length">The length of the file, bytes; default -1, unknown: then a file that is too long or too short is noticed only where it is read.</param>
    /// <param name="limits">What to accept at most; default <see cref="DecodeLimits.Default"/>.</param>
    /// <param name="cancellationToken">Gives up; passed to the delegate.</param>
    /// <returns>The reader; dispose it. It decodes with the asynchronous methods; the others throw <see cref="InvalidOperationException"/> where they would have to wait for the delegate.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="read"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="length"/> is less than -1.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or over a limit.</exception>
    /// <exception cref="NotSupportedException">The file has a newer format.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">The delegate gave more than was asked for.</exception>
    /// <remarks>Opening takes one request of 64 KiB, and one more for the rest of a longer index; decoding one for each segment that the first did not bring. What the delegate throws passes through. Source: docs/format.md, section 3.</remarks>
    public static Task<CompressedModelReader> OpenAsync(
        Func<long, int, CancellationToken, ValueTask<ReadOnlyMemory<byte>>> read,
        long length = -1,
        DecodeLimits? limits = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(read);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, -1);
        return OpenAsync(new RangeSource(read, length, isAsync: true), limits, cancellationToken);
    }

    /// <summary>Finds a tensor by its exact name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="info">What the index says about it; null on failure.</param>
    /// <returns>True when there is such a tensor.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    public bool TryGet(string name, [NotNullWhen(true)] out CompressedTensorInfo? info)
    {
        ArgumentNullException.ThrowIfNull(name);
        info = names.TryGetValue(name, out int index) ? tensors[index] : null;
        return info is not null;
    }

    /// <summary>Decodes a tensor to float32.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="destination">Receives the values; shape <c>[Length]</c> or longer, weight units. The rest is left alone.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">The payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Float64 and integers are rounded to the nearest float32; everything else is exact. Source: docs/format.md, section 4.4.</remarks>
    public void Decode(CompressedTensorInfo tensor, Span<float> destination) => Run<ValueDecoder<float>, float>(tensor, 0, Whole(tensor, destination));

    /// <summary>Decodes a tensor to float64.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="destination">Receives the values; shape <c>[Length]</c> or longer, weight units. The rest is left alone.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">The payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Int64 is rounded to the nearest float64; everything else is exact. Source: docs/format.md, section 4.4.</remarks>
    public void Decode(CompressedTensorInfo tensor, Span<double> destination) => Run<ValueDecoder<double>, double>(tensor, 0, Whole(tensor, destination));

    /// <summary>Decodes a tensor to the bytes of its own element type.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="destination">Receives the elements as little-endian bytes; shape <c>[DecodedBytes]</c> or longer. The rest is left alone.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">The payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Exact for every type. Source: docs/format.md, section 4.4.</remarks>
    public void DecodeBytes(CompressedTensorInfo tensor, Span<byte> destination)
    {
        Check(tensor, destination.Length, tensor?.DecodedBytes ?? 0, "bytes");
        Run<ByteDecoder, byte>(tensor!, 0, destination[..(int)tensor!.DecodedBytes]);
    }

    /// <summary>Decodes the symbols of a quantised tensor.</summary>
    /// <param name="tensor">A quantised tensor of this reader whose symbols fit in 8 bits.</param>
    /// <param name="destination">Receives the symbols; shape <c>[Length]</c> or longer, dimensionless. The rest is left alone.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised, or its symbols do not fit in 8 bits.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">The payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Source: docs/format.md, section 5.</remarks>
    public void DecodeSymbols(CompressedTensorInfo tensor, Span<sbyte> destination)
    {
        Span<sbyte> whole = Whole(tensor, destination, "symbols");
        CheckQuantized(tensor, narrow: true);
        Run<SymbolDecoder<sbyte>, sbyte>(tensor, 0, whole);
    }

    /// <summary>Decodes the symbols of a quantised tensor.</summary>
    /// <param name="tensor">A quantised tensor of this reader.</param>
    /// <param name="destination">Receives the symbols; shape <c>[Length]</c> or longer, dimensionless. The rest is left alone.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">The payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Source: docs/format.md, section 5.</remarks>
    public void DecodeSymbols(CompressedTensorInfo tensor, Span<short> destination)
    {
        Span<short> whole = Whole(tensor, destination, "symbols");
        CheckQuantized(tensor, narrow: false);
        Run<SymbolDecoder<short>, short>(tensor, 0, whole);
    }

    /// <summary>Decodes elements to float32 from one element on; only the segments that hold them are read.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="start">The index of the first element, row-major; elements, range <c>[0, Length]</c>.</param>
    /// <param name="destination">Receives the values; shape <c>[count]</c>, weight units; filled to its end.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="start"/> is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> goes beyond its end.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>A segment that is needed in part is decoded as a whole and kept until another one is, so reading on in small pieces is cheap. Source: docs/format.md, section 4.7.</remarks>
    public void Decode(CompressedTensorInfo tensor, long start, Span<float> destination)
    {
        CheckRange(tensor, start, destination.Length);
        Run<ValueDecoder<float>, float>(tensor, start, destination);
    }

    /// <summary>Decodes elements to float64 from one element on; only the segments that hold them are read.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="start">The index of the first element, row-major; elements, range <c>[0, Length]</c>.</param>
    /// <param name="destination">Receives the values; shape <c>[count]</c>, weight units; filled to its end.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="start"/> is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> goes beyond its end.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>A segment that is needed in part is decoded as a whole and kept until another one is, so reading on in small pieces is cheap. Source: docs/format.md, section 4.7.</remarks>
    public void Decode(CompressedTensorInfo tensor, long start, Span<double> destination)
    {
        CheckRange(tensor, start, destination.Length);
        Run<ValueDecoder<double>, double>(tensor, start, destination);
    }

    /// <summary>Decodes elements to the bytes of their own type from one element on; only the segments that hold them are read.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="start">The index of the first element, row-major; elements, range <c>[0, Length]</c>.</param>
    /// <param name="destination">Receives the elements as little-endian bytes, shape <c>[count x bytes of an element]</c>; filled to its end.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="start"/> is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> goes beyond its end, or does not hold whole elements.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>A segment that is needed in part is decoded as a whole and kept until another one is, so reading on in small pieces is cheap. Source: docs/format.md, section 4.7.</remarks>
    public void DecodeBytes(CompressedTensorInfo tensor, long start, Span<byte> destination)
    {
        CheckRange(tensor, start, WholeElements(tensor, destination.Length));
        Run<ByteDecoder, byte>(tensor, start, destination);
    }

    /// <summary>Decodes symbols of a quantised tensor from one element on; only the segments that hold them are read.</summary>
    /// <param name="tensor">A quantised tensor of this reader whose symbols fit in 8 bits.</param>
    /// <param name="start">The index of the first element, row-major; elements, range <c>[0, Length]</c>.</param>
    /// <param name="destination">Receives the symbols; shape <c>[count]</c>, dimensionless; filled to its end.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="start"/> is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> goes beyond its end.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised, or its symbols do not fit in 8 bits.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>A segment that is needed in part is decoded as a whole and kept until another one is, so reading on in small pieces is cheap. Source: docs/format.md, section 4.7.</remarks>
    public void DecodeSymbols(CompressedTensorInfo tensor, long start, Span<sbyte> destination)
    {
        CheckRange(tensor, start, destination.Length);
        CheckQuantized(tensor, narrow: true);
        Run<SymbolDecoder<sbyte>, sbyte>(tensor, start, destination);
    }

    /// <summary>Decodes symbols of a quantised tensor from one element on; only the segments that hold them are read.</summary>
    /// <param name="tensor">A quantised tensor of this reader.</param>
    /// <param name="start">The index of the first element, row-major; elements, range <c>[0, Length]</c>.</param>
    /// <param name="destination">Receives the symbols; shape <c>[count]</c>, dimensionless; filled to its end.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="start"/> is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> goes beyond its end.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>A segment that is needed in part is decoded as a whole and kept until another one is, so reading on in small pieces is cheap. Source: docs/format.md, section 4.7.</remarks>
    public void DecodeSymbols(CompressedTensorInfo tensor, long start, Span<short> destination)
    {
        CheckRange(tensor, start, destination.Length);
        CheckQuantized(tensor, narrow: false);
        Run<SymbolDecoder<short>, short>(tensor, start, destination);
    }

    /// <summary>Decodes a tensor to float32, on several threads where the options ask for it.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="destination">Receives the values; shape <c>[Length]</c> or longer, weight units. The rest is left alone.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops between two segments; what the destinations hold then is undefined.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> or <paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Gives the same as the form without options. Source: docs/format.md, section 4.7.</remarks>
    public void Decode(CompressedTensorInfo tensor, Memory<float> destination, DecodeOptions options, CancellationToken cancellationToken = default) =>
        RunAll<ValueDecoder<float>, float>([(tensor, destination)], options, cancellationToken);

    /// <summary>Decodes a tensor to float64, on several threads where the options ask for it.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="destination">Receives the values; shape <c>[Length]</c> or longer, weight units. The rest is left alone.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops between two segments; what the destinations hold then is undefined.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> or <paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Gives the same as the form without options. Source: docs/format.md, section 4.7.</remarks>
    public void Decode(CompressedTensorInfo tensor, Memory<double> destination, DecodeOptions options, CancellationToken cancellationToken = default) =>
        RunAll<ValueDecoder<double>, double>([(tensor, destination)], options, cancellationToken);

    /// <summary>Decodes a tensor to the bytes of its own element type, on several threads where the options ask for it.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="destination">Receives the elements as little-endian bytes; shape <c>[DecodedBytes]</c> or longer. The rest is left alone.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops between two segments; what the destinations hold then is undefined.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> or <paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Gives the same as the form without options. Source: docs/format.md, section 4.7.</remarks>
    public void DecodeBytes(CompressedTensorInfo tensor, Memory<byte> destination, DecodeOptions options, CancellationToken cancellationToken = default) =>
        RunAll<ByteDecoder, byte>([(tensor, destination)], options, cancellationToken);

    /// <summary>Decodes the symbols of a quantised tensor, on several threads where the options ask for it.</summary>
    /// <param name="tensor">A quantised tensor of this reader whose symbols fit in 8 bits.</param>
    /// <param name="destination">Receives the symbols; shape <c>[Length]</c> or longer, dimensionless. The rest is left alone.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops between two segments; what the destinations hold then is undefined.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> or <paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised, or its symbols do not fit in 8 bits.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Gives the same as the form without options. Source: docs/format.md, section 4.7.</remarks>
    public void DecodeSymbols(CompressedTensorInfo tensor, Memory<sbyte> destination, DecodeOptions options, CancellationToken cancellationToken = default) =>
        RunAll<SymbolDecoder<sbyte>, sbyte>([(tensor, destination)], options, cancellationToken);

    /// <summary>Decodes the symbols of a quantised tensor, on several threads where the options ask for it.</summary>
    /// <param name="tensor">A quantised tensor of this reader.</param>
    /// <param name="destination">Receives the symbols; shape <c>[Length]</c> or longer, dimensionless. The rest is left alone.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops between two segments; what the destinations hold then is undefined.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> or <paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Gives the same as the form without options. Source: docs/format.md, section 4.7.</remarks>
    public void DecodeSymbols(CompressedTensorInfo tensor, Memory<short> destination, DecodeOptions options, CancellationToken cancellationToken = default) =>
        RunAll<SymbolDecoder<short>, short>([(tensor, destination)], options, cancellationToken);

    /// <summary>Decodes tensors to float32, on several threads where the options ask for it: small tensors and the segments of large ones share the threads.</summary>
    /// <param name="tensors">Tensors of this reader. Each with what receives it: shape <c>[Length]</c> or longer, weight units.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops between two segments; what the destinations hold then is undefined.</param>
    /// <exception cref="ArgumentNullException">An argument or a tensor is null.</exception>
    /// <exception cref="ArgumentException">A tensor is not one of this reader, or a destination is too short.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Destinations must not overlap. Source: docs/format.md, section 4.7.</remarks>
    public void Decode(IReadOnlyList<(CompressedTensorInfo Tensor, Memory<float> Destination)> tensors, DecodeOptions options, CancellationToken cancellationToken = default) =>
        RunAll<ValueDecoder<float>, float>(tensors, options, cancellationToken);

    /// <summary>Decodes tensors to the bytes of their own element types, on several threads where the options ask for it: small tensors and the segments of large ones share the threads.</summary>
    /// <param name="tensors">Tensors of this reader. Each with what receives it: little-endian bytes, shape <c>[DecodedBytes]</c> or longer.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops between two segments; what the destinations hold then is undefined.</param>
    /// <exception cref="ArgumentNullException">An argument or a tensor is null.</exception>
    /// <exception cref="ArgumentException">A tensor is not one of this reader, or a destination is too short.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Destinations must not overlap. Source: docs/format.md, section 4.7.</remarks>
    public void DecodeBytes(IReadOnlyList<(CompressedTensorInfo Tensor, Memory<byte> Destination)> tensors, DecodeOptions options, CancellationToken cancellationToken = default) =>
        RunAll<ByteDecoder, byte>(tensors, options, cancellationToken);

    /// <summary>Decodes the symbols of quantised tensors, on several threads where the options ask for it: small tensors and the segments of large ones share the threads.</summary>
    /// <param name="tensors">Quantised tensors of this reader whose symbols fit in 8 bits. Each with what receives it: shape <c>[Length]</c> or longer, dimensionless.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="cancellationToken">Stops between two segments; what the destinations hold then is undefined.</param>
    /// <exception cref="ArgumentNullException">An argument or a tensor is null.</exception>
    /// <exception cref="ArgumentException">A tensor is not one of this reader, or a destination is too short.</exception>
    /// <exception cref="InvalidOperationException">A tensor is not quantised, or its symbols do not fit in 8 bits.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Destinations must not overlap. Source: docs/format.md, section 4.7.</remarks>
    public void DecodeSymbols(IReadOnlyList<(CompressedTensorInfo Tensor, Memory<sbyte> Destination)> tensors, DecodeOptions options, CancellationToken cancellationToken = default) =>
        RunAll<SymbolDecoder<sbyte>, sbyte>(tensors, options, cancellationToken);

    /// <summary>Decodes all elements to float32 without blocking a thread while the source is read; the decoding itself runs on the thread pool.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="destination">Receives the values; shape <c>[Length]</c> or longer, weight units. The rest is left alone.</param>
    /// <param name="options">Threads and progress; default one thread, none.</param>
    /// <param name="cancellationToken">Stops between two segments or while one is read; what the destination holds then is undefined.</param>
    /// <returns>Ends when all is decoded.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Wrong arguments throw at once. Source: docs/format.md, section 4.7.</remarks>
    public Task DecodeAsync(CompressedTensorInfo tensor, Memory<float> destination, DecodeOptions? options = null, CancellationToken cancellationToken = default) =>
        RunAllAsync<ValueDecoder<float>, float>(tensor, destination, options, cancellationToken);

    /// <summary>Decodes elements from one on to float32 without blocking a thread while the source is read; the decoding itself runs on the thread pool.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="start">The index of the first element, row-major; elements, range <c>[0, Length]</c>.</param>
    /// <param name="destination">Receives the values; shape <c>[count]</c>, weight units; filled to its end.</param>
    /// <param name="cancellationToken">Stops between two segments or while one is read; what the destination holds then is undefined.</param>
    /// <returns>Ends when all is decoded.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="start"/> is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> goes beyond its end.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Wrong arguments throw at once. Source: docs/format.md, section 4.7.</remarks>
    public Task DecodeAsync(CompressedTensorInfo tensor, long start, Memory<float> destination, CancellationToken cancellationToken = default)
    {
        CheckRange(tensor, start, destination.Length);
        return RunAsync<ValueDecoder<float>, float>(tensor, start, destination, cancellationToken);
    }

    /// <summary>Decodes all elements to float64 without blocking a thread while the source is read; the decoding itself runs on the thread pool.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="destination">Receives the values; shape <c>[Length]</c> or longer, weight units. The rest is left alone.</param>
    /// <param name="options">Threads and progress; default one thread, none.</param>
    /// <param name="cancellationToken">Stops between two segments or while one is read; what the destination holds then is undefined.</param>
    /// <returns>Ends when all is decoded.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Wrong arguments throw at once. Source: docs/format.md, section 4.7.</remarks>
    public Task DecodeAsync(CompressedTensorInfo tensor, Memory<double> destination, DecodeOptions? options = null, CancellationToken cancellationToken = default) =>
        RunAllAsync<ValueDecoder<double>, double>(tensor, destination, options, cancellationToken);

    /// <summary>Decodes elements from one on to float64 without blocking a thread while the source is read; the decoding itself runs on the thread pool.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="start">The index of the first element, row-major; elements, range <c>[0, Length]</c>.</param>
    /// <param name="destination">Receives the values; shape <c>[count]</c>, weight units; filled to its end.</param>
    /// <param name="cancellationToken">Stops between two segments or while one is read; what the destination holds then is undefined.</param>
    /// <returns>Ends when all is decoded.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="start"/> is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> goes beyond its end.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Wrong arguments throw at once. Source: docs/format.md, section 4.7.</remarks>
    public Task DecodeAsync(CompressedTensorInfo tensor, long start, Memory<double> destination, CancellationToken cancellationToken = default)
    {
        CheckRange(tensor, start, destination.Length);
        return RunAsync<ValueDecoder<double>, double>(tensor, start, destination, cancellationToken);
    }

    /// <summary>Decodes all elements to bytes of the element type without blocking a thread while the source is read; the decoding itself runs on the thread pool.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="destination">Receives the elements as little-endian bytes; shape <c>[Length x bytes of an element]</c> or longer. The rest is left alone.</param>
    /// <param name="options">Threads and progress; default one thread, none.</param>
    /// <param name="cancellationToken">Stops between two segments or while one is read; what the destination holds then is undefined.</param>
    /// <returns>Ends when all is decoded.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Wrong arguments throw at once. Source: docs/format.md, section 4.7.</remarks>
    public Task DecodeBytesAsync(CompressedTensorInfo tensor, Memory<byte> destination, DecodeOptions? options = null, CancellationToken cancellationToken = default) =>
        RunAllAsync<ByteDecoder, byte>(tensor, destination, options, cancellationToken);

    /// <summary>Decodes elements from one on to bytes of the element type without blocking a thread while the source is read; the decoding itself runs on the thread pool.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="start">The index of the first element, row-major; elements, range <c>[0, Length]</c>.</param>
    /// <param name="destination">Receives the elements as little-endian bytes; shape <c>[count x bytes of an element]</c>; filled to its end.</param>
    /// <param name="cancellationToken">Stops between two segments or while one is read; what the destination holds then is undefined.</param>
    /// <returns>Ends when all is decoded.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="start"/> is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> goes beyond its end, or does not hold whole elements.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Wrong arguments throw at once. Source: docs/format.md, section 4.7.</remarks>
    public Task DecodeBytesAsync(CompressedTensorInfo tensor, long start, Memory<byte> destination, CancellationToken cancellationToken = default)
    {
        CheckRange(tensor, start, WholeElements(tensor, destination.Length));
        return RunAsync<ByteDecoder, byte>(tensor, start, destination, cancellationToken);
    }

    /// <summary>Decodes all elements of a quantised tensor to 8-bit symbols without blocking a thread while the source is read; the decoding itself runs on the thread pool.</summary>
    /// <param name="tensor">A quantised tensor of this reader whose symbols fit in 8 bits.</param>
    /// <param name="destination">Receives the symbols; shape <c>[Length]</c> or longer, dimensionless. The rest is left alone.</param>
    /// <param name="options">Threads and progress; default one thread, none.</param>
    /// <param name="cancellationToken">Stops between two segments or while one is read; what the destination holds then is undefined.</param>
    /// <returns>Ends when all is decoded.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised, or its symbols do not fit in 8 bits.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Wrong arguments throw at once. Source: docs/format.md, section 4.7.</remarks>
    public Task DecodeSymbolsAsync(CompressedTensorInfo tensor, Memory<sbyte> destination, DecodeOptions? options = null, CancellationToken cancellationToken = default) =>
        RunAllAsync<SymbolDecoder<sbyte>, sbyte>(tensor, destination, options, cancellationToken);

    /// <summary>Decodes elements from one on of a quantised tensor to 8-bit symbols without blocking a thread while the source is read; the decoding itself runs on the thread pool.</summary>
    /// <param name="tensor">A quantised tensor of this reader whose symbols fit in 8 bits.</param>
    /// <param name="start">The index of the first element, row-major; elements, range <c>[0, Length]</c>.</param>
    /// <param name="destination">Receives the symbols; shape <c>[count]</c>, dimensionless; filled to its end.</param>
    /// <param name="cancellationToken">Stops between two segments or while one is read; what the destination holds then is undefined.</param>
    /// <returns>Ends when all is decoded.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="start"/> is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> goes beyond its end.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised, or its symbols do not fit in 8 bits.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Wrong arguments throw at once. Source: docs/format.md, section 4.7.</remarks>
    public Task DecodeSymbolsAsync(CompressedTensorInfo tensor, long start, Memory<sbyte> destination, CancellationToken cancellationToken = default)
    {
        CheckRange(tensor, start, destination.Length);
        CheckQuantized(tensor, narrow: true);
        return RunAsync<SymbolDecoder<sbyte>, sbyte>(tensor, start, destination, cancellationToken);
    }

    /// <summary>Decodes all elements of a quantised tensor to 16-bit symbols without blocking a thread while the source is read; the decoding itself runs on the thread pool.</summary>
    /// <param name="tensor">A quantised tensor of this reader.</param>
    /// <param name="destination">Receives the symbols; shape <c>[Length]</c> or longer, dimensionless. The rest is left alone.</param>
    /// <param name="options">Threads and progress; default one thread, none.</param>
    /// <param name="cancellationToken">Stops between two segments or while one is read; what the destination holds then is undefined.</param>
    /// <returns>Ends when all is decoded.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Wrong arguments throw at once. Source: docs/format.md, section 4.7.</remarks>
    public Task DecodeSymbolsAsync(CompressedTensorInfo tensor, Memory<short> destination, DecodeOptions? options = null, CancellationToken cancellationToken = default) =>
        RunAllAsync<SymbolDecoder<short>, short>(tensor, destination, options, cancellationToken);

    /// <summary>Decodes elements from one on of a quantised tensor to 16-bit symbols without blocking a thread while the source is read; the decoding itself runs on the thread pool.</summary>
    /// <param name="tensor">A quantised tensor of this reader.</param>
    /// <param name="start">The index of the first element, row-major; elements, range <c>[0, Length]</c>.</param>
    /// <param name="destination">Receives the symbols; shape <c>[count]</c>, dimensionless; filled to its end.</param>
    /// <param name="cancellationToken">Stops between two segments or while one is read; what the destination holds then is undefined.</param>
    /// <returns>Ends when all is decoded.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="start"/> is negative or beyond the end.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> goes beyond its end.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">A payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Wrong arguments throw at once. Source: docs/format.md, section 4.7.</remarks>
    public Task DecodeSymbolsAsync(CompressedTensorInfo tensor, long start, Memory<short> destination, CancellationToken cancellationToken = default)
    {
        CheckRange(tensor, start, destination.Length);
        CheckQuantized(tensor, narrow: false);
        return RunAsync<SymbolDecoder<short>, short>(tensor, start, destination, cancellationToken);
    }

    /// <summary>Frees what the reader holds and, unless asked otherwise, closes the stream. Decoding after this throws.</summary>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        source.Dispose();
    }

    /// <summary>Opens an update, whose tensors are what it stores of the new model's.</summary>
    internal static CompressedModelReader OpenUpdate(Stream stream, DecodeLimits? limits, bool leaveOpen)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanRead)
            throw new ArgumentException("The stream cannot be read from.", nameof(stream));
        return Open(stream.CanSeek ? new SeekableSource(stream, leaveOpen) : new ForwardSource(stream, leaveOpen, limits ?? DecodeLimits.Default), limits, asUpdate: true);
    }

    /// <summary>Opens a file on any source, which is disposed with the reader or on failure.</summary>
    internal static CompressedModelReader Open(PayloadSource source, DecodeLimits? limits, bool asUpdate = false)
    {
        try
        {
            return new CompressedModelReader(source, limits ?? DecodeLimits.Default, asUpdate);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Opens a file on any source, which is disposed with the reader or on failure, without blocking a thread.</summary>
    internal static async Task<CompressedModelReader> OpenAsync(PayloadSource source, DecodeLimits? limits, CancellationToken cancellationToken)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            await source.FetchIndexAsync(limits ?? DecodeLimits.Default, cancellationToken).ConfigureAwait(false);
            return new CompressedModelReader(source, limits ?? DecodeLimits.Default, asUpdate: false);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    private void RunAll<TDecoder, T>(IReadOnlyList<(CompressedTensorInfo Tensor, Memory<T> Destination)> tensors, DecodeOptions options, CancellationToken cancellationToken)
        where TDecoder : ISegmentDecoder<T>
        where T : struct
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(options);
        List<(CompressedTensorInfo Tensor, SegmentEntry Segment, Memory<T> Destination)> parts = Parts<TDecoder, T>(tensors);
        var report = new Report(options.Progress);
        ParallelWork.Run(
            parts.Count,
            options.Threads,
            index =>
            {
                (CompressedTensorInfo tensor, SegmentEntry segment, Memory<T> destination) = parts[index];
                if (segment.Length > 0)
                    Segment<TDecoder, T>(tensor, segment, segment.Start, destination.Span);
                report.Add(segment.Length);
            },
            cancellationToken);
    }

    private Task RunAllAsync<TDecoder, T>(CompressedTensorInfo tensor, Memory<T> destination, DecodeOptions? options, CancellationToken cancellationToken)
        where TDecoder : ISegmentDecoder<T>
        where T : struct
    {
        List<(CompressedTensorInfo Tensor, SegmentEntry Segment, Memory<T> Destination)> parts = Parts<TDecoder, T>([(tensor, destination)]);
        var report = new Report(options?.Progress);
        return ParallelWork.RunAsync(
            parts.Count,
            options?.Threads ?? 1,
            async index =>
            {
                (_, SegmentEntry segment, Memory<T> part) = parts[index];
                if (segment.Length > 0)
                    await SegmentAsync<TDecoder, T>(tensor, segment, segment.Start, part, cancellationToken).ConfigureAwait(false);
                report.Add(segment.Length);
            },
            cancellationToken);
    }

    private Task RunAsync<TDecoder, T>(CompressedTensorInfo tensor, long start, Memory<T> destination, CancellationToken cancellationToken)
        where TDecoder : ISegmentDecoder<T>
        where T : struct
    {
        int units = TDecoder.Units(tensor.Entry);
        return ParallelWork.RunAsync(1, 1, async _ =>
        {
            for (int index = tensor.Entry.SegmentOf(start); !destination.IsEmpty; index++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                SegmentEntry segment = tensor.Entry.Segments[index];
                long count = Math.Min(destination.Length / units, segment.Start + segment.Length - start);
                Memory<T> part = destination[..(int)(count * units)];
                if (count == segment.Length || segment.Coding == Coding.Constant)
                {
                    await SegmentAsync<TDecoder, T>(tensor, segment, start, part, cancellationToken).ConfigureAwait(false);
                }
                else
                {
                    int length = (int)segment.Length * units;
                    if (!TakeRecent(segment, length, out T[] content))
                        await SegmentAsync<TDecoder, T>(tensor, segment, segment.Start, content.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
                    content.AsSpan((int)(start - segment.Start) * units, part.Length).CopyTo(part.Span);
                    recent = new Recent(segment, content);
                }

                destination = destination[part.Length..];
                start += count;
            }
        }, cancellationToken);
    }

    private List<(CompressedTensorInfo Tensor, SegmentEntry Segment, Memory<T> Destination)> Parts<TDecoder, T>(IReadOnlyList<(CompressedTensorInfo Tensor, Memory<T> Destination)> tensors)
        where TDecoder : ISegmentDecoder<T>
        where T : struct
    {
        var parts = new List<(CompressedTensorInfo Tensor, SegmentEntry Segment, Memory<T> Destination)>();
        foreach ((CompressedTensorInfo tensor, Memory<T> destination) in tensors)
        {
            Check(tensor, 0, 0, "");
            int units = TDecoder.Units(tensor.Entry);
            Check(tensor, destination.Length, tensor.Length * units, typeof(T) == typeof(byte) ? "bytes" : "elements");
            if (typeof(T) == typeof(sbyte) || typeof(T) == typeof(short))
                CheckQuantized(tensor, narrow: typeof(T) == typeof(sbyte));
            foreach (SegmentEntry segment in tensor.Entry.Segments)
                parts.Add((tensor, segment, destination.Slice((int)(segment.Start * units), (int)(segment.Length * units))));
        }

        return parts;
    }

    /// <summary>Decodes consecutive elements, segment by segment.</summary>
    private void Run<TDecoder, T>(CompressedTensorInfo tensor, long start, Span<T> destination)
        where TDecoder : ISegmentDecoder<T>
        where T : struct
    {
        TensorEntry entry = tensor.Entry;
        int units = TDecoder.Units(entry);
        for (int index = entry.SegmentOf(start); !destination.IsEmpty; index++)
        {
            SegmentEntry segment = entry.Segments[index];
            long count = Math.Min(destination.Length / units, segment.Start + segment.Length - start);
            Part<TDecoder, T>(tensor, segment, start, destination[..(int)(count * units)]);
            destination = destination[(int)(count * units)..];
            start += count;
        }
    }

    private void Part<TDecoder, T>(CompressedTensorInfo tensor, SegmentEntry segment, long start, Span<T> destination)
        where TDecoder : ISegmentDecoder<T>
        where T : struct
    {
        TensorEntry entry = tensor.Entry;
        int units = TDecoder.Units(entry);
        if (destination.Length == segment.Length * units || segment.Coding == Coding.Constant)
        {
            Segment<TDecoder, T>(tensor, segment, start, destination);
            return;
        }

        // Reading on in small pieces would decode a segment once for each: the last one that was cut is kept.
        if (!TakeRecent(segment, (int)segment.Length * units, out T[] content))
            Segment<TDecoder, T>(tensor, segment, segment.Start, content.AsSpan(0, (int)segment.Length * units));
        content.AsSpan((int)(start - segment.Start) * units, destination.Length).CopyTo(destination);
        recent = new Recent(segment, content);
    }

    // Takes what was kept away from every other thread; its memory serves again for another segment.
    private bool TakeRecent<T>(SegmentEntry segment, int length, out T[] content)
    {
        // The exact type: to the runtime an array of sbyte is also one of byte.
        Recent? last = Interlocked.Exchange(ref recent, null);
        bool fits = last is not null && last.Content.GetType() == typeof(T[]) && last.Content.Length >= length;
        content = fits ? (T[])last!.Content : GC.AllocateUninitializedArray<T>(length);
        return fits && last!.Segment == segment;
    }

    private void Segment<TDecoder, T>(CompressedTensorInfo tensor, SegmentEntry segment, long start, Span<T> destination)
        where TDecoder : ISegmentDecoder<T>
        where T : struct
    {
        try
        {
            using Payload payload = ReadPayload(segment);
            TDecoder.Decode(tensor.Entry, segment, payload.Bytes.Span, start, destination);
        }
        catch (InvalidDataException exception)
        {
            throw Named(exception, tensor, segment);
        }
    }

    private async ValueTask SegmentAsync<TDecoder, T>(CompressedTensorInfo tensor, SegmentEntry segment, long start, Memory<T> destination, CancellationToken cancellationToken)
        where TDecoder : ISegmentDecoder<T>
        where T : struct
    {
        try
        {
            using Payload payload = segment.PayloadLength == 0
                ? default
                : CheckPayload(segment, await source.ReadPayloadAsync(segment, cancellationToken).ConfigureAwait(false));
            TDecoder.Decode(tensor.Entry, segment, payload.Bytes.Span, start, destination.Span);
        }
        catch (InvalidDataException exception)
        {
            throw Named(exception, tensor, segment);
        }
    }

    private Payload ReadPayload(SegmentEntry segment)
    {
        if (segment.PayloadLength == 0)
            return default;
        return CheckPayload(segment, source.ReadPayload(segment));
    }

    private static Payload CheckPayload(SegmentEntry segment, Payload? read)
    {
        Payload payload = read ?? throw Invalid.Data(ContainerError.Truncated, "The file ends inside a payload.");
        if (Crc32C.Of(payload.Bytes.Span) == segment.PayloadChecksum)
            return payload;
        payload.Dispose();
        throw Invalid.Data(ContainerError.PayloadChecksum, "The checksum of a payload is wrong.");
    }

    private Span<T> Whole<T>(CompressedTensorInfo tensor, Span<T> destination, string unit = "elements")
    {
        Check(tensor, destination.Length, tensor?.Length ?? 0, unit);
        return destination[..(int)tensor!.Length];
    }

    private void CheckRange(CompressedTensorInfo tensor, long start, long count, string destination = "destination")
    {
        Check(tensor, 0, 0, "elements");
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, tensor.Length);
        if (count > tensor.Length - start)
            throw new ArgumentException(FormattableString.Invariant($"'{tensor.Name}' has {tensor.Length} elements: from {start} on there are not {count}."), nameof(destination));
    }

    private static int WholeElements(CompressedTensorInfo? tensor, int bytes, string destination = "destination")
    {
        int size = tensor?.ElementType.Size() ?? 1;
        return bytes % size == 0
            ? bytes / size
            : throw new ArgumentException(FormattableString.Invariant($"{bytes} bytes are not a whole number of elements of {size} bytes."), nameof(destination));
    }

    private static void CheckQuantized(CompressedTensorInfo tensor, bool narrow)
    {
        if (tensor.Grid is null)
            throw new InvalidOperationException($"'{tensor.Name}' is stored without loss and has no symbols.");
        if (narrow && !SymbolRange.IsNarrow(tensor.MinSymbol, tensor.MaxSymbol))
            throw new InvalidOperationException($"The symbols of '{tensor.Name}' do not fit in 8 bits; decode them to 16.");
    }

    private void Check(CompressedTensorInfo? tensor, int room, long needed, string unit, string destination = "destination")
    {
        ArgumentNullException.ThrowIfNull(tensor);
        ObjectDisposedException.ThrowIf(disposed, this);
        if (!ReferenceEquals(tensor.Owner, this))
            throw new ArgumentException("The tensor belongs to another reader.", nameof(tensor));
        if (room < needed)
            throw new ArgumentException(FormattableString.Invariant($"The destination holds {room} {unit} but '{tensor.Name}' has {needed}."), nameof(destination));
    }

    private static InvalidDataException Named(InvalidDataException exception, CompressedTensorInfo tensor, SegmentEntry segment)
    {
        exception.Data[Invalid.TensorKey] = tensor.Name;
        exception.Data[Invalid.OffsetKey] ??= segment.PayloadOffset;
        return exception;
    }

    /// <summary>The content of the segment that was last decoded in part.</summary>
    private sealed record Recent(SegmentEntry Segment, Array Content);

    /// <summary>Adds up what several threads have decoded.</summary>
    private sealed class Report(IProgress<long>? progress)
    {
        private readonly Lock gate = new();
        private long decoded;

        internal void Add(long elements)
        {
            if (progress is null)
                return;
            lock (gate)
            {
                decoded += elements;
                progress.Report(decoded);
            }
        }
    }
}
