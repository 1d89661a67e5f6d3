using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Grouping;

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
    private readonly List<TensorEntry> entries;
    private readonly CompressedTensorInfo[] tensors;
    private readonly Dictionary<string, int> names;
    private bool disposed;

    private CompressedModelReader(PayloadSource source, DecodeLimits limits)
    {
        this.source = source;
        entries = HeaderReader.Read(source, limits);
        source.Announce(entries);
        tensors = new CompressedTensorInfo[entries.Count];
        names = new Dictionary<string, int>(entries.Count, StringComparer.Ordinal);
        for (int i = 0; i < tensors.Length; i++)
        {
            TensorEntry entry = entries[i];
            tensors[i] = new CompressedTensorInfo(entry, this, entry.AliasTarget >= 0 ? tensors[entry.AliasTarget] : null);
            names.Add(entry.Name, i);
        }
    }

    /// <summary>The tensors in the order of the file, aliases included.</summary>
    public IReadOnlyList<CompressedTensorInfo> Tensors => tensors;

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
    /// byte; payloads that are passed are kept in memory up to <see cref="DecodeLimits.MaxBufferedBytes"/>, so tensors may be decoded in any order and more than once.</param>
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
    public void Decode(CompressedTensorInfo tensor, Span<float> destination) => DecodeValues(tensor, destination);

    /// <summary>Decodes a tensor to float64.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="destination">Receives the values; shape <c>[Length]</c> or longer, weight units. The rest is left alone.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader, or <paramref name="destination"/> is too short.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">The payload is damaged.</exception>
    /// <exception cref="IOException">The source cannot be read.</exception>
    /// <remarks>Int64 is rounded to the nearest float64; everything else is exact. Source: docs/format.md, section 4.4.</remarks>
    public void Decode(CompressedTensorInfo tensor, Span<double> destination) => DecodeValues(tensor, destination);

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
        TensorEntry entry = Check(tensor, destination.Length, tensor?.DecodedBytes ?? 0, "bytes");
        Span<byte> bytes = destination[..(int)tensor!.DecodedBytes];
        byte[] payload = Payload(tensor);
        try
        {
            if (entry.Grid is null)
                PlaneCoder.Decode(entry.Coding, payload, entry.ElementType, bytes);
            else if (SymbolRange.IsNarrow(entry.MinSymbol, entry.MaxSymbol))
                QuantizedBytes<sbyte>(entry, payload, bytes);
            else
                QuantizedBytes<short>(entry, payload, bytes);
        }
        catch (InvalidDataException exception)
        {
            throw Named(exception, tensor);
        }
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
        TensorEntry entry = CheckQuantized(tensor, destination.Length);
        if (!SymbolRange.IsNarrow(entry.MinSymbol, entry.MaxSymbol))
            throw new InvalidOperationException($"The symbols of '{tensor.Name}' do not fit in 8 bits; decode them to 16.");
        Symbols(tensor, entry, destination[..(int)entry.Length]);
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
        TensorEntry entry = CheckQuantized(tensor, destination.Length);
        Symbols(tensor, entry, destination[..(int)entry.Length]);
    }

    /// <summary>Frees what the reader holds and, unless asked otherwise, closes the stream. Decoding after this throws.</summary>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        source.Dispose();
    }

    private static CompressedModelReader Open(PayloadSource source, DecodeLimits? limits)
    {
        try
        {
            return new CompressedModelReader(source, limits ?? DecodeLimits.Default);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    private void DecodeValues<T>(CompressedTensorInfo tensor, Span<T> destination)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        TensorEntry entry = Check(tensor, destination.Length, tensor?.Length ?? 0, "elements");
        Span<T> values = destination[..(int)entry.Length];
        byte[] payload = Payload(tensor!);
        try
        {
            if (entry.Grid is null)
                Elements(entry, payload, values);
            else if (SymbolRange.IsNarrow(entry.MinSymbol, entry.MaxSymbol))
                Dequantize<sbyte, T>(entry, payload, values);
            else
                Dequantize<short, T>(entry, payload, values);
        }
        catch (InvalidDataException exception)
        {
            throw Named(exception, tensor!);
        }
    }

    private static void Dequantize<TSymbol, TValue>(TensorEntry entry, byte[] payload, Span<TValue> values)
        where TSymbol : struct, IBinaryInteger<TSymbol>
        where TValue : struct, IBinaryFloatingPointIeee754<TValue>
    {
        if (SymbolReader.Reads(entry.Coding, entry.MinSymbol, entry.MaxSymbol))
        {
            DecodeBlocks(entry, payload, values, static (symbols, start, entry, values) =>
                Dequantizer.Run(symbols, start, entry.Shape, entry.Grid!, entry.ElementType, values.Slice(start, symbols.Length)));
            return;
        }

        TSymbol[] symbols = ArrayPool<TSymbol>.Shared.Rent(values.Length);
        try
        {
            Span<TSymbol> used = symbols.AsSpan(0, values.Length);
            SymbolCoder.Decode(entry.Coding, payload, entry.MinSymbol, entry.MaxSymbol, used);
            Dequantizer.Run<TSymbol, TValue>(used, 0, entry.Shape, entry.Grid!, entry.ElementType, values);
        }
        finally
        {
            ArrayPool<TSymbol>.Shared.Return(symbols);
        }
    }

    private delegate void BlockAction<T>(ReadOnlySpan<sbyte> symbols, int start, TensorEntry entry, Span<T> destination);

    // Block by block, so that what is made of the symbols finds them in the cache.
    private static void DecodeBlocks<T>(TensorEntry entry, byte[] payload, Span<T> destination, BlockAction<T> action)
    {
        int length = (int)entry.Length;
        Span<uint> states = stackalloc uint[RansReader.MaxLanes];
        Span<byte> tokens = stackalloc byte[GroupReader.TokenBlock];
        sbyte[] block = ArrayPool<sbyte>.Shared.Rent(SymbolReader.BlockLength);
        var reader = new SymbolReader(entry.Coding, payload, length, entry.MinSymbol, entry.MaxSymbol, states, tokens);
        try
        {
            for (int start = 0; start < length; start += SymbolReader.BlockLength)
            {
                Span<sbyte> symbols = block.AsSpan(0, Math.Min(SymbolReader.BlockLength, length - start));
                reader.Read(symbols);
                action(symbols, start, entry, destination);
            }

            reader.Finish();
        }
        finally
        {
            reader.Dispose();
            ArrayPool<sbyte>.Shared.Return(block);
        }
    }

    private static void QuantizedBytes<TSymbol>(TensorEntry entry, byte[] payload, Span<byte> bytes)
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        if (entry.ElementType == ElementType.Float64)
        {
            Span<double> values = MemoryMarshal.Cast<byte, double>(bytes);
            Dequantize<TSymbol, double>(entry, payload, values);
            if (!BitConverter.IsLittleEndian)
                BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<double, long>(values), MemoryMarshal.Cast<double, long>(values));
            return;
        }

        if (entry.ElementType == ElementType.Float32 && BitConverter.IsLittleEndian)
        {
            Dequantize<TSymbol, float>(entry, payload, MemoryMarshal.Cast<byte, float>(bytes));
            return;
        }

        if (entry.ElementType != ElementType.Float32 && SymbolReader.Reads(entry.Coding, entry.MinSymbol, entry.MaxSymbol))
        {
            DecodeBlocks(entry, payload, bytes, static (symbols, start, entry, bytes) =>
                Dequantizer.RunHalves(symbols, start, entry.Shape, entry.Grid!, entry.ElementType, bytes.Slice(start * sizeof(ushort), symbols.Length * sizeof(ushort))));
            return;
        }

        float[] rented = ArrayPool<float>.Shared.Rent((int)entry.Length);
        try
        {
            Span<float> values = rented.AsSpan(0, (int)entry.Length);
            Dequantize<TSymbol, float>(entry, payload, values);
            ElementBytes.Write(values, entry.ElementType, bytes);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }

    private static void Elements<T>(TensorEntry entry, byte[] payload, Span<T> values)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        if (entry.Coding == Coding.Raw)
        {
            ElementBytes.Read(payload, entry.ElementType, values);
            return;
        }

        if (entry.Coding == Coding.Constant)
        {
            ElementBytes.Read(payload, entry.ElementType, values[..1]);
            values.Fill(values[0]);
            return;
        }

        if (entry.ElementType == ElementType.Float32 && typeof(T) == typeof(float) && BitConverter.IsLittleEndian)
        {
            PlaneCoder.Decode(entry.Coding, payload, entry.ElementType, MemoryMarshal.AsBytes(values));
            return;
        }

        // Fits: the index reader refuses planes of more bytes than an array can have.
        int length = (int)entry.RawLength;
        byte[] bytes = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            PlaneCoder.Decode(entry.Coding, payload, entry.ElementType, bytes.AsSpan(0, length));
            ElementBytes.Read(bytes.AsSpan(0, length), entry.ElementType, values);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private void Symbols<T>(CompressedTensorInfo tensor, TensorEntry entry, Span<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        byte[] payload = Payload(tensor);
        try
        {
            SymbolCoder.Decode(entry.Coding, payload, entry.MinSymbol, entry.MaxSymbol, symbols);
        }
        catch (InvalidDataException exception)
        {
            throw Named(exception, tensor);
        }
    }

    private TensorEntry CheckQuantized(CompressedTensorInfo tensor, int room)
    {
        TensorEntry entry = Check(tensor, room, tensor?.Length ?? 0, "symbols");
        return entry.Grid is null ? throw new InvalidOperationException($"'{tensor!.Name}' is stored without loss and has no symbols.") : entry;
    }

    private TensorEntry Check(CompressedTensorInfo? tensor, int room, long needed, string unit, string destination = "destination")
    {
        ArgumentNullException.ThrowIfNull(tensor);
        ObjectDisposedException.ThrowIf(disposed, this);
        if (!ReferenceEquals(tensor.Owner, this))
            throw new ArgumentException("The tensor belongs to another reader.", nameof(tensor));
        if (room < needed)
            throw new ArgumentException(FormattableString.Invariant($"The destination holds {room} {unit} but '{tensor.Name}' has {needed}."), nameof(destination));
        return tensor.Entry;
    }

    private byte[] Payload(CompressedTensorInfo tensor)
    {
        TensorEntry entry = tensor.Entry;
        if (entry.PayloadLength == 0)
            return [];
        try
        {
            byte[] payload = source.ReadPayload(names[entry.Name], entry.PayloadOffset, entry.PayloadLength)
                ?? throw Invalid.Data(ContainerError.Truncated, "The file ends inside a payload.");
            if (Crc32C.Of(payload) != entry.PayloadChecksum)
                throw Invalid.Data(ContainerError.PayloadChecksum, "The checksum of a payload is wrong.");
            return payload;
        }
        catch (InvalidDataException exception)
        {
            throw Named(exception, tensor);
        }
    }

    private static InvalidDataException Named(InvalidDataException exception, CompressedTensorInfo tensor)
    {
        exception.Data[Invalid.TensorKey] = tensor.Name;
        exception.Data[Invalid.OffsetKey] ??= tensor.Entry.PayloadOffset;
        return exception;
    }
}
