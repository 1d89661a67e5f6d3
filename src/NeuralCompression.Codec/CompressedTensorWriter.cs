using System.Numerics;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec;

/// <summary>Receives one tensor in pieces of any length, so that it never has to be in memory as a whole.</summary>
/// <remarks>Made by <see cref="CompressedModelWriter.BeginTensor(string, ElementType, ReadOnlySpan{long})"/>. One segment is kept in memory. Not thread-safe. Source: docs/format.md, section 4.7.</remarks>
public sealed class CompressedTensorWriter : IDisposable
{
    private readonly CompressedModelWriter owner;
    private readonly SegmentEncoder encoder;
    private readonly PendingTensor tensor;
    private readonly int elementBytes;
    private byte[] elements = [];
    private short[] symbols = [];
    private long segmentStart;
    private int buffered;
    private bool done;

    internal CompressedTensorWriter(CompressedModelWriter owner, SegmentEncoder encoder, PendingTensor tensor)
    {
        this.owner = owner;
        this.encoder = encoder;
        this.tensor = tensor;
        elementBytes = tensor.ElementType.Size();
    }

    /// <summary>The name of the tensor.</summary>
    public string Name => tensor.Name;

    /// <summary>How many elements the tensor has; elements.</summary>
    public long Length => tensor.Length;

    /// <summary>How many elements have been written; elements; one of which only some bytes were written does not count.</summary>
    public long Position => segmentStart + (tensor.Grid is null ? buffered / elementBytes : buffered);

    /// <summary>Writes the next elements of a tensor stored without loss, as bytes.</summary>
    /// <param name="littleEndianBytes">Elements, row-major, as little-endian bytes; any number, also parts of elements. Not kept.</param>
    /// <exception cref="ArgumentException">There are more bytes than the tensor has left.</exception>
    /// <exception cref="InvalidOperationException">The tensor is quantised, complete or abandoned, or the writer has failed.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.7.</remarks>
    public void Write(ReadOnlySpan<byte> littleEndianBytes)
    {
        CheckOpen();
        if (tensor.Grid is not null)
            throw new InvalidOperationException($"'{Name}' is quantised: write symbols.");
        if (littleEndianBytes.Length > ((tensor.Length - segmentStart) * elementBytes) - buffered)
            throw new ArgumentException(FormattableString.Invariant($"'{Name}' has {tensor.Length} elements; these bytes go beyond its end."), nameof(littleEndianBytes));
        Append(littleEndianBytes);
    }

