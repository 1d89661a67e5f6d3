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

// How well a byte budget is met and what it costs: a run with TargetBytes for every number given, all from the same rough guess of the strength, and one with a fixed
// strength for every @strength. Prints the rows of benchmarks/results/byte-budget.md.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args.Length < 3 || !Networks.Names.Contains(args[0]))
{
    Console.Error.WriteLine($"usage: NeuralCompression.Budget {string.Join('|', Networks.Names)} EPOCHS TARGET_BYTES|@STRENGTH...");
    return 2;
}

set_num_threads(1);
using var data = IdxDataSet.Load(Path.Combine(AppContext.BaseDirectory, "data", "mnist"));
var plan = new Plan(args[0], int.Parse(args[1]));
using var dense = plan.Pretrain(data);
Console.WriteLine($"dense network: {Plan.TestError(dense, data):F2} % test error");
Console.WriteLine("| run | target | file | of target | nearest levels | test error % | strength | zeros % | meter, % of the time |");
Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
foreach (string run in args.Skip(2))
{
    if (run[0] == '@')
    {
        plan.Compress(data, dense, null, double.Parse(run[1..]));
    }
    else
    {
        plan.Compress(data, dense, long.Parse(run), Plan.Guess);
    }
}

return 0;

internal sealed record Plan(string Network, int Epochs)
{
    private const int Batch = 128;
    private const double FreezeAt = 0.75;

    public const double Guess = 1e-4;

    private double LearningRate => Network == Networks.LeNet300100 ? 6e-3 : 3e-3;

    public Module<Tensor, Tensor> Pretrain(IdxDataSet data)
    {
        random.manual_seed(1);
        var network = Networks.Create(Network, data, inputDropout: 0.1, hiddenDropout: 0.3);
        using var optimizer = optim.Adam(network.parameters(), 1e-3);
        using var generator = new Generator(1);
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

    /// <summary>One run; prints its row. The strength shown is the geometric mean over the last third before zeros were frozen.</summary>
    public void Compress(IdxDataSet data, Module<Tensor, Tensor> dense, long? target, double lambda)
    {
        random.manual_seed(2);
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
            Noise = { Seed = 1, Target = NoiseTarget.NonZeroWeights },
            Initialization = new InitializationOptions { Start = StartingPoint.SeedWeights, SeedQuantile = 0.998 },
            Level = CompressionLevel.SmallestSize,
            TargetBytes = target,
            BudgetSteps = Math.Max(700, freeze / 10),
        });
        using var optimizer = optim.Adam(session.Parameters());
        using var generator = new Generator(2);
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
        Console.WriteLine(
            $"| {(target is null ? "fixed strength" : "budget")} | {target} | {report.TotalBytes} | {(target is { } t ? $"{100.0 * report.TotalBytes / t:F1} %" : "")} | {session.Budget?.NearestBytes} | {TestError(decoded, data):F2} | {strength:E2} | {100 * session.Sparsity:F2} | {share:F1} |");
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
