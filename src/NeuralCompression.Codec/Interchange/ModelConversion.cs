using System.Text;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec;

/// <summary>One conversion of a model of another program's into a compressed one, in pieces.</summary>
internal sealed class ModelConversion(ITensorSource source, ModelConversionOptions options, CancellationToken cancellationToken)
{
    /// <summary>Read and written at once; bytes. Large enough for the disk, small beside the segment that is coded.</summary>
    private const int PieceBytes = 4 << 20;

    /// <summary>Longer tensors are not quantised: their values and symbols must fit into arrays.</summary>
    private const long MaxQuantizedElements = 1L << 29;

    private readonly byte[] piece = GC.AllocateUninitializedArray<byte>(PieceBytes);
    private readonly long total = Math.Max(1, source.ByteLength);
    private readonly HashSet<string> notFinite = new(StringComparer.Ordinal);
    private long done;
    private double told;

    private CompressedModelWriterOptions WriterOptions { get; } = new() { Level = options.Level, MaxDegreeOfParallelism = options.MaxDegreeOfParallelism };

    /// <summary>How often the model will be read, for the progress.</summary>
    private int Passes { get; set; } = 1;

    /// <summary>Converts; the errors are those of <see cref="SafetensorsConverter.Compress"/>.</summary>
    internal static CompressionReport Run(ITensorSource source, string path, ModelConversionOptions? options, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new ModelConversionOptions();
        options.ThrowIfAmbiguous(nameof(options));
        CheckStorable(source);
        var work = new ModelConversion(source, options, cancellationToken);
        if (options.TargetBytes is long target)
            return work.WriteWithin(path, target);
        return work.Write(CompressedModelWriter.Create(path, work.WriterOptions), multiple: null);
    }

    private static void CheckStorable(ITensorSource source)
    {
        foreach (TensorDescription tensor in source.Tensors)
        {
            int bytes = Encoding.UTF8.GetByteCount(tensor.Name);
            if (bytes is 0 or > ContainerLayout.MaxNameBytes)
                throw new NotSupportedException(FormattableString.Invariant($"The name of a tensor has {bytes} bytes; a compressed model stores names of 1 to {ContainerLayout.MaxNameBytes}: '{(bytes > 80 ? tensor.Name[..40] + "..." : tensor.Name)}'."));
        }

        if (source.Metadata.Keys.FirstOrDefault(key => key.StartsWith(ForeignTensor.KeyPrefix, StringComparison.Ordinal)) is string taken)
            throw new NotSupportedException($"The metadata has the key '{taken}', but keys that start with '{ForeignTensor.KeyPrefix}' belong to this library.");
    }

    /// <summary>Reads the model once and writes it.</summary>
    /// <param name="writer">Where to; disposed.</param>
    /// <param name="multiple">The step as a multiple of the root mean square, for a budget.</param>
    private CompressionReport Write(CompressedModelWriter writer, double? multiple)
    {
        using (writer)
        {
            foreach ((string key, string value) in source.Metadata)
                writer.AddMetadata(key, value);
            foreach (TensorDescription tensor in source.Tensors)
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
    private CompressionReport WriteWithin(string path, long target)
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

    private bool IsQuantized(TensorDescription tensor) =>
        options.IsQuantizing
        && tensor.Type is InterchangeType.F64 or InterchangeType.F32 or InterchangeType.F16 or InterchangeType.BF16
        && tensor.Shape.Length is >= 2 and <= TensorShape.MaxRank
        && tensor.ByteLength > 0
        && tensor.ByteLength / (tensor.Type.Bits() / 8) < MaxQuantizedElements
        && options.IsSelected(tensor.Name);

    /// <summary>Null where a value is not finite, which no grid holds.</summary>
    private QuantizedTensor? Quantize(TensorDescription tensor, ElementType type, long[] shape, double? multiple)
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

    private float[] Values(TensorDescription tensor, ElementType type)
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

    private void Copy(TensorDescription tensor, ElementType type, long[] shape, CompressedModelWriter writer)
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
