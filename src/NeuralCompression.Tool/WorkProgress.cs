using Spectre.Console;

namespace NeuralCompression.Tool;

/// <summary>Shows how far long work is, its rate and the time left, on standard error where that is a terminal.</summary>
internal static class WorkProgress
{
    /// <summary>Runs the work, which reports fractions from 0 to 1.</summary>
    /// <param name="what">A word for people.</param>
    /// <param name="bytes">What the whole work reads or writes, for the rate.</param>
    /// <param name="isShown">False for scripts.</param>
    /// <param name="work">The work.</param>
    internal static T Run<T>(string what, long bytes, bool isShown, Func<IProgress<double>, T> work)
    {
        if (!isShown || Console.IsErrorRedirected)
            return work(new Listener(_ => { }));
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                ProgressTask task = context.AddTask(what, maxValue: Math.Max(1, bytes));
                return work(new Listener(fraction => task.Value = fraction * bytes));
            });
    }

    private sealed class Listener(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
