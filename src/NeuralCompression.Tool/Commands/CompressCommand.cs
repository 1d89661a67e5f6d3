using System.CommandLine;
using System.Diagnostics;
using System.IO.Compression;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Commands;

/// <summary>ncm compress: safetensors or a file of TorchSharp's in, a compressed model out.</summary>
internal static class CompressCommand
{
    internal static Command Create()
    {
        var input = new Argument<string>("input") { Description = "A .safetensors file, the .index.json of a sharded model, or a file of TorchSharp's Module.save." };
        Option<string?> output = CommonOptions.Output("The file to write; default: the input's name with .ncm.");
        Option<CompressionLevel> level = CommonOptions.Level(CompressionLevel.Optimal);
        var bits = new Option<int?>("--bits") { Description = "Quantise to 2^bits - 1 levels, 2 to 16 bits. Without --bits, --step and --target-bytes nothing is lost." };
        var step = new Option<double?>("--step") { Description = "Quantise with this distance between two levels." };
        var target = new Option<long?>("--target-bytes") { Description = "Quantise as coarsely as a file of at most this length asks for." };
        var perChannel = new Option<bool>("--per-channel") { Description = "A step for every index of the first axis instead of one for each tensor." };
        var rateDistortion = new Option<double>("--rate-distortion") { Description = "Round where it saves bits: what a bit is worth in squared steps, 0 to round to the nearest; try 0.1." };
        var include = new Option<string[]>("--include") { Description = "Quantise only tensors whose names match, as in 'model.layers.*'; may be given again." };
        var exclude = new Option<string[]>("--exclude") { Description = "Do not quantise tensors whose names match, as in '*embed*'; may be given again." };
        Option<int> threads = CommonOptions.Threads();
        Option<bool> force = CommonOptions.Force();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("compress", "Makes a compressed model of a safetensors model or of a file of TorchSharp's: without loss, or quantised.")
        {
            input, output, level, bits, step, target, perChannel, rateDistortion, include, exclude, threads, force, json,
        };
        command.SetAction((parsed, stop) =>
        {
            string source = parsed.GetRequiredValue(input);
            bool isJson = parsed.GetValue(json);
            return Task.Run(
                () => Run(
                    source,
                    parsed.GetValue(output) ?? Paths.Derived(source, Paths.Model),
                    progress => new ModelConversionOptions
                    {
                        Level = parsed.GetValue(level),
                        Bits = parsed.GetValue(bits),
                        StepSize = parsed.GetValue(step),
                        TargetBytes = parsed.GetValue(target),
                        PerChannel = parsed.GetValue(perChannel),
                        RateDistortion = parsed.GetValue(rateDistortion),
                        Include = parsed.GetValue(include) ?? [],
                        Exclude = parsed.GetValue(exclude) ?? [],
                        MaxDegreeOfParallelism = parsed.GetValue(threads),
                        Progress = progress,
                    },
                    parsed.GetValue(force),
                    isJson,
                    stop),
                CancellationToken.None);
        });
        return command;
    }

    private static int Run(string input, string output, Func<IProgress<double>, ModelConversionOptions> options, bool force, bool isJson, CancellationToken cancellationToken)
    {
        Paths.CheckInput(input);
        Paths.CheckDifferent(input, output);
        Paths.CheckOutput(output, force);
        CheckOptions(options(new Progress<double>()));
        using SourceModel source = SourceModel.Open(input);
        long start = Stopwatch.GetTimestamp();
        CompressionReport report = WorkProgress.Run(
            "compressing", source.ByteLength, !isJson, progress => source.Compress(output, options(progress), cancellationToken));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (isJson)
        {
            Output.Json(writer =>
            {
                writer.WriteString("file", output);
                writer.WriteNumber("originalBytes", report.OriginalBytes);
                writer.WriteNumber("fileBytes", report.TotalBytes);
                writer.WriteNumber("tensors", report.Tensors.Count);
                writer.WriteNumber("seconds", seconds);
            });
        }
        else
        {
            Output.Line($"{output}: {Output.Bytes(report.OriginalBytes)} bytes -> {Output.Bytes(report.TotalBytes)} bytes, {Output.Ratio(report.OriginalBytes, report.TotalBytes)}, in {seconds:F1} s ({report.OriginalBytes / 1e6 / seconds:F0} MB/s).");
        }

        return ExitCode.Success;
    }

    // What the library would say in its own words, in the words of the command line.
    private static void CheckOptions(ModelConversionOptions options)
    {
        bool[] ways = [options.Bits is not null, options.StepSize is not null, options.TargetBytes is not null];
        if (ways.Count(way => way) > 1)
            throw new ToolException(ExitCode.Usage, "Give only one of --bits, --step and --target-bytes.");
        if (ways.All(way => !way) && (options.PerChannel || options.RateDistortion > 0 || options.Include.Count > 0 || options.Exclude.Count > 0))
            throw new ToolException(ExitCode.Usage, "--per-channel, --rate-distortion, --include and --exclude say how to quantise: add --bits, --step or --target-bytes.");
        if (options.PerChannel && options.StepSize is not null)
            throw new ToolException(ExitCode.Usage, "--step is one step for all: leave --per-channel away, or use --bits.");
    }
}
