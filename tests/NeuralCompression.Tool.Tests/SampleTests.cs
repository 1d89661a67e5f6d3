using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace NeuralCompression.Tool.Tests;

/// <summary>The samples that train, in a short form and a process each.</summary>
public sealed partial class SampleTests
{
    [Fact]
    public void TrainAndCompress_OneEpoch_IsSmallerAndEqualInASecondProcess()
    {
        using var tool = new Tool();
        string result = Run("TrainAndCompress", "--epochs", "1", "--output", tool["model.ncm"]);
        Match summary = Summary().Match(result);
        Assert.True(summary.Success, result);
        Assert.InRange(double.Parse(summary.Groups[1].Value, CultureInfo.InvariantCulture), 0.1, 10);
        Assert.Equal(new FileInfo(tool["model.ncm"]).Length.ToString(CultureInfo.InvariantCulture), summary.Groups[2].Value);
        Assert.InRange(new FileInfo(tool["model.ncm"]).Length, 1_000, 30_000);
        Assert.Equal(["model.ncm", "model.png"], tool.Names);
    }

    [Fact]
    public void ExistingLoop_OneEpoch_IsSmaller()
    {
        string result = Run("ExistingLoop", "--epochs", "1");
        Match file = FileLine().Match(result);
        Assert.True(file.Success, result);
        Assert.InRange(double.Parse(file.Groups[1].Value, CultureInfo.InvariantCulture), 10, 1_000);
        Assert.InRange(double.Parse(file.Groups[2].Value, CultureInfo.InvariantCulture), 0.1, 15);
    }

    [Fact]
    public void HostedTraining_LogsWhatItDidAndEnds() => Assert.Contains("training error of the loaded network", Run("HostedTraining"), StringComparison.Ordinal);

    private static string Run(string sample, params string[] arguments)
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)).Parent!.Name;
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])[Path.Combine(Tool.Root, "docs", "samples", sample, "bin", configuration, "net10.0", $"{sample}.dll"), .. arguments])
            start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Tool.Result result = Tool.End(process);
        Assert.True(result.ExitCode == 0, result.Error + result.Output);
        return result.Output;
    }

    [GeneratedRegex(@"^file: .* bytes, ([\d.]+) times smaller, test error ([\d.]+) %", RegexOptions.Multiline)]
    private static partial Regex FileLine();

    [GeneratedRegex(@"RESULT error=([\d.]+) bytes=(\d+) ratio=[\d.]+ equal=true")]
    private static partial Regex Summary();
}
