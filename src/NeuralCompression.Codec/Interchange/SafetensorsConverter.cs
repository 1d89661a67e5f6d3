using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec;

/// <summary>Turns safetensors models into compressed ones and back, in pieces, so that they may be larger than memory.</summary>
/// <remarks>
/// <para>Every type and text of a safetensors file survives the round trip; a tensor kept without loss comes back equal bit for bit, and a file of the reference library byte for byte.</para>
/// <para>Source: docs/format.md, section 17.</para>
/// </remarks>
public static class SafetensorsConverter
{
    /// <summary>Read and written at once; bytes. Large enough for the disk, small beside the segment that is coded.</summary>
    private const int PieceBytes = 4 << 20;

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
    public static CompressionReport Compress(SafetensorsReader source, string path, SafetensorsConversionOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        return Compress((ITensorSource)source, path, options, cancellationToken);
    }

    internal static CompressionReport Compress(ITensorSource source, string path, SafetensorsConversionOptions? options, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new SafetensorsConversionOptions();
        options.ThrowIfAmbiguous(nameof(options));
        CheckStorable(source);
        var work = new Work(source, options, cancellationToken);
        if (options.TargetBytes is long target)
            return work.WriteWithin(path, target);
        return work.Write(CompressedModelWriter.Create(path, work.WriterOptions), multiple: null);
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
    public static IReadOnlyList<SafetensorsTensor> Describe(CompressedModelReader source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return [.. Ordered(source.Tensors, source.Metadata).Select(pair => pair.Tensor)];
    }

    /// <summary>What a sharded compressed model is as a safetensors model, in the order in which its tensors are written.</summary>
    /// <inheritdoc cref="Describe(CompressedModelReader)"/>
    public static IReadOnlyList<SafetensorsTensor> Describe(CompressedModelSet source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return [.. Ordered(source.Tensors, source.Metadata).Select(pair => pair.Tensor)];
    }

    private static void Decompress(
        IReadOnlyList<CompressedTensorInfo> tensors, IReadOnlyDictionary<string, string> metadata, string path, long maxShardBytes, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        List<(CompressedTensorInfo Info, SafetensorsTensor Tensor)> pairs = Ordered(tensors, metadata);
        Dictionary<string, string> texts = metadata.Where(text => !text.Key.StartsWith(ForeignTensor.KeyPrefix, StringComparison.Ordinal)).ToDictionary();
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, [.. pairs.Select(pair => pair.Tensor)], texts, maxShardBytes);
        var decoder = new PieceDecoder(pairs.Select(pair => pair.Info), progress, cancellationToken);
        foreach ((CompressedTensorInfo info, _) in pairs)
            decoder.Run(info, writer.Write);
        cancellationToken.ThrowIfCancellationRequested();
        writer.Complete();
    }

    // In the order of the file, which is that of the safetensors file it came from; where that leaves a tensor at an offset its type cannot be read from, those with the longest elements first.
    private static List<(CompressedTensorInfo Info, SafetensorsTensor Tensor)> Ordered(IReadOnlyList<CompressedTensorInfo> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        if (tensors.Any(info => info.Name == SafetensorsHeader.MetadataKey))
            throw new NotSupportedException($"A tensor is called '{SafetensorsHeader.MetadataKey}', which safetensors files cannot hold.");
        List<(CompressedTensorInfo Info, SafetensorsTensor Tensor)> pairs = [.. tensors.Select(info => (info, ForeignTensor.FromStored(info, metadata)))];
        long offset = 0;
        foreach ((_, SafetensorsTensor tensor) in pairs)
        {
            if (offset % Alignment(tensor) != 0)
                return [.. pairs.OrderByDescending(pair => Alignment(pair.Tensor))];
            offset = unchecked(offset + tensor.ByteLength);
        }

        return pairs;
    }

    private static int Alignment(SafetensorsTensor tensor) => Math.Max(1, tensor.Type.Bits() / 8);

    private static void CheckStorable(ITensorSource source)
    {
        foreach (SafetensorsTensor tensor in source.Tensors)
        {
            int bytes = System.Text.Encoding.UTF8.GetByteCount(tensor.Name);
            if (bytes is 0 or > Container.ContainerLayout.MaxNameBytes)
                throw new NotSupportedException(FormattableString.Invariant($"The name of a tensor has {bytes} bytes; a compressed model stores names of 1 to {Container.ContainerLayout.MaxNameBytes}: '{(bytes > 80 ? tensor.Name[..40] + "..." : tensor.Name)}'."));
        }

        if (source.Metadata.Keys.FirstOrDefault(key => key.StartsWith(ForeignTensor.KeyPrefix, StringComparison.Ordinal)) is string taken)
            throw new NotSupportedException($"The metadata has the key '{taken}', but keys that start with '{ForeignTensor.KeyPrefix}' belong to this library.");
    }

    /// <summary>One conversion of a model.</summary>
    private sealed class Work(ITensorSource source, SafetensorsConversionOptions options, CancellationToken cancellationToken)
    {
        /// <summary>Longer tensors are not quantised: their values and symbols must fit into arrays.</summary>
        private const long MaxQuantizedElements = 1L << 29;

