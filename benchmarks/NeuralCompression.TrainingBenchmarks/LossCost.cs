using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression.TrainingBenchmarks;

/// <summary>Value and gradient of the loss of one large tensor: the direct path, the surrogate, and the plain autograd expression.</summary>
internal static class LossCost
{
    private const int Rounds = 15;
    private const long Rows = 5000;

    public static void Run()
    {
        foreach (int threads in new[] { 1, 2 })
        {
            set_num_threads(threads);
            using var holder = new Holder();
            holder.Weight.grad = zeros_like(holder.Weight, requires_grad: false);
            using var loss = new SparsityEqualizingLoss(new LossOptions { Lambda = 1 });
            var term = new CompressionTerm(new LossOptions(), holder.Weight.shape);
            double[] times = Medians.Milliseconds(
                ThreadClock.For(threads),
                Rounds,
                1,
                () =>
                {
                    using var scope = NewDisposeScope();
                    (holder.Weight.abs().sum() / holder.Weight.square().sum().sqrt()).backward();
                },
                () =>
                {
                    using var scope = NewDisposeScope();
                    loss.call(holder.Weight).backward();
                },
                () => Direct(term, holder.Weight));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{holder.Weight.numel():n0} elements, {threads} thread(s) for torch, median of {Rounds}"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {times[0],7:f1} ms   1.0 x  autograd expression"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {times[1],7:f1} ms  {times[0] / times[1],4:f1} x  SparsityEqualizingLoss (surrogate)"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {times[2],7:f1} ms  {times[0] / times[2],4:f1} x  DirectGradient"));
        }
    }

    // What a session does in this mode where the parameter itself is trained: two passes, no memory.
    private static void Direct(CompressionTerm term, Tensor weight)
    {
        using var gradient = weight.grad!;
        ReadOnlySpan<float> weights = MemoryMarshal.Cast<byte, float>(weight.bytes);
        term.Measure(weights, default, equalizer: false);
        term.Prepare(new LossStrengths(1, 0));
        term.AddGradient(weights, default, 1, MemoryMarshal.Cast<byte, float>(gradient.bytes));
    }

    private sealed class Holder : IDisposable
    {
        public Parameter Weight { get; } = new(randn(Rows, Rows));

        public void Dispose() => Weight.Dispose();
    }
}
