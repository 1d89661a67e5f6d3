using System.CommandLine;
using System.Diagnostics;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Commands;

/// <summary>ncm verify: every checksum, every payload decoded, every end state.</summary>
internal static class VerifyCommand
{
    private const int PieceBytes = 16 << 20;

    internal static Command Create()
    {
        Argument<string> model = CommonOptions.Model();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("verify", "Decodes every tensor of a compressed model, or all that an update (.ncmu) stores, and checks everything there is to check; writes nothing.") { model, json };
        command.SetAction((parsed, stop) => Task.Run(() => Run(parsed.GetRequiredValue(model), parsed.GetValue(json), stop), CancellationToken.None));
        return command;
    }

    private static int Run(string path, bool isJson, CancellationToken cancellationToken)
    {
        if (UpdateFiles.IsUpdate(path))
            return UpdateReport.Verify(path, isJson, cancellationToken);
        using ModelFile file = ModelFile.Open(path);
        CompressedTensorInfo[] tensors = [.. file.Tensors.Where(tensor => tensor.AliasOf is null)];
        double total = Math.Max(1, tensors.Sum(tensor => (double)tensor.DecodedBytes));
        long start = Stopwatch.GetTimestamp();
        WorkProgress.Run("verifying", (long)Math.Min(total, long.MaxValue / 2), !isJson, progress =>
        {
            file.VerifyDigests(cancellationToken);
            double done = 0;
            byte[] piece = [];
            foreach (CompressedTensorInfo tensor in tensors)
            {
                int size = (int)(tensor.DecodedBytes / Math.Max(1, tensor.Length));

                // A constant tensor may be long beyond all measure; its one payload is checked once.
                long step = Math.Max(1, tensor.SegmentCount == 1 ? PieceBytes / Math.Max(1, size) : tensor.SegmentLength);
                for (long from = 0; from < tensor.Length; from += step)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    int bytes = (int)(Math.Min(step, tensor.Length - from) * size);
                    if (piece.Length < bytes)
                        piece = new byte[bytes];
                    file.ReaderOf(tensor).DecodeBytes(tensor, from, piece.AsSpan(0, bytes));
                    if (tensor.SegmentCount == 1 && tensor.Coding == "constant")
                        break;
                }

                done += tensor.DecodedBytes;
                progress.Report(done / total);
            }

            return true;
        });
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (isJson)
        {
            Output.Json(writer =>
            {
                writer.WriteString("file", path);
                writer.WriteBoolean("ok", true);
                writer.WriteNumber("tensors", file.Tensors.Count);
                writer.WriteNumber("fileBytes", file.FileBytes);
                writer.WriteNumber("decodedBytes", total);
                writer.WriteNumber("seconds", seconds);
            });
        }
        else
        {
            Output.Line($"{path}: good. {file.Tensors.Count:N0} tensors, {total:N0} bytes decoded in {seconds:F1} s ({total / 1e6 / seconds:F0} MB/s).");
        }

        return ExitCode.Success;
    }
}
