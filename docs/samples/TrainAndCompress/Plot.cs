using System.Globalization;
using ScottPlot;
using ScottPlot.MultiplotLayouts;
using ScottPlot.TickGenerators;
using SkiaSharp;
using static TorchSharp.torch.nn;

namespace TrainAndCompress;

/// <summary>All weights of one layer, before and after.</summary>
internal sealed record LayerWeights(string Name, float[] Before, float[] After);

/// <summary>One picture: what happened to the weights of every layer, and how size and error went over the epochs.</summary>
internal static class Plot
{
    private const int Width = 1600, Height = 1050;
    private const int Bins = 80;

    // Where histograms begin, as a power of ten: below one, so that a single weight is still seen.
    private const double Floor = -0.2;

    private static readonly string FontName = FindFont();

    private static readonly ScottPlot.Color Ink = ScottPlot.Color.FromHex("#1f2933");
    private static readonly ScottPlot.Color Faint = ScottPlot.Color.FromHex("#7b8794");
    private static readonly ScottPlot.Color GridLine = ScottPlot.Color.FromHex("#e4e7eb");
    private static readonly ScottPlot.Color BeforeColor = ScottPlot.Color.FromHex("#a6c8e4");
    private static readonly ScottPlot.Color AfterColor = ScottPlot.Color.FromHex("#d9480f");
    private static readonly ScottPlot.Color CurveColor = ScottPlot.Color.FromHex("#1864ab");

    /// <param name="path">The picture, PNG.</param>
    /// <param name="before">The network as it was trained.</param>
    /// <param name="after">The network as it was saved.</param>
    /// <param name="training">One report an epoch.</param>
    /// <param name="teacherError">Validation error of <paramref name="before"/>, percent.</param>
    /// <param name="schedule">Says when the zeros were frozen.</param>
    /// <param name="fileBytes">Size of the file.</param>
    /// <remarks>Writes beside the target first, so that a stopped run leaves no half picture.</remarks>
    public static void Save(
        string path, Module before, Module after, IReadOnlyList<EpochReport> training, double teacherError, Schedule schedule, long fileBytes)
    {
        var layers = Layers(before, after);
        long originalBytes = 4 * after.ParameterCount();
        double freezeEpoch = schedule.FreezeAt * training.Count;

        var picture = new Multiplot();
        var layout = new CustomGrid();
        picture.Layout = layout;

        // The lower row has two pictures, the upper one as many as there are layers; twice that many columns fit both.
        for (int i = 0; i < layers.Count; i++)
            Add(Histogram(layers[i], withLegend: i == layers.Count - 1), new GridCell(0, i, 2, layers.Count));
        Add(SizeOverEpochs(training, freezeEpoch, originalBytes, fileBytes), new GridCell(1, 0, 2, 2));
        Add(ErrorOverEpochs(training, freezeEpoch, teacherError), new GridCell(1, 1, 2, 2));

        string unfinished = path + ".unfinished";
        picture.Render(Width, Height).SavePng(unfinished);
        File.Move(unfinished, path, overwrite: true);

        void Add(ScottPlot.Plot plot, GridCell cell)
        {
            picture.AddPlot(plot);
            layout.Set(plot, cell);
        }
    }

    private static List<LayerWeights> Layers(Module before, Module after)
    {
        var old = before.state_dict();
        return [.. from parameter in after.named_parameters()
                   where parameter.parameter.dim() > 1
                   select new LayerWeights(
                       parameter.name.Replace(".weight", "", StringComparison.Ordinal),
                       old[parameter.name].data<float>().ToArray(),
                       parameter.parameter.data<float>().ToArray())];
    }

    /// <summary>Blue: the weights before, in bins. Orange: the few values that are left, each with its count.</summary>
    private static ScottPlot.Plot Histogram(LayerWeights layer, bool withLegend)
    {
        var after = layer.After.CountBy(value => value).OrderBy(pair => pair.Key).ToList();
        double limit = 1.2 * Math.Max(after.Max(pair => Math.Abs(pair.Key)), layer.Before.Max(Math.Abs));
        double binWidth = 2 * limit / Bins;

        var plot = NewPlot();
        plot.Title($"{layer.Name}: {layer.After.Count(value => value != 0):n0} of {layer.After.Length:n0} left");
        plot.XLabel("weight");
        plot.YLabel("count");

        var before = layer.Before.CountBy(value => Math.Floor(value / binWidth)).ToList();
        var beforeBars = plot.Add.Bars(before.Select(bin => new Bar
        {
            Position = (bin.Key + 0.5) * binWidth,
            Value = Math.Log10(bin.Value),
            ValueBase = Floor,
            Size = binWidth,
            FillColor = BeforeColor,
            LineWidth = 0,
        }).ToArray());

        var afterBars = plot.Add.Bars(after.Select(level => new Bar
        {
            Position = level.Key,
            Value = Math.Log10(level.Value),
            ValueBase = Floor,
            Size = binWidth * 0.9,
            FillColor = AfterColor,
            LineWidth = 0,
            Label = after.Count <= 9 ? level.Value.ToString("n0", CultureInfo.InvariantCulture) : "",
        }).ToArray());
        afterBars.ValueLabelStyle.FontSize = 15;
        afterBars.ValueLabelStyle.ForeColor = AfterColor;

        UseLogTicks(plot.Axes.Left, stepsPerDecade: [1]);
        plot.Axes.SetLimits(-limit, limit, Floor, Math.Log10(layer.After.Length) + (withLegend ? 1.5 : 0.9));
        if (withLegend)
        {
            beforeBars.LegendText = "before, float32";
            afterBars.LegendText = "after";
            plot.ShowLegend(Alignment.UpperRight);
        }
        return plot;
    }

