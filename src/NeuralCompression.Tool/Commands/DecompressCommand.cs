using System.CommandLine;
using System.Diagnostics;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Commands;

/// <summary>ncm decompress: a compressed model in, safetensors or a file of TorchSharp's out.</summary>
internal static class DecompressCommand
{
    internal static Command Create()
    {
        Argument<string> model = CommonOptions.Model();
        Option<string?> output = CommonOptions.Output("The file to write; default: the model's name with .safetensors.");
        var shard = new Option<long?>("--max-shard-bytes") { Description = "Write several files of at most this much data each, and an index." };
        var torchSharp = new Option<bool>("--torchsharp") { Description = "Write a file for TorchSharp's Module.load instead; default name: the model's with .dat." };
        Option<bool> force = CommonOptions.Force();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("decompress", "Makes a safetensors model, or a file for TorchSharp, of a compressed model. Tensors stored without loss come back equal bit for bit.") { model, output, shard, torchSharp, force, json };
        command.SetAction((parsed, stop) =>
        {
            string source = parsed.GetRequiredValue(model);
            bool isTorchSharp = parsed.GetValue(torchSharp);
            return Task.Run(
                () => Run(
                    source,
                    parsed.GetValue(output) ?? Paths.Derived(source, isTorchSharp ? Paths.TorchSharp : Paths.Safetensors),
                    parsed.GetValue(shard),
                    isTorchSharp,
                    parsed.GetValue(force),
                    parsed.GetValue(json),
                    stop),
                CancellationToken.None);
        });
        return command;
    }

    private static int Run(string input, string output, long? shardBytes, bool isTorchSharp, bool force, bool isJson, CancellationToken cancellationToken)
    {
        long maxShardBytes = shardBytes ?? long.MaxValue;
        if (maxShardBytes < 1)
            throw new ToolException(ExitCode.Usage, "--max-shard-bytes is at least 1.");
        if (isTorchSharp && shardBytes is not null)
            throw new ToolException(ExitCode.Usage, "TorchSharp reads one file: leave --max-shard-bytes or --torchsharp away.");
        using ModelFile model = ModelFile.Open(input);
        Paths.CheckDifferent(input, output);
        Paths.CheckOutput(output, force);
        IReadOnlyList<TensorDescription> tensors = model.Describe();
        IReadOnlyList<string> files = isTorchSharp ? [output] : SafetensorsWriter.FilesOf(output, tensors, maxShardBytes);
        foreach (string file in files)
            Paths.CheckOutput(file, force);
        long bytes = (long)Int128.Min(tensors.Aggregate(Int128.Zero, (sum, tensor) => sum + tensor.ByteLength), long.MaxValue);
        Paths.CheckRoom(output, bytes);
        long start = Stopwatch.GetTimestamp();
        WorkProgress.Run("decompressing", bytes, !isJson, progress =>
        {
            if (isTorchSharp)
                model.DecompressToTorchSharp(output, progress, cancellationToken);
            else
                model.Decompress(output, maxShardBytes, progress, cancellationToken);
            return true;
        });
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (isJson)
        {
            Output.Json(writer =>
            {
                writer.WriteStartArray("files");
                foreach (string file in files)
                    writer.WriteStringValue(file);
                writer.WriteEndArray();
                writer.WriteNumber("bytes", bytes);
                writer.WriteNumber("tensors", tensors.Count);
                writer.WriteNumber("seconds", seconds);
            });
        }
        else
        {
            Output.Line($"{files[^1]}: {tensors.Count:N0} tensors, {Output.Bytes(bytes)} bytes{(files.Count > 1 ? $" in {files.Count - 1} files" : "")}, in {seconds:F1} s ({bytes / 1e6 / seconds:F0} MB/s).");
        }

        return ExitCode.Success;
    }
}
