using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NeuralCompression.TrainingBenchmarks;

/// <summary>Where the time of one step goes: the parts of a plain step and of a step with a session, in turns.</summary>
internal static class StepParts
{
    private const int BatchSize = 128;
    private const int WarmUp = 300;
    private static readonly string[] Names = ["zero_grad", "open", "forward", "loss term", "backward", "close", "step", "disposal"];

    public static void Run(string network, string kind, int steps)
    {
        set_num_threads(1);
        using var input = rand(BatchSize, 1, 28, 28);
        using var labels = randint(0, 10, BatchSize, int64);
        using var plainModel = Networks.Create(network);
        using var model = Networks.Create(network);
        using var session = new CompressionSession(model, StepCost.Options(kind));
        using var plainOptimizer = optim.Adam(plainModel.parameters(), 1e-4);
        using var optimizer = optim.Adam(session.Parameters(), 1e-4);
        var plainTimes = new double[Names.Length, steps];
        var times = new double[Names.Length, steps];
        for (int i = -WarmUp; i < steps; i++)
        {
            Step(plainModel, null, plainOptimizer, input, labels, plainTimes, Math.Max(i, 0));
            Step(model, session, optimizer, input, labels, times, Math.Max(i, 0));
            if (i % 50 == 0)
            {
                GC.Collect(0);
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{network}, {kind}, batch {BatchSize}, 1 thread and its processor time, median of {steps} steps, ms"));
        for (int p = 0; p < Names.Length; p++)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {Names[p],-10} plain {Median(plainTimes, p),6:f3}  session {Median(times, p),6:f3}"));
        }
    }

    private static double Median(double[,] times, int part) =>
        Enumerable.Range(0, times.GetLength(1)).Select(i => times[part, i]).Order().ElementAt(times.GetLength(1) / 2);

    private static void Step(
        Module<Tensor, Tensor> model, CompressionSession? session, optim.Optimizer optimizer, Tensor input, Tensor labels, double[,] times, int index)
    {
        var scope = NewDisposeScope();
        double last = ThreadClock.Milliseconds;
        optimizer.zero_grad();
        Lap(0);
        var step = session?.BeginStep();
        Lap(1);
        var task = functional.cross_entropy(model.call(input), labels);
        Lap(2);
        var objective = session is null ? task : task + session.Loss();
        Lap(3);
        objective.backward();
        Lap(4);
        step?.Dispose();
        Lap(5);
        if (session is null)
        {
            optimizer.step();
        }
        else
        {
            session.Step(optimizer);
        }

        Lap(6);
        scope.Dispose();
        Lap(7);

        void Lap(int part)
        {
            double now = ThreadClock.Milliseconds;
            times[part, index] = now - last;
            last = now;
        }
    }
}
