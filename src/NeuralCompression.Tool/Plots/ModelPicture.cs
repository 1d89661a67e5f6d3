using ScottPlot;
using ScottPlot.MultiplotLayouts;
using ScottPlot.TickGenerators;
using SkiaSharp;

namespace NeuralCompression.Tool.Plots;

/// <summary>One picture: bytes for each tensor, zeros for each tensor, and the weights of the largest tensors.</summary>
internal static class ModelPicture
{
    private const int Width = 1600;
    private const int RowHeight = 24;
    private const int HistogramHeight = 420;

    // More bars than this are a list, not a picture; the rest is one bar.
    private const int MaxBars = 30;
    private const int Histograms = 4;
    private const int Bins = 81;
    private const int NameLetters = 34;

    private static readonly ScottPlot.Color Ink = ScottPlot.Color.FromHex("#1f2933");
    private static readonly ScottPlot.Color GridLine = ScottPlot.Color.FromHex("#e4e7eb");
    private static readonly ScottPlot.Color Blue = ScottPlot.Color.FromHex("#1864ab");
    private static readonly ScottPlot.Color Orange = ScottPlot.Color.FromHex("#d9480f");
    private static readonly string[] PreferredFonts = ["Inter", "Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans", "Liberation Sans", "Arial"];
    private static readonly string FontName = FindFont();

    /// <returns>The picture, PNG.</returns>
    internal static byte[] Draw(IReadOnlyList<LayerStatistics> layers, string title, long fileBytes)
    {
        List<LayerStatistics> largest = [.. layers.OrderByDescending(layer => layer.StoredBytes).ThenByDescending(layer => layer.Length).Take(MaxBars)];
        long shown = largest.Sum(layer => layer.StoredBytes);
        var names = largest.Select(layer => Short(layer.Name)).ToList();
        var bytes = largest.Select(layer => (double)layer.StoredBytes).ToList();
        List<double> zeros = [.. largest.Select(layer => 100 * layer.Sparsity)];
        names.Add(layers.Count > largest.Count ? $"{layers.Count - largest.Count} others, index" : "index");
        bytes.Add(fileBytes - shown);

        var picture = new Multiplot();
        var layout = new CustomGrid();
        picture.Layout = layout;
        int barHeight = (RowHeight * names.Count) + 140;
        int rows = (barHeight + HistogramHeight) / 20;
        int barRows = barHeight / 20;
        Add(Bars(names, bytes, $"{title}: where {fileBytes:N0} bytes go", "bytes", Blue, null), new GridCell(0, 0, rows, 2, barRows, 1));
        Add(Bars(names[..^1], zeros, "share of zeros", "percent", Orange, 100), new GridCell(0, 1, rows, 2, barRows, 1));
        List<LayerStatistics> drawn = [.. largest.OrderByDescending(layer => layer.Length).Where(layer => layer.Sample.Length > 1).Take(Histograms)];
        for (int i = 0; i < drawn.Count; i++)
            Add(Histogram(drawn[i]), new GridCell(barRows, i, rows, drawn.Count, rows - barRows, 1));
        return picture.Render(Width, drawn.Count > 0 ? barHeight + HistogramHeight : barHeight).GetImageBytes(ImageFormat.Png);

        void Add(Plot plot, GridCell cell)
        {
            picture.AddPlot(plot);
            layout.Set(plot, cell);
        }
    }

    // The first at the top.
    private static Plot Bars(List<string> names, List<double> values, string title, string unit, ScottPlot.Color color, double? limit)
    {
        Plot plot = NewPlot(title, left: 270);
        var bars = plot.Add.Bars(values.Select((value, i) => new Bar { Position = values.Count - 1 - i, Value = value, Size = 0.75, FillColor = color, LineWidth = 0, Label = value.ToString("N0", null) }).ToArray());
        bars.Horizontal = true;
        bars.ValueLabelStyle.FontSize = 13;
        bars.ValueLabelStyle.ForeColor = Ink;
        var ticks = new NumericManual();
        for (int i = 0; i < names.Count; i++)
            ticks.AddMajor(values.Count - 1 - i, names[i]);
        plot.Axes.Left.TickGenerator = ticks;
        plot.XLabel(unit);
        plot.Axes.Bottom.TickGenerator = new NumericAutomatic { TickDensity = 0.5, LabelFormatter = value => value.ToString("N0", null) };
        plot.Axes.SetLimits(0, limit is double most ? most * 1.12 : Math.Max(1, values.Max()) * 1.18, -0.7, values.Count - 0.3);
        plot.Grid.YAxisStyle.IsVisible = false;
        return plot;
    }

    // Zeros would hide all else: they stand in the title, and the axis of counts goes by square roots.
    private static Plot Histogram(LayerStatistics layer)
    {
        Plot plot = NewPlot($"{Short(layer.Name)}\n{layer.Length:N0} weights, {layer.Sparsity:P1} zero", left: 80);
        double limit = Math.Max(layer.Sample.Max(Math.Abs), float.Epsilon * 1e3);
        double width = 2 * limit / Bins;
        var counts = new int[Bins];
        foreach (float value in layer.Sample)
            counts[Math.Clamp((int)((value + limit) / width), 0, Bins - 1)]++;
        plot.Add.Bars(counts.Select((count, i) => (count, i)).Where(bin => bin.count > 0).Select(bin => new Bar
        {
            Position = ((bin.i + 0.5) * width) - limit,
            Value = 100 * Math.Sqrt((double)bin.count / layer.Sample.Length),
            Size = width,
            FillColor = Blue,
            LineWidth = 0,
        }).ToArray());
        double top = counts.Max() / (double)layer.Sample.Length;
        var ticks = new NumericManual();
        foreach (double percent in (double[])[0.1, 1, 5, 20, 50, 100])
            ticks.AddMajor(100 * Math.Sqrt(percent / 100), $"{percent} %");
        plot.Axes.Left.TickGenerator = ticks;
        plot.XLabel("weight");
        plot.Axes.Bottom.TickGenerator = new NumericAutomatic { TickDensity = 0.4 };
        plot.Axes.SetLimits(-limit * 1.05, limit * 1.05, 0, 110 * Math.Sqrt(top));
        plot.Grid.XAxisStyle.IsVisible = false;
        return plot;
    }

    private static Plot NewPlot(string title, int left)
    {
        var plot = new Plot();
        plot.Font.Set(FontName);
        plot.FigureBackground.Color = Colors.White;
        plot.Axes.Color(Ink);
        plot.Title(title);
        plot.Axes.Title.Label.FontSize = 18;
        plot.Axes.Title.Label.Bold = true;
        plot.Axes.Bottom.Label.FontSize = 15;
        plot.Axes.Bottom.Label.Bold = false;
        plot.Axes.Left.TickLabelStyle.FontSize = plot.Axes.Bottom.TickLabelStyle.FontSize = 13;
        plot.Axes.Right.FrameLineStyle.Width = plot.Axes.Top.FrameLineStyle.Width = 0;
        plot.Layout.Fixed(new PixelPadding(left, right: 24, bottom: 65, top: 65));
        plot.Grid.MajorLineColor = GridLine;
        return plot;
    }

    // The end of a name tells layers apart, and so does its start.
    private static string Short(string name) => name.Length <= NameLetters ? name : $"{name[..12]}…{name[^(NameLetters - 13)..]}";

    // The first that this machine has; what the system calls its default is often a serif face.
    private static string FindFont()
    {
        var installed = SKFontManager.Default.FontFamilies.ToHashSet();
        return Array.Find(PreferredFonts, installed.Contains) ?? Fonts.Default;
    }
}