    /// <summary>Writes the next elements of a float32 tensor stored without loss.</summary>
    /// <param name="values">Values, row-major, weight units; any number. Not kept.</param>
    /// <exception cref="ArgumentException">There are more values than the tensor has left.</exception>
    /// <exception cref="InvalidOperationException">The tensor is quantised, not float32, complete or abandoned, or the writer has failed.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.7.</remarks>
    public void Write(ReadOnlySpan<float> values)
    {
        if (tensor.ElementType != ElementType.Float32)
            throw new InvalidOperationException($"'{Name}' is not a float32 tensor: write bytes.");
        if (BitConverter.IsLittleEndian)
        {
            // A span of bytes ends at 2^31.
            for (; values.Length > 1 << 28; values = values[(1 << 28)..])
                Write(MemoryMarshal.AsBytes(values[..(1 << 28)]));
            Write(MemoryMarshal.AsBytes(values));
            return;
        }

        Span<int> swapped = stackalloc int[256];
        for (; !values.IsEmpty; values = values[Math.Min(values.Length, swapped.Length)..])
        {
            int count = Math.Min(values.Length, swapped.Length);
            System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<float, int>(values[..count]), swapped);
            Write(MemoryMarshal.AsBytes(swapped[..count]));
        }
    }

    /// <summary>Writes the next symbols of a quantised tensor.</summary>
    /// <param name="symbols">Symbols, row-major, dimensionless; any number. Not kept.</param>
    /// <exception cref="ArgumentException">There are more symbols than the tensor has left, or one leaves the grid's codebook.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised, complete or abandoned, or the writer has failed.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.7.</remarks>
    public void Write(ReadOnlySpan<sbyte> symbols) => Checked(symbols, SymbolRange.Of(symbols));

    /// <summary>Writes the next symbols of a quantised tensor.</summary>
    /// <param name="symbols">Symbols, row-major, dimensionless; any number. Not kept.</param>
    /// <exception cref="ArgumentException">There are more symbols than the tensor has left, or one leaves the grid's codebook.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not quantised, complete or abandoned, or the writer has failed.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.7.</remarks>
    public void Write(ReadOnlySpan<short> symbols) => Checked(symbols, SymbolRange.Of(symbols));

    /// <summary>Ends the tensor, so that another may be added.</summary>
    /// <exception cref="InvalidOperationException">Elements are missing, or the tensor is complete or abandoned, or the writer has failed.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.7.</remarks>
    public void Complete()
    {
        CheckOpen();
        if (segmentStart != tensor.Length)
            throw new InvalidOperationException(FormattableString.Invariant($"'{Name}' has {tensor.Length} elements but {Position} were written."));
        if (tensor.Length == 0)
            Empty();
        done = true;
        owner.Close(this);
    }

    /// <summary>Without <see cref="Complete"/> before it, abandons the tensor: the file can then not be completed.</summary>
    public void Dispose()
    {
        if (done)
            return;
        done = true;
        owner.Abandon();
        owner.Close(this);
    }

    /// <summary>How many elements every segment but the last has; elements.</summary>
    internal long SegmentLength => tensor.SegmentLength;

    internal void Append(ReadOnlySpan<byte> bytes)
    {
        owner.Abandon();
        while (!bytes.IsEmpty)
        {
            int room = (int)(SegmentElements() * elementBytes) - buffered;
            int count = Math.Min(room, bytes.Length);
            if (buffered == 0 && count == room)
            {
                Flush(bytes[..count]);
            }
            else
            {
                if (elements.Length == 0)
                    elements = GC.AllocateUninitializedArray<byte>((int)tensor.SegmentLength * elementBytes);
                bytes[..count].CopyTo(elements.AsSpan(buffered));
                buffered += count;
                if (count == room)
                    Flush(elements.AsSpan(0, buffered));
            }

            bytes = bytes[count..];
        }

        owner.Resume();

        void Flush(ReadOnlySpan<byte> segment)
        {
            encoder.Encode(tensor, segmentStart, segment);
            segmentStart += segment.Length / elementBytes;
            buffered = 0;
        }
    }

    internal void Append<T>(ReadOnlySpan<T> values)
        where T : struct, IBinaryInteger<T>
    {
        owner.Abandon();
        while (!values.IsEmpty)
        {
            int room = (int)SegmentElements() - buffered;
            int count = Math.Min(room, values.Length);
            if (buffered == 0 && count == room)
            {
                encoder.Encode(tensor, segmentStart, values[..count]);
                segmentStart += count;
            }
            else
            {
                if (symbols.Length == 0)
                    symbols = GC.AllocateUninitializedArray<short>((int)tensor.SegmentLength);
                for (int i = 0; i < count; i++)
                    symbols[buffered + i] = short.CreateTruncating(values[i]);
                buffered += count;
                if (count == room)
                {
                    encoder.Encode<short>(tensor, segmentStart, symbols.AsSpan(0, buffered));
                    segmentStart += buffered;
                    buffered = 0;
                }
            }

            values = values[count..];
        }

        owner.Resume();
    }

    private long SegmentElements() => Math.Min(tensor.SegmentLength, tensor.Length - segmentStart);

    private void Empty()
    {
        owner.Abandon();
        if (tensor.Grid is null)
            encoder.Encode(tensor, 0, []);
        else
            encoder.Encode<sbyte>(tensor, 0, []);
        owner.Resume();
    }

    private void Checked<T>(ReadOnlySpan<T> values, (int Min, int Max) range, string symbols = "symbols")
        where T : struct, IBinaryInteger<T>
    {
        CheckOpen();
        if (tensor.Grid is null)
            throw new InvalidOperationException($"'{Name}' is stored without loss: write bytes.");
        if (values.Length > tensor.Length - segmentStart - buffered)
            throw new ArgumentException(FormattableString.Invariant($"'{Name}' has {tensor.Length} elements; these symbols go beyond its end."), nameof(symbols));
        if (!values.IsEmpty && !tensor.Grid.Fits(tensor.Shape, range.Min, range.Max, out string? reason))
            throw new ArgumentException(reason, nameof(symbols));
        Append(values);
    }

    private void CheckOpen()
    {
        if (done)
            throw new InvalidOperationException($"The tensor '{Name}' is complete or abandoned.");
        owner.CheckTensor();
    }
}
