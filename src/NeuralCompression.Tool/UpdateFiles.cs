using NeuralCompression.Codec;

namespace NeuralCompression.Tool;

/// <summary>What diff and apply share.</summary>
internal static class UpdateFiles
{
    /// <summary>Looks at both files; their length together, bytes.</summary>
    internal static long CheckInputs(string before, string other)
    {
        foreach (string path in (string[])[before, other])
        {
            Paths.CheckInput(path);
            if (path.EndsWith(Paths.Set, StringComparison.OrdinalIgnoreCase))
                throw new ToolException(ExitCode.NotSupported, $"'{path}' is a set of several files, of which there are no updates yet: give it as one file.");
            if (path.EndsWith(Paths.Safetensors, StringComparison.OrdinalIgnoreCase))
                throw new ToolException(ExitCode.BadInput, $"'{path}' is a safetensors file; compress it first: ncm compress '{path}'.");
        }

        return new FileInfo(before).Length + new FileInfo(other).Length;
    }

    internal static void CheckOutput(string[] inputs, string output, bool force)
    {
        foreach (string input in inputs)
            Paths.CheckDifferent(input, output);
        Paths.CheckOutput(output, force);
    }

    // The work is done in pieces, so memory sets no limit; but all is decoded, and a file of a few bytes may declare more than can ever be.
    private static readonly DecodeLimits Limits = new() { MaxElementsPerTensor = 1L << 40, MaxDecodedBytesPerTensor = 1L << 40, MaxDecodedBytes = 1L << 40 };

    internal static CompressedModelUpdateOptions Options(int threads, IProgress<double> progress) => new()
    {
        MaxDegreeOfParallelism = threads,
        Progress = progress,
        Limits = Limits,
    };
}
