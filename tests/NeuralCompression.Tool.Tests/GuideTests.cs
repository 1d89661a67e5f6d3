using System.Text.RegularExpressions;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Tests;

/// <summary>The blocks of docs/cli.md do what they say, one after another in one folder.</summary>
public sealed partial class GuideTests
{
    private static readonly string Guide = File.ReadAllText(Path.Combine(Tool.Root, "docs", "cli.md")).ReplaceLineEndings("\n");

    [Fact]
    public void Commands_OfTheGuide_Succeed()
    {
        using var tool = new Tool();
        Models.Write(tool["model.safetensors"]);
        string[] commands = [.. CommandBlock().Matches(Guide).SelectMany(block => block.Groups[1].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries))];
        Assert.Equal(11, commands.Length);
        foreach (string command in commands)
        {
            string[] words = [.. command.Split(' ').Select(word => word.Trim('"'))];
            Assert.Equal("ncm", words[0]);
            tool.Run(words[1..]).Succeeds();
        }

        Assert.Equal(File.ReadAllBytes(tool["model.safetensors"]), File.ReadAllBytes(tool["back.safetensors"]));
        Assert.InRange(new FileInfo(tool["small.ncm"]).Length, 1, 20_000);
        Assert.True(File.Exists(tool["four.png"]));
        tool.Run("decompress", "step.ncm", "-o", "step.safetensors").Succeeds();
        tool.Run("decompress", "updated.ncm", "-o", "updated.safetensors").Succeeds();
        Assert.Equal(File.ReadAllBytes(tool["step.safetensors"]), File.ReadAllBytes(tool["updated.safetensors"]));
    }

    [Fact]
    public void ExitCodes_OfTheGuide_AreThoseOfTheProgram()
    {
        string source = File.ReadAllText(Path.Combine(Tool.Root, "src", "NeuralCompression.Tool", "ExitCode.cs"));
        Assert.Equal(
            Constant().Matches(source).Select(match => match.Groups[1].Value),
            Row().Matches(Guide).Select(match => match.Groups[1].Value));
    }

    [Fact]
    public void Code_OfTheGuide_IsTheCompiledOne()
    {
        string block = Regex.Match(Guide, "```csharp\nusing NeuralCompression.Codec;\n\n(.*?)```", RegexOptions.Singleline).Groups[1].Value;
        string compiled = File.ReadAllText(Path.Combine(Tool.Root, "tests", "NeuralCompression.Tool.Tests", "GuideTests.cs")).ReplaceLineEndings("\n");
        string program = Regex.Match(compiled, "// GUIDE begin\n(.*?) *// GUIDE end", RegexOptions.Singleline).Groups[1].Value;
        Assert.NotEqual("", block);
        Assert.Equal(program.Replace("        ", "", StringComparison.Ordinal), block.Replace("    ", "", StringComparison.Ordinal).Replace("\nSafetensorsConverter.Compress", "\n    SafetensorsConverter.Compress", StringComparison.Ordinal));
    }

    [Fact]
    public void Code_OfTheGuide_Runs()
    {
        using var tool = new Tool();
        Models.Write(tool["model.safetensors"]);
        string before = Environment.CurrentDirectory;
        Environment.CurrentDirectory = Path.GetDirectoryName(tool["x"])!;
        try
        {
            Program();
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }

        Assert.Equal(["back.safetensors", "model.ncm", "model.safetensors"], tool.Names);
    }

    private static void Program()
    {
        // GUIDE begin
        using (SafetensorsReader source = SafetensorsReader.Open("model.safetensors"))
            SafetensorsConverter.Compress(source, "model.ncm", new ModelConversionOptions { Bits = 4, PerChannel = true });

        using CompressedModelReader model = CompressedModelReader.Open("model.ncm");
        SafetensorsConverter.Decompress(model, "back.safetensors");
        // GUIDE end
    }

    [GeneratedRegex("```ncm\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CommandBlock();

    [GeneratedRegex(@"internal const int \w+ = (\d+);")]
    private static partial Regex Constant();

    [GeneratedRegex(@"^\| (\d+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
