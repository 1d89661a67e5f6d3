using System.CommandLine;
using System.Diagnostics;
using System.IO.Compression;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Commands;

/// <summary>ncm apply: a compressed model and an update in, the next model out.</summary>
internal static class ApplyCommand
{
    internal static Command Create()
    {
        var before = new Argument<string>("base") { Description = "The compressed model (.ncm, or the .ncms manifest of several files) that the update was made from." };
        var update = new Argument<string>("update") { Description = "The update (.ncmu)." };
        Option<string?> output = CommonOptions.Output("The file to write; default: the name of the update with .ncm, or with .ncms where the base is a set. With .ncms it becomes a set: a manifest and files beside it.");
        var shard = new Option<long>("--shard-bytes") { Description = "Of a set: when a file has this many bytes, the next tensor begins another.", DefaultValueFactory = _ => UpdateFiles.DefaultShardBytes };
        Option<CompressionLevel> level = CommonOptions.Level(CompressionLevel.SmallestSize);
        Option<int> threads = CommonOptions.Threads();
        Option<bool> force = CommonOptions.Force();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("apply", "Makes the next compressed model of its base and an update, and checks that it is the right one.") { before, update, output, level, shard, threads, force, json };
        command.SetAction((parsed, stop) =>
        {
            string model = parsed.GetRequiredValue(before);
            string from = parsed.GetRequiredValue(update);
            return Task.Run(
                () => Run(
                    model,
                    from,
                    parsed.GetValue(output) ?? Paths.Derived(from, Paths.IsSet(model) ? Paths.Set : Paths.Model),
                    parsed.GetValue(level),
                    parsed.GetValue(shard),
                    parsed.GetValue(threads),
                    parsed.GetValue(force),
                    parsed.GetValue(json),
                    stop),
                CancellationToken.None);
        });
        return command;
    }

    private static int Run(string before, string update, string output, CompressionLevel level, long shardBytes, int threads, bool force, bool isJson, CancellationToken cancellationToken)
    {
        if (shardBytes < 1)
            throw new ToolException(ExitCode.Usage, "--shard-bytes is at least 1.");
        long bytes = UpdateFiles.CheckModel(before);
        UpdateFiles.ReadInfo(update);
        UpdateFiles.CheckOutput([before, update], output, force);
        long start = Stopwatch.GetTimestamp();
        CompressionReport report = WorkProgress.Run(
            "applying", bytes, !isJson, progress => UpdateFiles.OnBoth(() => UpdateFiles.InToolWords(update, () => CompressedModelUpdate.Apply(before, update, output, UpdateFiles.Options(threads, progress, level, shardBytes), cancellationToken))));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (isJson)
        {
            Output.Json(writer =>
            {
                writer.WriteString("file", output);
                writer.WriteNumber("fileBytes", report.TotalBytes);
                writer.WriteNumber("tensors", report.Tensors.Count);
                writer.WriteNumber("seconds", seconds);
            });
        }
        else
        {
            Output.Line($"{output}: {report.Tensors.Count:N0} tensors, {Output.Bytes(report.TotalBytes)} bytes, checked, in {seconds:F1} s.");
        }

        return ExitCode.Success;
    }
}
