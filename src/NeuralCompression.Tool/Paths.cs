namespace NeuralCompression.Tool;

/// <summary>Looks at paths before anything is done with them.</summary>
internal static class Paths
{
    internal const string Model = ".ncm";
    internal const string Set = ".ncms";
    internal const string Update = ".ncmu";
    internal const string Safetensors = ".safetensors";
    internal const string TorchSharp = ".dat";

    /// <summary>Whether a path is that of a set's manifest, by its name.</summary>
    internal static bool IsSet(string path) => path.EndsWith(Set, StringComparison.OrdinalIgnoreCase);

    internal static void CheckInput(string path)
    {
        if (Directory.Exists(path))
            throw new ToolException(ExitCode.Files, $"'{path}' is a folder; name a file in it.");
        if (!File.Exists(path))
            throw new ToolException(ExitCode.Files, $"There is no file '{path}'. Check the path.");
    }

    internal static void CheckOutput(string path, bool force)
    {
        if (Directory.Exists(path))
            throw new ToolException(ExitCode.Files, $"'{path}' is a folder; name the file to write.");
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is string folder && !Directory.Exists(folder))
            throw new ToolException(ExitCode.Files, $"There is no folder '{folder}'; make it first.");
        if (IsDevice(path))
            throw new ToolException(ExitCode.Files, $"'{path}' is a device, which writing would replace by a file; name an ordinary file.");
        if (!force && File.Exists(path))
            throw new ToolException(ExitCode.Exists, $"'{path}' exists already; add --force to overwrite it, or name another file.");
    }

    // .NET does not tell devices from files; the shared memory there is an ordinary file system.
    private static bool IsDevice(string path)
    {
        string full = Path.GetFullPath(path);
        return !OperatingSystem.IsWindows() && full.StartsWith("/dev/", StringComparison.Ordinal) && !full.StartsWith("/dev/shm/", StringComparison.Ordinal) && File.Exists(full);
    }

    /// <summary>A file written in place of one of its sources would destroy it half way if anything went wrong after; and is never what was meant.</summary>
    internal static void CheckDifferent(string input, string output)
    {
        if (Path.GetFullPath(input) == Path.GetFullPath(output))
            throw new ToolException(ExitCode.Usage, "Input and output are one file; name another output.");
    }

    internal static void CheckRoom(string path, long bytes)
    {
        string? folder = Path.GetDirectoryName(Path.GetFullPath(path));
        long free;
        try
        {
            free = new DriveInfo(folder!).AvailableFreeSpace;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Some file systems do not tell; then the writing does.
            return;
        }

        if (bytes > free)
            throw new ToolException(ExitCode.Files, $"The output has {bytes:N0} bytes, but only {free:N0} are free in '{folder}'. Free some room, or write to another disk.");
    }

    /// <summary>The input with another ending.</summary>
    internal static string Derived(string input, string extension)
    {
        string stem = input;
        foreach (string ending in (string[])[".index.json", ".json", Safetensors, Model, Set, Update])
        {
            if (stem.EndsWith(ending, StringComparison.OrdinalIgnoreCase))
                stem = stem[..^ending.Length];
        }

        return stem + extension;
    }
}
