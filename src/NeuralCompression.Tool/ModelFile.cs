using NeuralCompression.Codec;

namespace NeuralCompression.Tool;

/// <summary>A compressed model, of one file or of several, as the commands see it.</summary>
internal sealed class ModelFile : IDisposable
{
    // The commands work in pieces, so what counts is room on the disk, which decompress checks, not memory.
    private static readonly DecodeLimits Limits = new() { MaxElementsPerTensor = long.MaxValue, MaxDecodedBytesPerTensor = long.MaxValue, MaxDecodedBytes = long.MaxValue };

    private readonly CompressedModelReader? single;
    private readonly CompressedModelSet? set;

    private ModelFile(CompressedModelReader? single, CompressedModelSet? set)
    {
        this.single = single;
        this.set = set;
    }

    internal IReadOnlyList<CompressedTensorInfo> Tensors => single?.Tensors ?? set!.Tensors;

    internal IReadOnlyDictionary<string, string> Metadata => single?.Metadata ?? set!.Metadata;

    /// <summary>The length of all files; bytes.</summary>
    internal long FileBytes { get; private init; }

    internal int FileCount => set?.Shards.Count ?? 1;

    internal static ModelFile Open(string path)
    {
        Paths.CheckInput(path);
        if (path.EndsWith(Paths.Safetensors, StringComparison.OrdinalIgnoreCase))
            throw new ToolException(ExitCode.BadInput, $"'{path}' is a safetensors file; compress it first: ncm compress '{path}'.");
        if (Paths.IsSet(path))
        {
            CompressedModelSet set = Failures.Naming(path, () => CompressedModelSet.Open(path, Limits));
            return new ModelFile(null, set) { FileBytes = new FileInfo(path).Length + set.Shards.Sum(shard => shard.Length) };
        }

        try
        {
            return new ModelFile(Failures.Naming(path, () => CompressedModelReader.Open(path, Limits)), null) { FileBytes = new FileInfo(path).Length };
        }
        catch (InvalidDataException exception) when (exception.Data["NeuralCompression.Error"] is ContainerError.NotAModel)
        {
            throw new ToolException(ExitCode.BadInput, $"'{path}' is an update, not a model: make the model of it and of its base with ncm apply.");
        }
        catch (InvalidDataException exception) when (exception.Data["NeuralCompression.Error"] is ContainerError.NotAContainer)
        {
            throw new ToolException(ExitCode.BadInput, $"'{path}' is not a compressed model (.ncm): it does not start as one. Give a file that ncm compress or this library wrote.");
        }
    }

    internal CompressedModelReader ReaderOf(CompressedTensorInfo tensor) => single ?? set!.ReaderOf(tensor);

    internal IReadOnlyList<TensorDescription> Describe() => single is not null ? SafetensorsConverter.Describe(single) : SafetensorsConverter.Describe(set!);

    internal void Decompress(string path, long maxShardBytes, IProgress<double> progress, CancellationToken cancellationToken)
    {
        if (single is not null)
            SafetensorsConverter.Decompress(single, path, maxShardBytes, progress, cancellationToken);
        else
            SafetensorsConverter.Decompress(set!, path, maxShardBytes, progress, cancellationToken);
    }

    internal void DecompressToTorchSharp(string path, IProgress<double> progress, CancellationToken cancellationToken)
    {
        if (single is null)
            throw new ToolException(ExitCode.NotSupported, "A set of several files becomes safetensors only: leave --torchsharp away.");
        TorchSharpConverter.Decompress(single, path, progress, cancellationToken);
    }

    /// <summary>Checks the digests of the files of a set; a single file has none.</summary>
    internal void VerifyDigests(CancellationToken cancellationToken) => set?.Verify(cancellationToken: cancellationToken);

    public void Dispose()
    {
        single?.Dispose();
        set?.Dispose();
    }
}
