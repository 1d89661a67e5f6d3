using System.IO.Compression;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool;

/// <summary>What diff and apply share.</summary>
internal static class UpdateFiles
{
    // The work is done in pieces, so memory sets no limit; but all is decoded, and a file of a few bytes may declare more than can ever be.
    private static readonly DecodeLimits Limits = new() { MaxElementsPerTensor = 1L << 40, MaxDecodedBytesPerTensor = 1L << 40, MaxDecodedBytes = 1L << 40 };

    /// <summary>The length of the files of a set; bytes.</summary>
    internal const long DefaultShardBytes = 4L << 30;

    internal static CompressedModelUpdateOptions Options(int threads, IProgress<double> progress, CompressionLevel level = CompressionLevel.SmallestSize, long shardBytes = DefaultShardBytes) =>
        new() { Level = level, MaxDegreeOfParallelism = threads, Progress = progress, Limits = Limits, ShardBytes = shardBytes };

    /// <summary>Whether the commands are to take a file for an update: by its name, as they tell sets and safetensors files.</summary>
    internal static bool IsUpdate(string path) => path.EndsWith(Paths.Update, StringComparison.OrdinalIgnoreCase);

    /// <summary>What an update says of itself.</summary>
    internal static CompressedModelUpdateInfo ReadInfo(string path)
    {
        Paths.CheckInput(path);
        return InToolWords(path, () => Failures.Naming(path, () => CompressedModelUpdate.ReadInfo(path, Limits)));
    }

    /// <summary>Runs what reads an update. Nothing is damaged where the wrong files were given, and the message says so.</summary>
    internal static TResult InToolWords<TResult>(string update, Func<TResult> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException exception) when (exception.Data["NeuralCompression.Error"] is ContainerError.UpdateBase)
        {
            throw new ToolException(ExitCode.BadInput, exception.Message);
        }
        catch (InvalidDataException exception) when (exception.Data["NeuralCompression.Error"] is ContainerError.NotAnUpdate)
        {
            throw new ToolException(ExitCode.BadInput, $"'{update}' is a model, not an update (.ncmu): give the file that ncm diff wrote.");
        }
        catch (InvalidDataException exception) when (exception.Data["NeuralCompression.Error"] is ContainerError.NotAContainer)
        {
            throw new ToolException(ExitCode.BadInput, $"'{update}' is not an update (.ncmu): it does not start as one. Give a file that ncm diff or this library wrote.");
        }
    }

    /// <summary>Does work on two files, neither of which is found damaged before its content is read.</summary>
    internal static TResult OnBoth<TResult>(Func<TResult> work)
    {
        try
        {
            return work();
        }
        catch (InvalidDataException exception)
        {
            throw new ToolException(ExitCode.BadInput, $"{exception.Message} One of the two files is damaged: ncm verify tells which; get it again from where it came from.");
        }
    }

    /// <summary>Refuses what is not a compressed model, in the words of the other commands. The length of its files, bytes.</summary>
    internal static long CheckModel(string path)
    {
        using ModelFile model = ModelFile.Open(path);
        return model.FileBytes;
    }

    internal static void CheckOutput(string[] inputs, string output, bool force)
    {
        foreach (string input in inputs)
            Paths.CheckDifferent(input, output);
        Paths.CheckOutput(output, force);
    }
}
