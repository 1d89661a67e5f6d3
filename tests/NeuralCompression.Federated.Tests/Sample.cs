using System.Diagnostics;

namespace NeuralCompression.Federated.Tests;

/// <summary>The built sample in a process of its own, and a folder of its own.</summary>
internal sealed class Sample : IDisposable
{
    // A run takes half a minute; nothing is concluded from how long.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    private readonly string folder = Directory.CreateTempSubdirectory("federated-test-").FullName;

    internal static string Root { get; } = FindRoot();

    internal string Output => Path.Combine(folder, "output");

    internal string this[string name] => Path.Combine(folder, name);

    /// <summary>What the sample printed; it ended well and left its files in <see cref="Output"/>.</summary>
    internal string Run(params string[] arguments)
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)).Parent!.Name;
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])[Path.Combine(Root, "docs", "samples", "Federated", "bin", configuration, "net10.0", "Federated.dll"), .. arguments, "--output", Output])
            start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        bool isEnded = process.WaitForExit(Patience);
        if (!isEnded)
            process.Kill(entireProcessTree: true);
        Assert.True(isEnded && process.ExitCode == 0, $"{(isEnded ? $"Exit code {process.ExitCode}" : "It does not end")}:\n{output.Result}\n{error.Result}\n{Logs()}");
        return output.Result;
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Logs() =>
        string.Join('\n', Directory.GetFiles(Path.Combine(Output, "logs")).Select(path => $"{Path.GetFileName(path)}:\n{string.Join('\n', File.ReadLines(path).TakeLast(20))}"));

    private static string FindRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "NeuralCompression.sln")))
                return at.FullName;
        }

        throw new InvalidOperationException("The tests run outside the repository.");
    }
}
