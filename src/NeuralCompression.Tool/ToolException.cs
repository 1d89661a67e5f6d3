namespace NeuralCompression.Tool;

/// <summary>Something the user can put right: one line that says what to do, and the exit code.</summary>
internal sealed class ToolException(int exitCode, string message) : Exception(message)
{
    internal int ExitCode { get; } = exitCode;
}
