using System.CommandLine;
using System.Text.Json;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Commands;

/// <summary>ncm info: what a file holds, from its index alone.</summary>
internal static class InfoCommand
{
    internal static Command Create()
    {
        Argument<string> model = CommonOptions.Model();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("info", "Shows the tensors of a compressed model: shapes, types, coders, bits per weight and bytes; or what an update (.ncmu) changes, and of which base. Decodes nothing.") { model, json };
        command.SetAction((parsed, _) => Task.FromResult(Run(parsed.GetRequiredValue(model), parsed.GetValue(json))));
        return command;
    }

    private static int Run(string path, bool isJson)
    {
        if (UpdateFiles.IsUpdate(path))
            return UpdateReport.Show(path, isJson);
        using ModelFile file = ModelFile.Open(path);
        long original = file.Tensors.Where(tensor => tensor.AliasOf is null).Aggregate(0L, (sum, tensor) => (long)Math.Min((ulong)sum + (ulong)tensor.DecodedBytes, long.MaxValue));
        long payloads = file.Tensors.Where(tensor => tensor.AliasOf is null).Sum(tensor => tensor.StoredBytes);
        if (isJson)
        {
            Output.Json(writer =>
            {
                writer.WriteString("file", path);
                writer.WriteNumber("files", file.FileCount);
                writer.WriteNumber("fileBytes", file.FileBytes);
                writer.WriteNumber("originalBytes", original);
                writer.WriteNumber("payloadBytes", payloads);
                writer.WriteStartObject("metadata");
                foreach ((string key, string value) in file.Metadata)
                    writer.WriteString(key, value);
                writer.WriteEndObject();
                writer.WriteStartArray("tensors");
                foreach (CompressedTensorInfo tensor in file.Tensors)
                    Write(writer, tensor);
                writer.WriteEndArray();
            });
            return ExitCode.Success;
        }

        Output.Table(
            ["name", "shape", "type", "coding", "grid", "bytes", "stored", "bits/weight"],
            file.Tensors.Select(tensor => new[]
            {
                tensor.Name,
                $"[{string.Join(", ", tensor.Shape.ToArray())}]",
                tensor.ElementType.ToString(),
                tensor.AliasOf is null ? tensor.Coding : $"alias of {tensor.AliasOf}",
                Grid(tensor),
                Output.Bytes(tensor.DecodedBytes),
                tensor.AliasOf is null ? Output.Bytes(tensor.StoredBytes) : "0",
                $"{BitsPerWeight(tensor):F3}",
            }),
            leftColumns: 5);
        foreach ((string key, string value) in file.Metadata)
            Output.Line(Output.Printable($"{key} = {(value.Length > 200 ? $"{value[..200]}... ({value.Length:N0} characters)" : value)}"));
        Output.Line($"{file.Tensors.Count:N0} tensors, {Output.Bytes(original)} bytes -> {Output.Bytes(file.FileBytes)} bytes in {(file.FileCount == 1 ? "one file" : $"{file.FileCount} files")}, "
            + $"{Output.Ratio(original, file.FileBytes)}; index and checksums {Output.Bytes(file.FileBytes - payloads)} bytes");
        return ExitCode.Success;
    }

    internal static double BitsPerWeight(CompressedTensorInfo tensor) => tensor.Length == 0 || tensor.AliasOf is not null ? 0 : 8.0 * tensor.StoredBytes / tensor.Length;

    private static string Grid(CompressedTensorInfo tensor) => tensor.Grid?.Kind switch
    {
        null => "lossless",
        QuantizationGridKind.Uniform => $"step {tensor.Grid.StepSize:G4}",
        QuantizationGridKind.PerChannel => $"{tensor.Grid.StepSizes.Length} steps, axis {tensor.Grid.Axis}",
        _ => $"codebook of {tensor.Grid.Values.Length}",
    };

    private static void Write(Utf8JsonWriter writer, CompressedTensorInfo tensor)
    {
        writer.WriteStartObject();
        writer.WriteString("name", tensor.Name);
        writer.WriteStartArray("shape");
        foreach (long length in tensor.Shape)
            writer.WriteNumberValue(length);
        writer.WriteEndArray();
        writer.WriteString("type", tensor.ElementType.ToString());
        writer.WriteString("coding", tensor.Coding);
        writer.WriteString("grid", tensor.Grid?.Kind.ToString());
        if (tensor.Grid?.Kind == QuantizationGridKind.Uniform)
            writer.WriteNumber("step", tensor.Grid.StepSize);
        if (tensor.IsQuantized)
        {
            writer.WriteNumber("minSymbol", tensor.MinSymbol);
            writer.WriteNumber("maxSymbol", tensor.MaxSymbol);
        }

        writer.WriteString("aliasOf", tensor.AliasOf);
        writer.WriteNumber("segments", tensor.SegmentCount);
        writer.WriteNumber("originalBytes", tensor.DecodedBytes);
        writer.WriteNumber("storedBytes", tensor.AliasOf is null ? tensor.StoredBytes : 0);
        writer.WriteNumber("bitsPerWeight", BitsPerWeight(tensor));
        writer.WriteEndObject();
    }
}
