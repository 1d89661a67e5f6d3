using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NeuralCompression.TrainingBenchmarks;

/// <summary>Live tensors and resident memory over 2,000 steps, with a session and without, each in this process one after the other.</summary>
internal static class MemoryUse
{
    private const int Steps = 2000;
    private const int WarmUp = 200;
    private const int BatchSize = 128;

    public static void Run()
    {
        set_num_threads(1);
        using var input = rand(BatchSize, 1, 28, 28);
        using var labels = randint(0, 10, BatchSize, int64);
        foreach (var (name, options) in new (string, CompressionOptions?)[]
        {
            ("plain", null),
            ("session, direct", new CompressionOptions { Loss = { Mode = LossMode.DirectGradient } }),
            ("session, autograd", new CompressionOptions()),
            ("session, proximal", new CompressionOptions { Loss = { Mode = LossMode.Proximal } }),
        })
        {
            var (tensors, growth) = Measure(options, input, labels);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {name,-20} {Steps} steps: live tensors {tensors:+0;-0;0}, resident memory {growth / (1024.0 * 1024):+0.0;-0.0} MiB"));
        }
    }

    private static (long Tensors, long Bytes) Measure(CompressionOptions? options, Tensor input, Tensor labels)
    {
        using var model = Networks.Create("lenet-300-100");
        using var session = options is null ? null : new CompressionSession(model, options);
        using var optimizer = optim.Adam(session?.Parameters() ?? model.parameters(), 1e-4);
        for (int i = 0; i < WarmUp; i++)
        {
            Step(model, session, optimizer, input, labels, i);
        }

        Collect();
        long tensors = Tensor.TotalCount;
        long resident = Environment.WorkingSet;
        for (int i = 0; i < Steps; i++)
        {
            Step(model, session, optimizer, input, labels, i);
        }

        Collect();
        return (Tensor.TotalCount - tensors, Environment.WorkingSet - resident);
    }

    private static void Step(Module<Tensor, Tensor> model, CompressionSession? session, optim.Optimizer optimizer, Tensor input, Tensor labels, int index)
    {
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        if (session is null)
        {
            functional.cross_entropy(model.call(input), labels).backward();
            optimizer.step();
        }
        else
        {
            using (session.BeginStep())
            {
                (functional.cross_entropy(model.call(input), labels) + session.Loss()).backward();
            }

            session.Step(optimizer);
        }

        if (index % 50 == 49)
        {
            Collect();
        }
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
