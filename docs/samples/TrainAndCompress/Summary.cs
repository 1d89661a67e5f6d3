using System.Globalization;
using NeuralCompression;
using Spectre.Console;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TrainAndCompress;

/// <summary>The table at the end, and the line for scripts.</summary>
internal static class Summary
{
    /// <returns>The exit code: 0 where the second process gave the same answers.</returns>
    public static int Print(DemoOptions options, Module<Tensor, Tensor> teacher, Module network, long fileBytes, Tensor here, Tensor there, IdxDataSet data)
    {
        var culture = CultureInfo.InvariantCulture;
        long originalBytes = 4 * network.ParameterCount();
        double ratio = (double)originalBytes / fileBytes;
        double errorHere = Evaluation.ErrorPercent(here, data.Test.Labels);
        double errorThere = Evaluation.ErrorPercent(there, data.Test.Labels);
        bool equal = Evaluation.SameBits(here, there);

        AnsiConsole.Write(new Table().RoundedBorder().BorderColor(Color.Grey).HideHeaders()
            .AddColumn("").AddColumn(new TableColumn("").RightAligned())
            .AddRow("float32 weights", string.Create(culture, $"{originalBytes:n0} bytes"))
            .AddRow("compressed file", string.Create(culture, $"[bold]{fileBytes:n0} bytes[/]"))
            .AddRow("ratio", string.Create(culture, $"[bold]{ratio:f1}[/]"))
            .AddRow("test error, dense network", string.Create(culture, $"{Evaluation.ErrorPercent(teacher, data.Test):f2} %"))
            .AddRow("test error, quantised in memory", string.Create(culture, $"{errorHere:f2} %"))
            .AddRow("test error, loaded in a second process", string.Create(culture, $"[bold]{errorThere:f2} %[/]"))
            .AddRow("same answers to all test images", equal ? "yes, bit for bit" : "[red]no[/]"));
        Console.WriteLine($"{options.ModelFile}  {options.PlotFile}");
        Console.WriteLine(string.Create(culture,
            $"RESULT error={errorThere:f2} bytes={fileBytes} ratio={ratio:f1} equal={(equal ? "true" : "false")} " +
            $"loss={Flag("loss")} noise={Flag("noise")} mapping={Flag("mapping")} initializer={Flag("initializer")}"));
        return equal ? 0 : 1;

        int Flag(string piece) => options.Uses(piece) ? 1 : 0;
    }
}
