using System.Diagnostics;
using System.Text.Json;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Commands;

/// <summary>What info and verify say of an update.</summary>
internal static class UpdateReport
{
    // As many as messages about a wrong base show.
    private const int DigestDigits = 16;

    internal static int Show(string path, bool isJson)
    {
        CompressedModelUpdateInfo update = UpdateFiles.ReadInfo(path);
        if (isJson)
        {
            Output.Json(writer => Write(writer, path, update));
            return ExitCode.Success;
        }

        Output.Table(
            ["tensor", "change", "coding", "stored"],
            update.Tensors.Select(tensor => new[]
            {
                tensor.Name ?? $"number {tensor.BasePosition} of the base",
                tensor.Operation.ToString().ToLowerInvariant(),
                tensor.Coding ?? "",
                Output.Bytes(tensor.StoredBytes),
            }),
            leftColumns: 3);
        Output.Line($"An update of the model whose content has the digest {update.BaseDigest[..DigestDigits]}..., to {update.ResultDigest}...: {Output.Bytes(update.TotalBytes)} bytes, {update.Tensors.Count:N0} tensors "
            + $"({Count(update, UpdateOperation.Unchanged):N0} unchanged, {Count(update, UpdateOperation.Difference):N0} as differences, {Count(update, UpdateOperation.Full):N0} in full). Make the model with ncm apply.");
        return ExitCode.Success;
    }

    internal static int Verify(string path, bool isJson, CancellationToken cancellationToken)
    {
        long bytes = UpdateFiles.ReadInfo(path).TotalBytes;
        long start = Stopwatch.GetTimestamp();
        CompressedModelUpdateInfo update = WorkProgress.Run(
            "verifying", bytes, !isJson, progress => UpdateFiles.InToolWords(path, () => CompressedModelUpdate.Verify(path, UpdateFiles.Options(1, progress), cancellationToken)));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (isJson)
        {
            Output.Json(writer =>
            {
                Write(writer, path, update);
                writer.WriteBoolean("ok", true);
                writer.WriteNumber("seconds", seconds);
            });
        }
        else
        {
            Output.Line($"{path}: good, as far as an update can be checked without its base ({update.BaseDigest[..DigestDigits]}...); ncm apply checks the rest. {Output.Bytes(bytes)} bytes in {seconds:F1} s.");
        }

        return ExitCode.Success;
    }

    private static int Count(CompressedModelUpdateInfo update, UpdateOperation operation) => update.Tensors.Count(tensor => tensor.Operation == operation);

    private static void Write(Utf8JsonWriter writer, string path, CompressedModelUpdateInfo update)
    {
        writer.WriteString("file", path);
        writer.WriteNumber("fileBytes", update.TotalBytes);
        writer.WriteString("baseDigest", update.BaseDigest);
        writer.WriteString("resultDigestStart", update.ResultDigest);
        writer.WriteBoolean("keepsMetadata", update.KeepsMetadata);
        writer.WriteStartArray("tensors");
        foreach (UpdatedTensorInfo tensor in update.Tensors)
        {
            writer.WriteStartObject();
            writer.WriteString("name", tensor.Name);
            writer.WriteNumber("basePosition", tensor.BasePosition);
            writer.WriteString("operation", tensor.Operation.ToString());
            writer.WriteString("coding", tensor.Coding);
            writer.WriteNumber("storedBytes", tensor.StoredBytes);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }
}
