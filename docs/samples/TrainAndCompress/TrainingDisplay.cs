using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace TrainAndCompress;

/// <summary>A live table in a terminal; a plain line every few epochs anywhere else, such as the log of a build server.</summary>
internal static class TrainingDisplay
{
    private const int PlainLines = 10;
    private const int BarWidth = 24;

    /// <summary>Runs <paramref name="train"/>, which reports every epoch; keeps and returns the reports.</summary>
    public static List<EpochReport> Show(string title, int epochs, Action<Action<EpochReport>> train)
    {
        var reports = new List<EpochReport>();
        var clock = Stopwatch.StartNew();
        if (Console.IsOutputRedirected || !AnsiConsole.Profile.Capabilities.Interactive)
        {
            int every = Math.Max(1, epochs / PlainLines);
            train(report =>
            {
                reports.Add(report);
                if (report.Epoch % every == 0 || report.Epoch == epochs)
                    Console.WriteLine(Line(title, epochs, report, TimeLeft(clock, epochs, report)));
            });
            return reports;
        }

        AnsiConsole.Live(Frame(title, epochs, null, TimeSpan.Zero)).Start(live => train(report =>
        {
            reports.Add(report);
            live.UpdateTarget(Frame(title, epochs, report, TimeLeft(clock, epochs, report)));
        }));
        return reports;
    }

    private static string Line(string title, int epochs, EpochReport report, TimeSpan left) => string.Create(
        CultureInfo.InvariantCulture,
        $"{title,-8}  epoch {report.Epoch,3} of {epochs}  loss {report.Loss:f4}  validation error {report.ValidationError:f2} %{Size(report)}  {left:m\\:ss} left");

    private static string Size(EpochReport report) => report is { Sparsity: { } sparsity, Bytes: { } bytes }
        ? string.Create(CultureInfo.InvariantCulture, $"  zeros {100 * sparsity:f2} %  about {bytes:n0} bytes")
        : "";

    private static Table Frame(string title, int epochs, EpochReport? report, TimeSpan left)
    {
        var culture = CultureInfo.InvariantCulture;
        int done = BarWidth * (report?.Epoch ?? 0) / epochs;
        return new Table().RoundedBorder().BorderColor(Color.Grey)
            .AddColumn($"[bold]{title,-8}[/]")
            .AddColumn(new TableColumn("loss").RightAligned())
            .AddColumn(new TableColumn("valid. error").RightAligned())
            .AddColumn(new TableColumn("zeros").RightAligned())
            .AddColumn(new TableColumn("bytes").RightAligned())
            .AddColumn(new TableColumn("left").RightAligned())
            .AddRow(
                $"[green]{new string('━', done)}[/][grey]{new string('━', BarWidth - done)}[/] {report?.Epoch ?? 0}/{epochs}",
                report?.Loss.ToString("f4", culture) ?? "",
                report is null ? "" : report.ValidationError.ToString("f2", culture) + " %",
                report?.Sparsity is { } sparsity ? (100 * sparsity).ToString("f1", culture) + " %" : "",
                report?.Bytes?.ToString("n0", culture) ?? "",
                report is null ? "" : left.ToString("m\\:ss", culture));
    }

    private static TimeSpan TimeLeft(Stopwatch clock, int epochs, EpochReport report) =>
        clock.Elapsed / report.Epoch * (epochs - report.Epoch);
}
