namespace NeuralCompression.Codec;

/// <summary>Turns safetensors models into compressed ones and back, in pieces, so that they may be larger than memory.</summary>
/// <remarks>
/// <para>Every type and text of a safetensors file survives the round trip; a tensor kept without loss comes back equal bit for bit, and a file of the reference library byte for byte.</para>
/// <para>Source: docs/format.md, section 17.</para>
/// </remarks>
public static class SafetensorsConverter
{
    /// <summary>Writes a compressed model from a safetensors model.</summary>
    /// <param name="source">The model.</param>
    /// <param name="path">The file to write; it appears when it is whole.</param>
    /// <param name="options">What to lose and how hard to try; default: nothing is lost.</param>
    /// <param name="cancellationToken">Gives up: no file is left, one that stood there before stays whole.</param>
    /// <returns>What the file holds and what each tensor cost.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null, empty or names no file; more than one of bits, step and budget is set; a step is too small for 16-bit symbols; or the budget cannot be reached (the message says what can).</exception>
    /// <exception cref="NotSupportedException">A name or text cannot be stored: a name is empty or longer than 512 bytes of UTF-8, or a key of the metadata is one that this library needs.</exception>
    /// <exception cref="ObjectDisposedException">The source is disposed.</exception>
    /// <exception cref="InvalidDataException">The model has become shorter since it was opened.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <remarks>A tensor that is quantised is in memory as a whole, and kept without loss where it has 2^29 elements or more. Source: docs/format.md, section 17.</remarks>
    public static CompressionReport Compress(SafetensorsReader source, string path, ModelConversionOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        return ModelConversion.Run(source, path, options, cancellationToken);
    }

    /// <summary>Writes a safetensors model from a compressed model; quantised tensors get the values they decode to.</summary>
    /// <param name="source">The model.</param>
    /// <param name="path">The file to write, or the name that several are derived from, as for <see cref="SafetensorsWriter.Create"/>.</param>
    /// <param name="maxShardBytes">The data one file may hold; bytes, at least 1; default no limit.</param>
    /// <param name="progress">Is told how much of the work is done, rising; fraction, range <c>[0, 1]</c>; default null, nobody.</param>
    /// <param name="cancellationToken">Gives up: no file is left, those that stood there before stay whole.</param>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxShardBytes"/> is less than 1.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null, empty or names no file.</exception>
    /// <exception cref="NotSupportedException">A tensor has a name that safetensors files cannot hold.</exception>
    /// <exception cref="ObjectDisposedException">The source is disposed.</exception>
    /// <exception cref="InvalidDataException">The compressed model is damaged.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <remarks>An alias becomes a tensor of its own. Source: docs/format.md, section 17.</remarks>
    public static void Decompress(CompressedModelReader source, string path, long maxShardBytes = long.MaxValue, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        Decompress(source.Tensors, source.Metadata, path, maxShardBytes, progress, cancellationToken);
    }

    /// <summary>Writes a safetensors model from a sharded compressed model.</summary>
    /// <inheritdoc cref="Decompress(CompressedModelReader, string, long, IProgress{double}?, CancellationToken)"/>
    public static void Decompress(CompressedModelSet source, string path, long maxShardBytes = long.MaxValue, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        Decompress(source.Tensors, source.Metadata, path, maxShardBytes, progress, cancellationToken);
    }

    /// <summary>What a compressed model is as a safetensors model, in the order in which its tensors are written.</summary>
    /// <param name="source">The model.</param>
    /// <returns>The tensors.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="NotSupportedException">A tensor has a name that safetensors files cannot hold.</exception>
    /// <exception cref="InvalidDataException">The metadata describes a tensor as what it cannot be.</exception>
    /// <remarks>Source: docs/format.md, section 17.</remarks>
    public static IReadOnlyList<TensorDescription> Describe(CompressedModelReader source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return [.. Ordered(source.Tensors, source.Metadata).Select(pair => pair.Tensor)];
    }

    /// <summary>What a sharded compressed model is as a safetensors model, in the order in which its tensors are written.</summary>
    /// <inheritdoc cref="Describe(CompressedModelReader)"/>
    public static IReadOnlyList<TensorDescription> Describe(CompressedModelSet source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return [.. Ordered(source.Tensors, source.Metadata).Select(pair => pair.Tensor)];
    }

    private static void Decompress(
        IReadOnlyList<CompressedTensorInfo> tensors, IReadOnlyDictionary<string, string> metadata, string path, long maxShardBytes, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        List<(CompressedTensorInfo Info, TensorDescription Tensor)> pairs = Ordered(tensors, metadata);
        Dictionary<string, string> texts = metadata.Where(text => !text.Key.StartsWith(ForeignTensor.KeyPrefix, StringComparison.Ordinal)).ToDictionary();
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, [.. pairs.Select(pair => pair.Tensor)], texts, maxShardBytes);
        var decoder = new PieceDecoder(pairs.Select(pair => pair.Info), progress, cancellationToken);
        foreach ((CompressedTensorInfo info, _) in pairs)
            decoder.Run(info, writer.Write);
        cancellationToken.ThrowIfCancellationRequested();
        writer.Complete();
    }

    // In the order of the file, which is that of the safetensors file it came from; where that leaves a tensor at an offset its type cannot be read from, those with the longest elements first.
    private static List<(CompressedTensorInfo Info, TensorDescription Tensor)> Ordered(IReadOnlyList<CompressedTensorInfo> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        if (tensors.Any(info => info.Name == SafetensorsHeader.MetadataKey))
            throw new NotSupportedException($"A tensor is called '{SafetensorsHeader.MetadataKey}', which safetensors files cannot hold.");
        List<(CompressedTensorInfo Info, TensorDescription Tensor)> pairs = [.. tensors.Select(info => (info, ForeignTensor.FromStored(info, metadata)))];
        long offset = 0;
        foreach ((_, TensorDescription tensor) in pairs)
        {
            if (offset % Alignment(tensor) != 0)
                return [.. pairs.OrderByDescending(pair => Alignment(pair.Tensor))];
            offset = unchecked(offset + tensor.ByteLength);
        }

        return pairs;
    }

    private static int Alignment(TensorDescription tensor) => Math.Max(1, tensor.Type.Bits() / 8);
}
