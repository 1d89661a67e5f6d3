using System.CommandLine;
using System.Diagnostics;
using System.IO.Compression;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Commands;

/// <summary>ncm diff: two compressed models in, an update out.</summary>
internal static class DiffCommand
{
    internal static Command Create()
    {
        var before = new Argument<string>("base") { Description = "The compressed model (.ncm, or the .ncms manifest of several files) that the receivers have." };
        var next = new Argument<string>("next") { Description = "The compressed model they shall have, also of one file or several." };
        Option<string?> output = CommonOptions.Output("The file to write; default: the name of the next model with .ncmu.");
        Option<CompressionLevel> level = CommonOptions.Level(CompressionLevel.SmallestSize);
        Option<int> threads = CommonOptions.Threads();
        Option<bool> force = CommonOptions.Force();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("diff", "Makes an update (.ncmu): what changes from one compressed model to the next.") { before, next, output, level, threads, force, json };
        command.SetAction((parsed, stop) =>
        {
            string to = parsed.GetRequiredValue(next);
            return Task.Run(
                () => Run(
                    parsed.GetRequiredValue(before),
                    to,
                    parsed.GetValue(output) ?? Paths.Derived(to, Paths.Update),
                    parsed.GetValue(level),
                    parsed.GetValue(threads),
                    parsed.GetValue(force),
                    parsed.GetValue(json),
                    stop),
                CancellationToken.None);
        });
        return command;
    }

    private static int Run(string before, string next, string output, CompressionLevel level, int threads, bool force, bool isJson, CancellationToken cancellationToken)
    {
        long nextBytes = UpdateFiles.CheckModel(next);
        long bytes = UpdateFiles.CheckModel(before) + nextBytes;
        UpdateFiles.CheckOutput([before, next], output, force);
        long start = Stopwatch.GetTimestamp();
        CompressedModelUpdateReport report = WorkProgress.Run(
            "comparing", bytes, !isJson, progress => UpdateFiles.OnBoth(() => CompressedModelUpdate.Create(before, next, output, UpdateFiles.Options(threads, progress, level), cancellationToken)));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (isJson)
        {
            Output.Json(writer =>
            {
                writer.WriteString("file", output);
                writer.WriteNumber("nextBytes", nextBytes);
                writer.WriteNumber("fileBytes", report.TotalBytes);
                writer.WriteNumber("unchanged", report.UnchangedTensors);
                writer.WriteNumber("differences", report.DifferenceTensors);
                writer.WriteNumber("full", report.FullTensors);
                writer.WriteNumber("aliases", report.AliasTensors);
                writer.WriteNumber("seconds", seconds);
            });
        }
        else
        {
            Output.Line($"{output}: {Output.Bytes(report.TotalBytes)} bytes, {100.0 * report.TotalBytes / nextBytes:F1} % of the model ({report.UnchangedTensors} tensors unchanged, {report.DifferenceTensors} as differences, {report.FullTensors} in full), in {seconds:F1} s.");
        }

        return ExitCode.Success;
    }
}