    private static ScottPlot.Plot SizeOverEpochs(IReadOnlyList<EpochReport> training, double freezeEpoch, long originalBytes, long fileBytes)
    {
        var plot = NewPlot();
        plot.Title($"{fileBytes:n0} bytes, {(double)originalBytes / fileBytes:f0} times smaller than float32");
        plot.XLabel("epoch");
        plot.YLabel("estimated size in bytes");

        double[] sizes = [.. training.Select(report => Math.Log10(Math.Max(1, report.Bytes ?? 0)))];
        AddCurve(plot, training, sizes);
        double file = Math.Log10(fileBytes);
        AddLevel(plot, file, "the file");
        double top = Math.Max(sizes.Max(), file), bottom = Math.Min(sizes.Min(), file);
        Finish(plot, training.Count, freezeEpoch, bottom - 0.15 * (top - bottom) - 0.05, top + 0.15 * (top - bottom) + 0.05);
        UseLogTicks(plot.Axes.Left, stepsPerDecade: [1, 2, 5]);
        return plot;
    }

    private static ScottPlot.Plot ErrorOverEpochs(IReadOnlyList<EpochReport> training, double freezeEpoch, double teacherError)
    {
        var plot = NewPlot();
        plot.Title("Error on the validation images");
        plot.XLabel("epoch");
        plot.YLabel("percent");

        double[] errors = [.. training.Select(report => report.ValidationError)];
        AddCurve(plot, training, errors);
        AddLevel(plot, teacherError, "the dense network");

        // The first epochs may be far off; they must not flatten the rest.
        double top = Math.Max(teacherError, errors.Skip(errors.Length / 10).Max()) * 1.15;
        Finish(plot, training.Count, freezeEpoch, 0, top);
        plot.Axes.Left.TickGenerator = new NumericAutomatic { TickDensity = 0.5 };
        return plot;
    }

    private static void AddCurve(ScottPlot.Plot plot, IReadOnlyList<EpochReport> training, double[] values)
    {
        var curve = plot.Add.Scatter([.. training.Select(report => (double)report.Epoch)], values);
        curve.LineWidth = 3;
        curve.MarkerSize = training.Count > 1 ? 0 : 8;
        curve.Color = CurveColor;
    }

    private static void AddLevel(ScottPlot.Plot plot, double value, string text)
    {
        plot.Add.HorizontalLine(value, 2, AfterColor, LinePattern.Dashed);
        var label = plot.Add.Text(text, 1, value);
        label.LabelFontSize = 16;
        label.LabelFontColor = AfterColor;
        label.LabelAlignment = Alignment.UpperLeft;
        label.OffsetX = 8;
        label.OffsetY = 4;
    }

    private static void Finish(ScottPlot.Plot plot, int epochs, double freezeEpoch, double bottom, double top)
    {
        plot.Add.VerticalLine(freezeEpoch, 1, Faint, LinePattern.Dotted);
        var label = plot.Add.Text("zeros frozen", freezeEpoch, top);
        label.LabelFontSize = 16;
        label.LabelFontColor = Faint;
        label.LabelAlignment = Alignment.UpperRight;
        label.OffsetX = -6;
        label.OffsetY = 4;
        plot.Axes.Bottom.TickGenerator = new NumericAutomatic { IntegerTicksOnly = true };
        plot.Axes.SetLimits(1, Math.Max(2, epochs), bottom, top);
    }

    private static ScottPlot.Plot NewPlot()
    {
        var plot = new ScottPlot.Plot();
        plot.Font.Set(FontName);
        plot.FigureBackground.Color = Colors.White;
        plot.Axes.Color(Ink);
        plot.Axes.Title.Label.FontSize = 20;
        plot.Axes.Title.Label.Bold = true;
        plot.Axes.Left.Label.FontSize = plot.Axes.Bottom.Label.FontSize = 17;
        plot.Axes.Left.Label.Bold = plot.Axes.Bottom.Label.Bold = false;
        plot.Axes.Left.TickLabelStyle.FontSize = plot.Axes.Bottom.TickLabelStyle.FontSize = 15;
        plot.Axes.Right.FrameLineStyle.Width = plot.Axes.Top.FrameLineStyle.Width = 0;
        plot.Layout.Fixed(new PixelPadding(left: 112, right: 24, bottom: 75, top: 60));
        plot.Grid.MajorLineColor = GridLine;
        plot.Grid.XAxisStyle.IsVisible = false;
        plot.Legend.FontSize = 16;
        plot.Legend.OutlineWidth = 0;
        plot.Legend.ShadowColor = Colors.Transparent;
        return plot;
    }

    // The axis holds log10, because ScottPlot's axes are linear.
    private static void UseLogTicks(IAxis axis, int[] stepsPerDecade)
    {
        var ticks = new NumericManual();
        for (int exponent = 0; exponent <= 9; exponent++)
        {
            double decade = Math.Pow(10, exponent);
            foreach (int step in stepsPerDecade)
                ticks.AddMajor(Math.Log10(step * decade), (step * decade).ToString("n0", CultureInfo.InvariantCulture));
            for (int step = 2; step <= 9; step++)
                ticks.AddMinor(Math.Log10(step * decade));
        }
        axis.TickGenerator = ticks;
    }

    // The first that this machine has; what the system calls its default is often a serif face.
    private static string FindFont()
    {
        var installed = SKFontManager.Default.FontFamilies.ToHashSet();
        return new[] { "Inter", "Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans", "Liberation Sans", "Arial" }
            .FirstOrDefault(installed.Contains, Fonts.Default);
    }
}