        private readonly byte[] piece = GC.AllocateUninitializedArray<byte>(PieceBytes);
        private readonly long total = Math.Max(1, source.ByteLength);
        private readonly HashSet<string> notFinite = new(StringComparer.Ordinal);
        private long done;
        private double told;

        internal CompressedModelWriterOptions WriterOptions { get; } = new() { Level = options.Level, MaxDegreeOfParallelism = options.MaxDegreeOfParallelism };

        /// <summary>How often the model will be read, for the progress.</summary>
        private int Passes { get; set; } = 1;

        /// <summary>Reads the model once and writes it.</summary>
        /// <param name="writer">Where to; disposed.</param>
        /// <param name="multiple">The step as a multiple of the root mean square, for a budget.</param>
        internal CompressionReport Write(CompressedModelWriter writer, double? multiple)
        {
            using (writer)
            {
                foreach ((string key, string value) in source.Metadata)
                    writer.AddMetadata(key, value);
                foreach (SafetensorsTensor tensor in source.Tensors)
                {
                    (ElementType type, long[] shape, string? text) = ForeignTensor.ToStored(tensor);
                    if (text is not null)
                        writer.AddMetadata(ForeignTensor.KeyPrefix + tensor.Name, text);
                    if (IsQuantized(tensor) && Quantize(tensor, type, shape, multiple) is QuantizedTensor quantized)
                        writer.Add(tensor.Name, quantized);
                    else
                        Copy(tensor, type, shape, writer);
                }

                cancellationToken.ThrowIfCancellationRequested();
                return writer.CompleteAsync(cancellationToken: cancellationToken).GetAwaiter().GetResult();
            }
        }

        /// <summary>Searches the finest steps whose file is short enough, by writing files that go nowhere.</summary>
        internal CompressionReport WriteWithin(string path, long target)
        {
            // Of these passes the last is the file itself; attempts are counted as they come.
            double multiple = StepBudget.Find(
                target,
                multiple =>
                {
                    Passes++;
                    return Write(CompressedModelWriter.Create(Stream.Null, WriterOptions), multiple).TotalBytes;
                },
                () => source.Tensors.Where(tensor => IsQuantized(tensor) && !notFinite.Contains(tensor.Name)).Sum(tensor => tensor.ByteLength * 8.0 / tensor.Type.Bits()));
            return Write(CompressedModelWriter.Create(path, WriterOptions), multiple);
        }

        private bool IsQuantized(SafetensorsTensor tensor) =>
            options.IsQuantizing
            && tensor.Type is SafetensorsType.F64 or SafetensorsType.F32 or SafetensorsType.F16 or SafetensorsType.BF16
            && tensor.Shape.Length is >= 2 and <= TensorShape.MaxRank
            && tensor.ByteLength > 0
            && tensor.ByteLength / (tensor.Type.Bits() / 8) < MaxQuantizedElements
            && options.IsSelected(tensor.Name);

        /// <summary>Null where a value is not finite, which no grid holds.</summary>
        private QuantizedTensor? Quantize(SafetensorsTensor tensor, ElementType type, long[] shape, double? multiple)
        {
            if (notFinite.Contains(tensor.Name))
                return null;
            float[] values = Values(tensor, type);
            foreach (float value in values)
            {
                if (!float.IsFinite(value))
                {
                    notFinite.Add(tensor.Name);
                    Done(-tensor.ByteLength);
                    return null;
                }
            }

            try
            {
                return PostTrainingRounding.Quantize(values, [], shape, options, multiple, type);
            }
            catch (ArgumentException exception) when (exception.ParamName == "steps")
            {
                throw new ArgumentException($"'{tensor.Name}': {exception.Message}", exception);
            }
        }

        private float[] Values(SafetensorsTensor tensor, ElementType type)
        {
            int size = type.Size();
            var values = new float[tensor.ByteLength / size];
            for (int start = 0; start < values.Length; start += PieceBytes / size)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Span<float> part = values.AsSpan(start, Math.Min(PieceBytes / size, values.Length - start));
                source.Read(tensor, (long)start * size, piece.AsSpan(0, part.Length * size));
                ElementBytes.Read(piece, type, part);
                Done(part.Length * size);
            }

            return values;
        }

        private void Copy(SafetensorsTensor tensor, ElementType type, long[] shape, CompressedModelWriter writer)
        {
            using CompressedTensorWriter destination = writer.BeginTensor(tensor.Name, type, shape);
            for (long start = 0; start < tensor.ByteLength; start += PieceBytes)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Span<byte> part = piece.AsSpan(0, (int)Math.Min(PieceBytes, tensor.ByteLength - start));
                source.Read(tensor, start, part);
                destination.Write(part);
                Done(part.Length);
            }

            destination.Complete();
        }

        private void Done(long bytes)
        {
            done += bytes;
            double fraction = Math.Min(1, (double)done / total / Passes);
            if (fraction <= told)
                return;

            // What turns out to need another pass, or is read twice, does not go back.
            told = fraction;
            options.Progress?.Report(told);
        }
    }
}
