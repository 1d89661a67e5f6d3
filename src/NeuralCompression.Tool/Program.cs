using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using NeuralCompression.Tool;
using NeuralCompression.Tool.Commands;

// The same numbers on every machine.
CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;

var root = new RootCommand("Makes safetensors models small, shows and checks compressed models (.ncm), and gives safetensors back.")
{
    InfoCommand.Create(),
    VerifyCommand.Create(),
    CompressCommand.Create(),
    DecompressCommand.Create(),
    DiffCommand.Create(),
    ApplyCommand.Create(),
    PlotCommand.Create(),
};

ParseResult parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    Console.Error.WriteLine($"ncm: {parsed.Errors[0].Message.ReplaceLineEndings(" ")} See 'ncm {(parsed.CommandResult.Command is RootCommand ? "" : parsed.CommandResult.Command.Name + " ")}--help'.");
    return ExitCode.Usage;
}

// Ctrl-C and termination ask the work to stop, which leaves the files as they were; a second one does not kill it half way.
// Nothing of this is disposed: a signal while the process ends must not make a failure of what is already written.
var stop = new CancellationTokenSource();
PosixSignalRegistration[] signals = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop)];

try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, stop.Token);
}
catch (Exception exception)
{
    (int exitCode, string message) = Failures.Of(exception);
    Console.Error.WriteLine($"ncm: {(exitCode == ExitCode.Internal ? message : Output.Printable(message.ReplaceLineEndings(" ")))}");
    return exitCode;
}
finally
{
    GC.KeepAlive(signals);
}

void Stop(PosixSignalContext context)
{
    context.Cancel = true;
    stop.Cancel();
}
