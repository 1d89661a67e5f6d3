using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NeuralCompression.TrainingBenchmarks;

/// <summary>Time of a training step with a session (noise, mapping, loss, a byte estimate every 100 steps) against a plain one.</summary>
/// <remarks>Steps are timed without the estimate, whose turns a median would leave out; a hundredth of its mean, searches included, is added to each. With one thread for torch the times are processor time of the thread.</remarks>
internal static class StepCost
{
    private const int BatchSize = 128;
    private const int StepsPerTurn = 10;
    private const int StepsPerEstimate = 100;

    // Two rounds of what the meter does now and then.
    private const int Estimates = 32;

    public static readonly string[] Kinds = ["direct, tanh", "direct, clamp", "autograd, tanh", "proximal, clamp, rounded, targeted noise"];

    public static void Run(string network, int rounds)
    {
        foreach (string name in network == "all" ? ["lenet-300-100", "lenet-5-caffe"] : new[] { network })
        {
            foreach (int threads in new[] { 1, 2 })
            {
                set_num_threads(threads);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}, batch {BatchSize}, Adam, {threads} thread(s), median of {rounds} turns of {StepsPerTurn} steps"));
                Table(name, rounds, ThreadClock.For(threads));
            }
        }
    }

    /// <summary>What is measured against the plain step.</summary>
    public static CompressionOptions Options(string kind) => kind switch
    {
        "direct, tanh" => new CompressionOptions { Loss = { Mode = LossMode.DirectGradient } },
        "direct, clamp" => new CompressionOptions { Loss = { Mode = LossMode.DirectGradient }, Mapping = MappingKind.Clamp },
        "autograd, tanh" => new CompressionOptions(),
        "proximal, clamp, rounded, targeted noise" => new CompressionOptions
        {
            Loss = { Mode = LossMode.Proximal, Growth = LossGrowth.ShrinkOnly, Weighting = LossWeighting.Rate, Lambda = 1e-5 },
            Mapping = MappingKind.Clamp,
            QuantizedForward = 1,
            Noise = { Target = NoiseTarget.NonZeroWeights },
        },
        _ => throw new ArgumentException($"Unknown kind '{kind}'.", nameof(kind)),
    };

    private static void Table(string network, int rounds, Func<double> clock)
    {
        using var input = rand(BatchSize, 1, 28, 28);
        using var labels = randint(0, 10, BatchSize, int64);
        var plain = new Contestant("plain", network, null, input, labels);
        Contestant[] sessions = [.. Kinds.Select(kind => new Contestant(kind, network, Options(kind), input, labels))];
        double[] times = Medians.Milliseconds(clock, rounds, StepsPerTurn, [plain.Step, .. sessions.Select(s => (Action)s.Step)]);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {times[0],7:f2} ms  1.000  {plain.Name}"));
        for (int i = 0; i < sessions.Length; i++)
        {
            double estimate = sessions[i].EstimateMilliseconds(clock);
            double time = times[i + 1] + (estimate / StepsPerEstimate);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {time,7:f2} ms  {time / times[0]:f3}  {sessions[i].Name} (of it a hundredth of the meter's {estimate:f1} ms)"));
            sessions[i].Dispose();
        }

        plain.Dispose();
    }

    private sealed class Contestant : IDisposable
    {
        private readonly Module<Tensor, Tensor> _model;
        private readonly CompressionSession? _session;
        private readonly optim.Optimizer _optimizer;
        private readonly Tensor _input;
        private readonly Tensor _labels;
        private int _steps;

        public Contestant(string name, string network, CompressionOptions? options, Tensor input, Tensor labels)
        {
            Name = name;
            (_input, _labels) = (input, labels);
            _model = Networks.Create(network);
            _session = options is null ? null : new CompressionSession(_model, options);
            _optimizer = optim.Adam(_session?.Parameters() ?? _model.parameters(), 1e-4);
        }

        public string Name { get; }

        public void Step()
        {
            using var scope = NewDisposeScope();
            _optimizer.zero_grad();
            if (_session is null)
            {
                functional.cross_entropy(_model.call(_input), _labels).backward();
                _optimizer.step();
            }
            else
            {
                using (_session.BeginStep())
                {
                    (functional.cross_entropy(_model.call(_input), _labels) + _session.Loss()).backward();
                }

                _session.Step(_optimizer);
            }

            // TorchSharp leaves scalars to finalizers; a training loop collects now and then (docs/troubleshooting.md).
            if (++_steps % 50 == 0)
            {
                GC.Collect(0);
            }
        }

        public double EstimateMilliseconds(Func<double> clock)
        {
            _session!.EstimateBytes();
            double start = clock();
            for (int i = 0; i < Estimates; i++)
            {
                _session.EstimateBytes();
            }

            return (clock() - start) / Estimates;
        }

        public void Dispose()
        {
            _session?.Dispose();
            _optimizer.Dispose();
            _model.Dispose();
        }
    }
}
