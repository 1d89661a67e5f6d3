using System.CommandLine;
using NeuralCompression.Tool.Plots;

namespace NeuralCompression.Tool.Commands;

/// <summary>ncm plot: one picture of a compressed model.</summary>
internal static class PlotCommand
{
    internal static Command Create()
    {
        Argument<string> model = CommonOptions.Model();
        Option<string?> output = CommonOptions.Output("The picture to write; default: the model's name with .png.");
        Option<bool> force = CommonOptions.Force();
        var command = new Command("plot", "Draws where the bytes of a compressed model go, how its weights are distributed, and which share of each layer is zero (PNG).") { model, output, force };
        command.SetAction((parsed, stop) =>
        {
            string source = parsed.GetRequiredValue(model);
            return Task.Run(() => Run(source, parsed.GetValue(output) ?? Paths.Derived(source, ".png"), parsed.GetValue(force), stop), CancellationToken.None);
        });
        return command;
    }

    private static int Run(string input, string output, bool force, CancellationToken cancellationToken)
    {
        using ModelFile model = ModelFile.Open(input);
        Paths.CheckDifferent(input, output);
        Paths.CheckOutput(output, force);
        List<LayerStatistics> layers = WorkProgress.Run(
            "reading", model.FileBytes, isShown: true, progress => LayerStatistics.Of(model, progress, cancellationToken));
        if (layers.Count == 0)
            throw new ToolException(ExitCode.BadInput, $"'{input}' has no tensors to draw.");
        byte[] picture = ModelPicture.Draw(layers, Path.GetFileName(input), model.FileBytes);
        cancellationToken.ThrowIfCancellationRequested();
        string unfinished = $"{output}.{Path.GetRandomFileName()}.tmp";
        try
        {
            File.WriteAllBytes(unfinished, picture);
            File.Move(unfinished, output, overwrite: true);
        }
        finally
        {
            File.Delete(unfinished);
        }

        Output.Line($"{output}: {layers.Count:N0} tensors.");
        return ExitCode.Success;
    }
}
