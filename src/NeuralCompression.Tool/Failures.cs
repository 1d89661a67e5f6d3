namespace NeuralCompression.Tool;

/// <summary>Makes one line and one exit code of whatever went wrong.</summary>
internal static class Failures
{
    private const string FileKey = "NeuralCompression.File";

    // errno ENOSPC and EDQUOT; HRESULT of ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL.
    private static readonly int[] DiskFull = [28, 122, unchecked((int)0x80070070), unchecked((int)0x80070027)];

    internal static (int ExitCode, string Message) Of(Exception exception) => exception switch
    {
        ToolException known => (known.ExitCode, known.Message),
        OperationCanceledException => (ExitCode.Cancelled, "Cancelled; nothing was written."),
        AggregateException { InnerExceptions: [Exception only] } => Of(only),
        InvalidDataException => (ExitCode.BadInput, $"{File(exception)}{exception.Message}{Place(exception)} The file is damaged or was made by a program that breaks the format: get it again from where it came from."),
        NotSupportedException => (ExitCode.NotSupported, exception.Message),
        FileNotFoundException or DirectoryNotFoundException => (ExitCode.Files, $"{exception.Message} Check the path."),
        IOException when DiskFull.Contains(exception.HResult) => (ExitCode.Files, "The disk is full; nothing was written. Free some room, or write to another disk."),
        IOException => (ExitCode.Files, exception.Message),
        UnauthorizedAccessException => (ExitCode.Files, $"{exception.Message} Check the permissions of the file and its folder."),
        ArgumentException => (ExitCode.Usage, WithoutParameter(exception.Message)),
        OutOfMemoryException => (ExitCode.Files, "There is not enough memory for this tensor."),
        _ => (ExitCode.Internal, $"This is a fault of ncm, please report it: {exception}"),
    };

    /// <summary>Reads a file; what is wrong with it is said with its name.</summary>
    internal static TResult Naming<TResult>(string path, Func<TResult> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException exception)
        {
            exception.Data[FileKey] = path;
            throw;
        }
    }

    private static string File(Exception exception) => exception.Data[FileKey] is string path ? $"'{path}': " : "";

    private static string Place(Exception exception) => exception.Data["NeuralCompression.Tensor"] is string tensor && !exception.Message.Contains(tensor, StringComparison.Ordinal) ? $" (tensor '{tensor}')" : "";

    // What .NET appends for programmers.
    private static string WithoutParameter(string message)
    {
        int parameter = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return parameter < 0 ? message : message[..parameter];
    }
}
