using System.CommandLine;
using System.IO.Compression;

namespace NeuralCompression.Tool.Commands;

/// <summary>Options several commands share, word for word.</summary>
internal static class CommonOptions
{
    internal static Argument<string> Model() => new("model") { Description = "A compressed model: .ncm, or the .ncms manifest of several files." };

    internal static Option<bool> Json() => new("--json") { Description = "Print JSON for programs; no progress." };

    internal static Option<bool> Force() => new("--force", "-f") { Description = "Overwrite the output." };

    internal static Option<string?> Output(string description) => new("--output", "-o") { Description = description };

    internal static Option<CompressionLevel> Level(CompressionLevel usual) => new("--level")
    {
        Description = "How hard to try: Fastest, Optimal, SmallestSize (slow both ways), or NoCompression (aligned for memory mapping).",
        DefaultValueFactory = _ => usual,
    };

    internal static Option<int> Threads() => new("--threads") { Description = "How many threads; -1 for one per processor. The file is the same for every number.", DefaultValueFactory = _ => -1 };
}
