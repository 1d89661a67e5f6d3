using System.Text;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec;

/// <summary>Turns files of TorchSharp's <c>Module.save</c> into compressed models and back, without TorchSharp, in pieces.</summary>
/// <remarks>A tensor kept without loss comes back equal bit for bit. Source: TorchSharp's format.</remarks>
public static class TorchSharpConverter
{
    private const int GroupBits = 7;

    /// <summary>Writes a compressed model from a file of TorchSharp's.</summary>
    /// <inheritdoc cref="SafetensorsConverter.Compress(SafetensorsReader, string, ModelConversionOptions?, CancellationToken)"/>
    public static CompressionReport Compress(TorchSharpReader source, string path, ModelConversionOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        return ModelConversion.Run(source, path, options, cancellationToken);
    }

    /// <summary>Writes a file that <c>Module.load</c> of TorchSharp reads; quantised tensors get the values they decode to.</summary>
    /// <param name="source">The model.</param>
    /// <param name="path">The file to write; it appears when it is whole.</param>
    /// <param name="progress">Is told how much of the work is done, rising; fraction, range <c>[0, 1]</c>; default null, nobody.</param>
    /// <param name="cancellationToken">Gives up: no file is left, one that stood there before stays whole.</param>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null, empty or names no file.</exception>
    /// <exception cref="NotSupportedException">A tensor is of a type that TorchSharp does not have.</exception>
    /// <exception cref="ObjectDisposedException">The source is disposed.</exception>
    /// <exception cref="InvalidDataException">The compressed model is damaged.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <remarks>An alias becomes a tensor of its own, as in TorchSharp's files. Source: TorchSharp's format.</remarks>
    public static void Decompress(CompressedModelReader source, string path, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentException.ThrowIfNullOrEmpty(path);
        List<(CompressedTensorInfo Info, TensorDescription Tensor)> pairs = [.. source.Tensors.Select(info => (info, ForeignTensor.FromStored(info, source.Metadata)))];
        foreach ((_, TensorDescription tensor) in pairs)
        {
            if (TorchSharpTypes.ToNumber(tensor.Type) is null)
                throw new NotSupportedException($"'{tensor.Name}' is of type {tensor.Type.Name()}, which TorchSharp does not have.");
        }

        using var file = new AtomicFile(path);
        WriteNumber(file.Stream, pairs.Count);
        var decoder = new PieceDecoder(source.Tensors, progress, cancellationToken);
        foreach ((CompressedTensorInfo info, TensorDescription tensor) in pairs)
        {
            WriteHeader(file.Stream, tensor);
            decoder.Run(info, file.Stream.Write);
        }

        cancellationToken.ThrowIfCancellationRequested();
        file.Publish();
    }

    private static void WriteHeader(Stream stream, TensorDescription tensor)
    {
        byte[] name = Encoding.UTF8.GetBytes(tensor.Name);
        WriteNumber(stream, name.Length);
        stream.Write(name);
        WriteNumber(stream, TorchSharpTypes.ToNumber(tensor.Type)!.Value);
        WriteNumber(stream, tensor.Shape.Length);
        foreach (long length in tensor.Shape)
            WriteNumber(stream, length);
    }

    // LEB128: seven bits a byte, the lowest first, all bytes but the last with the highest bit set.
    private static void WriteNumber(Stream stream, long number)
    {
        for (; number >= 0x80; number >>= GroupBits)
            stream.WriteByte((byte)(number | 0x80));
        stream.WriteByte((byte)number);
    }
}
