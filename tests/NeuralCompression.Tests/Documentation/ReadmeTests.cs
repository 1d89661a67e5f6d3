using System.Text.RegularExpressions;
using NeuralCompression.Tests.Support;

namespace NeuralCompression.Tests.Documentation;

/// <summary>The C# blocks of README.md are the compiled code of ReadmePrograms.cs, and they run.</summary>
public sealed partial class ReadmeTests
{
    [Fact]
    public void Blocks_OfTheReadme_AreTheCompiledPrograms()
    {
        string compiled = Repository.Read("tests/NeuralCompression.Tests/Documentation/ReadmePrograms.cs");
        string[] usings = [.. compiled.Split('\n').Where(IsUsing)];
        string[] programs = [.. Program().Matches(compiled).Select(m => Normalize(m.Groups[1].Value))];
        string[] blocks = [.. Block().Matches(Repository.Read("README.md")).Select(m => m.Groups[1].Value)];
        Assert.Equal(programs.Length, blocks.Length);
        foreach (var (block, program) in blocks.Zip(programs))
        {
            Assert.All(block.Split('\n').Where(IsUsing), line => Assert.Contains(line, usings));
            Assert.Equal(program, Normalize(string.Join('\n', block.Split('\n').Where(l => !IsUsing(l)))));
        }
    }

    [Fact]
    public void FirstProgram_Run_WritesAFileItCanLoad() => InFolder(() =>
    {
        var report = ReadmePrograms.First();
        Assert.Equal(report.TotalBytes, new FileInfo("model.ncm").Length);
        Assert.True(report.TotalBytes < report.OriginalBytes / 2);
    });

    [Fact]
    public void SecondProgram_Run_WritesAFile() => InFolder(() =>
    {
        ReadmePrograms.Second();
        Assert.True(File.Exists("model.ncm"));
    });

    private static void InFolder(Action action)
    {
        using var folder = new TemporaryFolder();
        string before = Environment.CurrentDirectory;
        Environment.CurrentDirectory = Path.GetDirectoryName(folder.File("x"))!;
        try
        {
            action();
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
    }

    // Top-level statements are indented in a method; nothing else may differ.
    private static string Normalize(string code)
    {
        string[] lines = code.Split('\n').Select(l => l.TrimEnd()).ToArray();
        int indent = lines.Where(l => l.Length > 0).Min(l => l.Length - l.TrimStart().Length);
        return string.Join('\n', lines.Select(l => l.Length > 0 ? l[indent..] : l)).Trim('\n');
    }

    private static bool IsUsing(string line) => line.StartsWith("using ", StringComparison.Ordinal) && line.EndsWith(';') && !line.Contains('=', StringComparison.Ordinal);

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex("// README begin.*?\n(.*?) *// README end", RegexOptions.Singleline)]
    private static partial Regex Program();
}
