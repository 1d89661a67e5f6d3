using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using NeuralCompression;
using NeuralCompression.Codec;
using TorchSharp;
using TorchSharp.Modules;
using TrainAndCompress;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

// How well a byte budget is met and what it costs: for every seed a fresh dense network, and from it a run with TargetBytes for every number given, all from the same rough guess of the strength, and one with a fixed
// strength for every @strength. Prints the rows of benchmarks/results/byte-budget.md, and at the end what a budget's error differs by from that of a fixed strength at the same size: interpolated between the two fixed runs
// of the same seed whose sizes enclose it.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args.Length < 4 || !Networks.Names.Contains(args[0]))
{
    Console.Error.WriteLine($"usage: NeuralCompression.Budget {string.Join('|', Networks.Names)} EPOCHS SEED,... TARGET_BYTES|@STRENGTH...");
    return 2;
}

set_num_threads(1);
using var data = IdxDataSet.Load(Path.Combine(AppContext.BaseDirectory, "data", "mnist"));
string[] runs = args[3..];
long[] targets = [.. runs.Where(r => r[0] != '@').Select(long.Parse)];
double[] strengths = [.. runs.Where(r => r[0] == '@').Select(r => double.Parse(r[1..]))];
var differences = targets.ToDictionary(t => t, _ => new List<double>());
var outcomes = targets.ToDictionary(t => t, _ => new List<Outcome>());
Console.WriteLine("| seed | run | target | file | of target | nearest levels | test error % | strength | zeros % | meter, % of the time |");
Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
foreach (int seed in args[2].Split(',').Select(int.Parse))
{
    var plan = new Plan(args[0], int.Parse(args[1]), seed);
    using var dense = plan.Pretrain(data);
    Console.WriteLine($"| {seed} | dense | | | | | {Plan.TestError(dense, data):F2} | | | |");
    Outcome[] curve = [.. strengths.Select(s => plan.Compress(data, dense, null, s)).OrderBy(o => o.Bytes)];
    foreach (long target in targets)
    {
        var outcome = plan.Compress(data, dense, target, Plan.Guess);
        outcomes[target].Add(outcome);
        if (Outcome.ErrorAt(curve, outcome.Bytes) is { } error)
        {
            differences[target].Add(outcome.Error - error);
        }
    }
}

Console.WriteLine();
Console.WriteLine("| target | seeds | mean file | mean test error % | points above fixed strength, mean | standard error | each |");
Console.WriteLine("|---|---|---|---|---|---|---|");
foreach (long target in targets)
{
    var each = differences[target];
    double mean = each.Count > 0 ? each.Average() : double.NaN;
    double spread = Math.Sqrt(each.Sum(d => (d - mean) * (d - mean)) / Math.Max(each.Count - 1, 1) / Math.Max(each.Count, 1));
    Console.WriteLine(
        $"| {target} | {each.Count} | {outcomes[target].Average(o => o.Bytes):F0} | {outcomes[target].Average(o => o.Error):F2} | {mean:F3} | {spread:F3} | {string.Join(" / ", each.Select(d => d.ToString("F2")))} |");
}

return 0;

/// <summary>A file and the test error of the network in it.</summary>
internal readonly record struct Outcome(long Bytes, double Error)
{
    /// <summary>The error at a size, linear in its logarithm between the runs that enclose it; null outside of all.</summary>
    public static double? ErrorAt(IReadOnlyList<Outcome> curve, long bytes)
    {
        for (int i = 1; i < curve.Count; i++)
        {
            if (curve[i - 1].Bytes <= bytes && bytes <= curve[i].Bytes)
            {
                double share = Math.Log((double)bytes / curve[i - 1].Bytes) / Math.Log((double)curve[i].Bytes / curve[i - 1].Bytes);
                return curve[i - 1].Error + (share * (curve[i].Error - curve[i - 1].Error));
            }
        }

        return null;
    }
}

internal sealed record Plan(string Network, int Epochs, int Seed)
{
    private const int Batch = 128;
    private const double FreezeAt = 0.75;

    public const double Guess = 1e-4;

    private double LearningRate => Network == Networks.LeNet300100 ? 6e-3 : 3e-3;

    public Module<Tensor, Tensor> Pretrain(IdxDataSet data)
    {
        random.manual_seed(Seed);
        var network = Networks.Create(Network, data, inputDropout: 0.1, hiddenDropout: 0.3);
        using var optimizer = optim.Adam(network.parameters(), 1e-3);
        using var generator = new Generator((ulong)Seed);
        int epochs = Network == Networks.LeNet300100 ? 8 : 2;
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            optimizer.ParamGroups.First().LearningRate = 1e-3 * Math.Pow(0.1, epoch / (double)epochs);
            foreach (var indices in data.Train.ShuffledBatches(Batch, generator))
            {
                using var scope = NewDisposeScope();
                optimizer.zero_grad();
                functional.cross_entropy(network.call(data.Train.Images.index_select(0, indices)), data.Train.Labels.index_select(0, indices)).backward();
                optimizer.step();
            }
        }

