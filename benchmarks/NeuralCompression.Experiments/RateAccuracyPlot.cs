using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Experiments;

/// <summary>Test error over the size of the file, one panel a network: what was published, and what the runs reached.</summary>
internal static class RateAccuracyPlot
{
    private const int Width = 1500;
    private const int Height = 640;

    private static readonly Dictionary<string, Color> Colors = new()
    {
        ["published"] = Color.FromHex("#7b8794"),
        ["faithful mode (3 seeds)"] = Color.FromHex("#1864ab"),
        ["recipe (3 seeds)"] = Color.FromHex("#d9480f"),
        ["recipe (1 seed)"] = Color.FromHex("#d9480f"),
        ["sweep (1 seed)"] = Color.FromHex("#f59f00"),
    };

    private sealed record Point(string Network, string Series, double Bytes, double Error, string Label);

    /// <param name="table">CSV with a line of names: network, series, bytes, error in percent, label.</param>
    /// <param name="picture">PNG.</param>
    public static void Save(string table, string picture)
    {
        List<Point> points = [.. File.ReadLines(table).Skip(1).Select(line => line.Split(','))
            .Select(f => new Point(f[0], f[1], Number(f[2]), Number(f[3]), f[4]))];
        // A new one has an empty panel.
        var panels = new Multiplot();
        panels.RemovePlot(panels.GetPlot(0));
        foreach (var network in points.GroupBy(p => p.Network))
            panels.AddPlot(Panel(network.Key, [.. network]));
        panels.Layout = new ScottPlot.MultiplotLayouts.Columns();
        panels.Render(Width, Height).SavePng(picture);
    }

    private static Plot Panel(string network, Point[] points)
    {
        var plot = new Plot();
        foreach (var series in points.GroupBy(p => p.Series))
        {
            Point[] sorted = [.. series.OrderBy(p => p.Bytes)];
            var marks = plot.Add.Scatter(sorted.Select(p => Math.Log10(p.Bytes)).ToArray(), sorted.Select(p => p.Error).ToArray(), Colors[series.Key]);
            marks.LineWidth = series.Key.StartsWith("sweep", StringComparison.Ordinal) ? 1.5f : 0;
            marks.MarkerSize = 9;
            marks.LegendText = series.Key;
        }

        foreach (var point in points.Where(p => p.Label.Length > 0))
        {
            var text = plot.Add.Text(point.Label, Math.Log10(point.Bytes), point.Error);
            (text.LabelFontSize, text.LabelFontColor, text.LabelAlignment) = (12, Colors["published"], Alignment.LowerCenter);
            text.OffsetY = -8;
        }

        double[] ticks = [1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 40_000];
        plot.Axes.Bottom.TickGenerator = new NumericManual(ticks.Select(Math.Log10).ToArray(), ticks.Select(t => t.ToString("N0", CultureInfo.InvariantCulture)).ToArray());
        plot.Axes.SetLimitsX(Math.Log10(900), Math.Log10(90_000));
        plot.Axes.SetLimitsY((Math.Floor(10 * points.Min(p => p.Error)) / 10) - 0.1, points.Max(p => p.Error) + 0.25);
        plot.Title(network);
        plot.XLabel("size of the whole file, bytes");
        plot.YLabel("test error, %");
        plot.ShowLegend(Alignment.UpperRight);
        return plot;
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
