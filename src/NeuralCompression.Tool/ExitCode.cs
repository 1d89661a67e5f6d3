namespace NeuralCompression.Tool;

/// <summary>What the program tells the shell; documented in docs/cli.md.</summary>
internal static class ExitCode
{
    internal const int Success = 0;

    /// <summary>The input is damaged, or not what the command takes.</summary>
    internal const int BadInput = 1;

    /// <summary>The command line is wrong, or asks for what cannot be.</summary>
    internal const int Usage = 2;

    /// <summary>A file or folder cannot be found, read or written: missing, not allowed, disk full.</summary>
    internal const int Files = 3;

    /// <summary>The output exists already and --force was not given.</summary>
    internal const int Exists = 4;

    /// <summary>A newer format, or what one of the formats cannot hold.</summary>
    internal const int NotSupported = 5;

    /// <summary>A fault of this program.</summary>
    internal const int Internal = 70;

    /// <summary>Ctrl-C or a termination signal, as shells count it.</summary>
    internal const int Cancelled = 130;
}
