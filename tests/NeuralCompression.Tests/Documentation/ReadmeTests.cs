using System.Text.RegularExpressions;
using NeuralCompression.Tests.Support;

namespace NeuralCompression.Tests.Documentation;

/// <summary>The C# blocks of README.md and of the guides are compiled code, and they run.</summary>
public sealed partial class ReadmeTests
{
    [Theory]
    [InlineData("README.md", "ReadmePrograms.cs")]
    [InlineData("docs/start.md", "GuidePrograms.cs")]
    [InlineData("docs/guide.md", "GuidePrograms.cs")]
    [InlineData("docs/codec.md", "GuidePrograms.cs")]
    [InlineData("docs/hosting.md", "GuidePrograms.cs")]
    [InlineData("docs/cli.md", "GuidePrograms.cs")]
    public void Blocks_OfADocument_AreTheCompiledPrograms(string document, string source)
    {
        string compiled = Repository.Read($"tests/NeuralCompression.Tests/Documentation/{source}");
        string[] usings = [.. compiled.Split('\n').Where(IsUsing)];
        string[] programs = [.. Program().Matches(compiled).Where(m => m.Groups[1].Value == document).Select(m => Normalize(m.Groups[2].Value))];
        string[] blocks = [.. Block().Matches(Repository.Read(document)).Select(m => m.Groups[1].Value)];
        Assert.NotEmpty(blocks);
        Assert.Equal(programs.Length, blocks.Length);
        foreach (var (block, program) in blocks.Zip(programs))
        {
            Assert.All(block.Split('\n').Where(IsUsing), line => Assert.Contains(line, usings.Append("using NeuralCompression;")));
            Assert.Equal(program, Normalize(string.Join('\n', block.Split('\n').Where(l => !IsUsing(l)))));
        }
    }

    [Fact]
    public void Pages_WithCode_AreAllCompiled() => Assert.Equal(
        ["docs/cli.md", "docs/codec.md", "docs/guide.md", "docs/hosting.md", "docs/start.md"],
        Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md").Select(p => $"docs/{Path.GetFileName(p)}").Where(p => p != "docs/design.md" && Block().IsMatch(Repository.Read(p))).Order(StringComparer.Ordinal));

    [Fact]
    public void Links_WithinTheRepository_LeadSomewhere()
    {
        string[] pages = [Path.Combine(Repository.Root, "README.md"), .. Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories)];
        foreach (string page in pages.Where(p => !p.Contains($"{Path.DirectorySeparatorChar}bin{Path.DirectorySeparatorChar}", StringComparison.Ordinal)))
        {
            foreach (string target in Link().Matches(File.ReadAllText(page)).Select(m => m.Groups[1].Value).Where(t => !t.Contains("://", StringComparison.Ordinal)))
            {
                string path = Path.Combine(Path.GetDirectoryName(page)!, target);
                Assert.True(File.Exists(path) || Directory.Exists(path), $"{page} links to {target}, which does not exist.");
            }
        }
    }

    [Theory]
    [InlineData(nameof(GuidePrograms.Start))]
    [InlineData(nameof(GuidePrograms.Guide))]
    [InlineData(nameof(GuidePrograms.Codec))]
    [InlineData(nameof(GuidePrograms.Hosting))]
    [InlineData(nameof(GuidePrograms.CommandLine))]
    public void GuideProgram_Run_Works(string name) => InFolder(() => typeof(GuidePrograms).GetMethod(name)!.CreateDelegate<Action>()());

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

    [GeneratedRegex(@"\]\(([^)#\s]+)")]
    private static partial Regex Link();

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"// (\S+) begin\n(.*?) *// \1 end", RegexOptions.Singleline)]
    private static partial Regex Program();
}
