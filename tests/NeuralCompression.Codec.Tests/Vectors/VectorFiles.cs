namespace NeuralCompression.Codec.Tests.Vectors;

/// <summary>Finds tests/vectors. Set NEURALCOMPRESSION_WRITE_VECTORS=1 to write files that are missing; files that exist are never rewritten.</summary>
internal static class VectorFiles
{
    internal static string Root { get; } = FindRoot();

    internal static string Valid { get; } = Path.Combine(Root, "tests", "vectors", "valid");

    internal static string Invalid { get; } = Path.Combine(Root, "tests", "vectors", "invalid");

    internal static string Updates { get; } = Path.Combine(Root, "tests", "vectors", "updates");

    internal static bool MayWrite => Environment.GetEnvironmentVariable("NEURALCOMPRESSION_WRITE_VECTORS") == "1";

    /// <summary>The tab-separated lines of a manifest, comments left out.</summary>
    internal static IEnumerable<string[]> Manifest(string folder) =>
        File.ReadLines(Path.Combine(folder, "manifest.tsv")).Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split('\t'));

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "NeuralCompression.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException("The tests run outside the repository.");
    }
}
