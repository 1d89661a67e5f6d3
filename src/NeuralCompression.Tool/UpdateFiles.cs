using NeuralCompression.Codec;

namespace NeuralCompression.Tool;

/// <summary>What diff and apply share.</summary>
internal static class UpdateFiles
{
    // The work is done in pieces, so memory sets no limit; but all is decoded, and a file of a few bytes may declare more than can ever be.
    private static readonly DecodeLimits Limits = new() { MaxElementsPerTensor = 1L << 40, MaxDecodedBytesPerTensor = 1L << 40, MaxDecodedBytes = 1L << 40 };

    internal static CompressedModelUpdateOptions Options(int threads, IProgress<double> progress) => new() { MaxDegreeOfParallelism = threads, Progress = progress, Limits = Limits };

    /// <summary>Refuses what is not one compressed model, in the words of the other commands. The length of the file, bytes.</summary>
    internal static long CheckModel(string path)
    {
        using ModelFile model = ModelFile.Open(path);
        return path.EndsWith(Paths.Set, StringComparison.OrdinalIgnoreCase)
            ? throw new ToolException(ExitCode.NotSupported, $"'{path}' is a set of several files, of which there are no updates yet: give a model of one file.")
            : model.FileBytes;
    }

    internal static void CheckOutput(string[] inputs, string output, bool force)
    {
        foreach (string input in inputs)
            Paths.CheckDifferent(input, output);
        Paths.CheckOutput(output, force);
    }
}
