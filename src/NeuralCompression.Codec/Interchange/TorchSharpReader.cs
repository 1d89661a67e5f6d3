using System.Collections.ObjectModel;
using System.Text;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec;

/// <summary>Reads what <c>Module.save</c> and <c>save_state_dict</c> of TorchSharp write, without TorchSharp: names and shapes when it is opened, parts of tensors when they are asked for.</summary>
/// <remarks>
/// <para>
/// The file is a count, and for each tensor its name (length and UTF-8), number of element type, number of axes, axes, and little-endian elements; all numbers are LEB128. There is no mark or checksum, so another kind of file is
/// known only by what does not fit; it is taken for hostile.
/// </para>
/// <para>The model may be larger than memory. Reading is safe on many threads at once.</para>
/// <para>Source: TorchSharp's format.</para>
/// </remarks>
public sealed class TorchSharpReader : ITensorSource
{
    // An empty tensor takes seven bytes of a file but a hundred times that in memory. As many as a reader of compressed models with default limits accepts.
    private const int MaxTensors = 262_144;
    private const int MaxNameBytes = 1 << 16;
    private const int MaxRank = 64;
    private const int NumberBits = 63;
    private const int GroupBits = 7;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly FileStream stream;
    private readonly List<TensorDescription> tensors = [];
    private readonly Dictionary<string, TensorDescription> names = new(StringComparer.Ordinal);

    private TorchSharpReader(string path)
    {
        stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        try
        {
            if (!stream.CanSeek)
                throw new IOException($"'{path}' cannot be read at any place: copy it to a file first.");
            long count = ReadNumber();
            if (count > MaxTensors)
                throw Refusal(TorchSharpError.TensorCount, FormattableString.Invariant($"The file says that it has {count} tensors; {MaxTensors} are allowed."));
            for (long i = 0; i < count; i++)
            {
                TensorDescription tensor = ReadHeader();
                if (!names.TryAdd(tensor.Name, tensor))
                    throw Refusal(TorchSharpError.DuplicateName, $"Two tensors are called '{tensor.Name}'.", tensor.Name);
                tensors.Add(tensor);
                stream.Position += tensor.ByteLength;
            }

            if (stream.Position != stream.Length)
                throw Refusal(TorchSharpError.FileLength, "The file does not end with its last tensor.");
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The tensors in the order of the file.</summary>
    public IReadOnlyList<TensorDescription> Tensors => tensors;

    /// <summary>The bytes of all tensors; bytes.</summary>
    public long ByteLength => tensors.Sum(tensor => tensor.ByteLength);

    IReadOnlyDictionary<string, string> ITensorSource.Metadata => ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The reader; dispose it.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null or empty.</exception>
    /// <exception cref="InvalidDataException">The file is not of this format; <c>Data</c> says why, see <see cref="TorchSharpError"/>.</exception>
    /// <exception cref="IOException">The file cannot be read, or there is none.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <remarks>Source: TorchSharp's format.</remarks>
    public static TorchSharpReader Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new TorchSharpReader(path);
    }

    /// <summary>Reads a part of a tensor.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="start">Where to begin; bytes from the first of the tensor.</param>
    /// <param name="destination">Receives little-endian bytes; bytes; filled.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The part lies outside the tensor.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">The file has become shorter.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <remarks>Source: TorchSharp's format.</remarks>
    public void Read(TensorDescription tensor, long start, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!names.TryGetValue(tensor.Name, out TensorDescription? own) || own != tensor)
            throw new ArgumentException("The tensor is not one of this reader.", nameof(tensor));
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        if (start > tensor.ByteLength || destination.Length > tensor.ByteLength - start)
            throw new ArgumentOutOfRangeException(nameof(start), start, FormattableString.Invariant($"'{tensor.Name}' has {tensor.ByteLength} bytes; this part goes beyond its end."));
        for (int done = 0; done < destination.Length;)
        {
            int count = RandomAccess.Read(stream.SafeFileHandle, destination[done..], tensor.Start + start + done);
            if (count == 0)
                throw Refusal(TorchSharpError.Truncated, "The file has become shorter since it was opened.");
            done += count;
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => stream.Dispose();

    private TensorDescription ReadHeader()
    {
        string name = ReadName();
        long number = ReadNumber();
        InterchangeType type = TorchSharpTypes.FromNumber(number)
            ?? throw Refusal(TorchSharpError.ElementType, FormattableString.Invariant($"'{name}' has elements of type {number}, which is unknown or not taken."), name);
        long rank = ReadNumber();
        if (rank > MaxRank)
            throw Refusal(TorchSharpError.Shape, FormattableString.Invariant($"'{name}' has {rank} axes; {MaxRank} are allowed."), name);
        var shape = new long[rank];
        foreach (ref long length in shape.AsSpan())
            length = ReadNumber();
        if (!type.TryByteLength(shape, out long bytes))
            throw Refusal(TorchSharpError.Shape, $"'{name}' has too many elements.", name);
        if (bytes > stream.Length - stream.Position)
            throw Refusal(TorchSharpError.Truncated, FormattableString.Invariant($"The file ends inside '{name}', which has {bytes} bytes."), name);
        return new TensorDescription(name, type, shape, stream.Position, bytes);
    }

    private string ReadName()
    {
        long length = ReadNumber();
        if (length is 0 or > MaxNameBytes)
            throw Refusal(TorchSharpError.Name, FormattableString.Invariant($"A name has {length} bytes; 1 to {MaxNameBytes} are allowed."));
        if (length > stream.Length - stream.Position)
            throw Refusal(TorchSharpError.Truncated, "The file ends inside a name.");
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        try
        {
            return Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Refusal(TorchSharpError.Name, "A name is not UTF-8.");
        }
    }

    private long ReadNumber()
    {
        long number = 0;
        for (int shift = 0; shift < NumberBits; shift += GroupBits)
        {
            int next = stream.ReadByte();
            if (next < 0)
                throw Refusal(TorchSharpError.Truncated, "The file ends inside its tensors.");
            number |= (long)(next & 0x7F) << shift;
            if (next < 0x80)
                return number;
        }

        throw Refusal(TorchSharpError.Number, "A number has more than 63 bits.");
    }

    private static InvalidDataException Refusal(TorchSharpError error, string message, string? tensor = null)
    {
        var exception = new InvalidDataException(message);
        exception.Data[Invalid.ErrorKey] = error;
        if (tensor is not null)
            exception.Data[Invalid.TensorKey] = tensor;
        return exception;
    }
}
