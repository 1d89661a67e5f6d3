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
                throw new ToolException(ExitCode.BadInput, $"'{path}' is not a safetensors file, or damaged: {exception.Message} A PyTorch checkpoint must be saved as safetensors first (docs/cli.md shows how).");
            }
        }
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
