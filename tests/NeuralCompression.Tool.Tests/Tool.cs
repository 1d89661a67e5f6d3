using System.Diagnostics;

namespace NeuralCompression.Tool.Tests;

/// <summary>The built program in a process of its own, and a folder of its own.</summary>
internal sealed class Tool : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly string folder = Directory.CreateTempSubdirectory("ncm").FullName;

    internal static string Root { get; } = FindRoot();

    /// <summary>The program of the configuration these tests are built in.</summary>
    private static string Program { get; } = Path.Combine(
        Root, "src", "NeuralCompression.Tool", "bin", new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)).Parent!.Name, "net10.0", "ncm.dll");

    internal string this[string name] => Path.Combine(folder, name);

    internal IEnumerable<string> Names => Directory.EnumerateFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);

    internal Result Run(params string[] arguments)
    {
        using Process process = Start(arguments);
        return End(process);
    }

    internal Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder };

        // A shell starts its background jobs with SIGINT ignored, which all they start inherit; the program respects that, as it should.
        if (OperatingSystem.IsLinux())
        {
            start.FileName = "env";
            start.ArgumentList.Add("--default-signal=INT");
            start.ArgumentList.Add("dotnet");
        }

        start.ArgumentList.Add(Program);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    internal static Result End(Process process, TimeSpan? patience = null)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(patience ?? Patience))
        {
            process.Kill();
            Assert.Fail("The program does not end.");
        }

        return new Result(process.ExitCode, output.Result, error.Result);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static string FindRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "NeuralCompression.sln")))
                return at.FullName;
        }

        throw new InvalidOperationException("The tests run outside the repository.");
    }

    internal sealed record Result(int ExitCode, string Output, string Error)
    {
        /// <summary>One line that names the program, and no stack trace.</summary>
        internal void Fails(int exitCode, string says)
        {
            Assert.True(exitCode == ExitCode, $"Exit code {ExitCode} instead of {exitCode}: {Error}{Output}");
            Assert.StartsWith("ncm: ", Error, StringComparison.Ordinal);
            Assert.Equal(1, Error.AsSpan().Count('\n'));
            Assert.Contains(says, Error, StringComparison.Ordinal);
            Assert.Equal("", Output);
        }

        internal void Succeeds() => Assert.True(ExitCode == 0 && Error.Length == 0, $"Exit code {ExitCode}: {Error}{Output}");
    }
}