        return network;
    }

    /// <summary>One run; prints and returns its row. The strength shown is the geometric mean over the last third before zeros were frozen.</summary>
    public Outcome Compress(IdxDataSet data, Module<Tensor, Tensor> dense, long? target, double lambda)
    {
        random.manual_seed(Seed + 1000);
        using var network = Networks.Create(Network, data, inputDropout: 0.1);
        network.load_state_dict(dense.state_dict());
        int perEpoch = (int)((data.Train.Count + Batch - 1) / Batch);
        int total = Epochs * perEpoch;
        int freeze = (int)(FreezeAt * total);
        using var session = new CompressionSession(network, new CompressionOptions
        {
            Quantization = { NoiseLevel = 1.0 / 6, OtherBits = 8 },
            Mapping = MappingKind.Clamp,
            Loss = { Lambda = lambda, Mode = LossMode.Proximal, Weighting = LossWeighting.Rate, Growth = LossGrowth.ShrinkOnly },
            Noise = { Seed = (ulong)Seed, Target = NoiseTarget.NonZeroWeights },
            Initialization = new InitializationOptions { Start = StartingPoint.SeedWeights, SeedQuantile = 0.998 },
            Level = CompressionLevel.SmallestSize,
            TargetBytes = target,
            BudgetSteps = Math.Max(700, freeze / 10),
        });
        using var optimizer = optim.Adam(session.Parameters());
        using var generator = new Generator((ulong)Seed + 1000);
        var meter = new Stopwatch();
        var whole = Stopwatch.StartNew();
        double logStrength = 0;
        int averaged = 0;
        int step = 0;
        for (int epoch = 0; epoch < Epochs; epoch++)
        {
            foreach (var indices in data.Train.ShuffledBatches(Batch, generator))
            {
                using var scope = NewDisposeScope();
                if (step == freeze)
                {
                    session.FreezeZeros();
                    session.Lambda = 0;
                    session.NoiseScale = 0;
                }

                session.QuantizedForward = Math.Min(1, step / (2.0 * perEpoch));
                foreach (var group in optimizer.ParamGroups)
                {
                    group.LearningRate = step < freeze ? 1e-4 + ((LearningRate - 1e-4) * Half(step, freeze)) : 5e-5 + (9.5e-4 * (total - step) / (total - freeze));
                }

                optimizer.zero_grad();
                using (session.BeginStep())
                {
                    functional.cross_entropy(network.call(data.Train.Images.index_select(0, indices)), data.Train.Labels.index_select(0, indices)).backward();
                }

                session.Step(optimizer);
                step++;
                if (step < freeze && step > freeze * 2 / 3 && session.BudgetFactor > 0)
                {
                    logStrength += Math.Log(session.Lambda * session.BudgetFactor);
                    averaged++;
                }

                // The same meter as the budget's, timed apart.
                if (step % 100 == 0)
                {
                    meter.Start();
                    long bytes = session.EstimateBytes();
                    meter.Stop();
                    if (step % 1000 == 0)
                    {
                        Console.Error.WriteLine($"{whole.Elapsed.TotalSeconds:F0} s, step {step} of {total}: {bytes} bytes, strength {session.Lambda * session.BudgetFactor:E2}");
                    }
                }
            }
        }

        double share = 100 * meter.Elapsed.TotalSeconds / whole.Elapsed.TotalSeconds;
        network.eval();
        string file = Path.Combine(Path.GetTempPath(), $"budget-{Environment.ProcessId}.ncm");
        CompressionReport report = session.Save(file);
        using var decoded = Networks.Create(Network, data);
        decoded.LoadCompressed(file);
        File.Delete(file);
        double strength = Math.Exp(logStrength / Math.Max(averaged, 1));
        var outcome = new Outcome(report.TotalBytes, TestError(decoded, data));
        Console.WriteLine(
            $"| {Seed} | {(target is null ? "fixed strength" : "budget")} | {target} | {report.TotalBytes} | {(target is { } t ? $"{100.0 * report.TotalBytes / t:F1} %" : "")} | {session.Budget?.NearestBytes} | {outcome.Error:F2} | {strength:E2} | {100 * session.Sparsity:F2} | {share:F1} |");
        return outcome;
    }

    public static double TestError(Module<Tensor, Tensor> network, IdxDataSet data)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        bool training = network.training;
        network.eval();
        long wrong = data.Test.Images.split(1000).Zip(data.Test.Labels.split(1000)).Sum(pair => network.call(pair.First).argmax(1).ne(pair.Second).sum().item<long>());
        network.train(training);
        return 100.0 * wrong / data.Test.Count;
    }

    private static double Half(int step, int end) => step < end / 2 ? 1 : (1 + Math.Cos(Math.PI * ((step / (double)end) - 0.5) * 2)) / 2;
}
