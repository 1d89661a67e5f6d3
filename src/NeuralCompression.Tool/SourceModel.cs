using NeuralCompression.Codec;

namespace NeuralCompression.Tool;

/// <summary>A model of another program's: safetensors, or what TorchSharp saves. Only the content tells which.</summary>
internal sealed class SourceModel : IDisposable
{
    private readonly SafetensorsReader? safetensors;
    private readonly TorchSharpReader? torchSharp;

    private SourceModel(SafetensorsReader? safetensors, TorchSharpReader? torchSharp) => (this.safetensors, this.torchSharp) = (safetensors, torchSharp);

    internal long ByteLength => safetensors?.ByteLength ?? torchSharp!.ByteLength;

    internal static SourceModel Open(string path)
    {
        try
        {
            return new SourceModel(SafetensorsReader.Open(path), null);
        }
        catch (InvalidDataException exception) when (exception.Data["NeuralCompression.Error"] is SafetensorsError.TooShort or SafetensorsError.HeaderLength or SafetensorsError.HeaderStart)
        {
            try
            {
                return new SourceModel(null, TorchSharpReader.Open(path));
            }
            catch (InvalidDataException)
            {
                throw new ToolException(ExitCode.BadInput, $"'{path}' {Kind(path) ?? $"is not a safetensors file, nor one that TorchSharp saved. {exception.Message}"}");
            }
        }
    }

    // Files that are given by mistake, known by how they start.
    private static string? Kind(string path)
    {
        Span<byte> start = stackalloc byte[4];
        using (FileStream file = File.OpenRead(path))
            start = start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        if (start.SequenceEqual("PK\u0003\u0004"u8))
            return "is an archive, as PyTorch writes its checkpoints: save it as safetensors in Python first, which takes two lines (see docs/cli.md).";
        if (start.SequenceEqual((ReadOnlySpan<byte>)[0x8F, (byte)'N', (byte)'C', (byte)'M']))
            return "is compressed already; ncm decompress gives back what it was made from.";
        return start.SequenceEqual("GGUF"u8) ? "is a GGUF file, whose weights are quantised in blocks already; ncm takes the safetensors model that it was made from." : null;
    }

    internal CompressionReport Compress(string path, ModelConversionOptions options, CancellationToken cancellationToken) =>
        safetensors is not null
            ? SafetensorsConverter.Compress(safetensors, path, options, cancellationToken)
            : TorchSharpConverter.Compress(torchSharp!, path, options, cancellationToken);

    public void Dispose()
    {
        safetensors?.Dispose();
        torchSharp?.Dispose();
    }
}
