using System.Diagnostics;
using System.Runtime.InteropServices;
using NeuralCompression;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TrainAndCompress;

/// <summary>Measures a network, here and in a second process that knows nothing but the file.</summary>
internal static class Evaluation
{
    // The same in both processes: the order in which a matrix product is added up may depend on the size of the batch.
    private const int BatchSize = 1000;

    /// <summary>The network's answers [n, classes] to all images, without dropout and without a graph.</summary>
    public static Tensor Logits(Module<Tensor, Tensor> network, Tensor images)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        bool training = network.training;
        network.eval();
        var batches = images.split(BatchSize).Select(network.call).ToArray();
        network.train(training);
        return cat(batches).MoveToOuterDisposeScope();
    }

    public static double ErrorPercent(Module<Tensor, Tensor> network, Split split)
    {
        using var logits = Logits(network, split.Images);
        return ErrorPercent(logits, split.Labels);
    }

    public static double ErrorPercent(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        return 100.0 * logits.argmax(1).ne(labels).sum().item<long>() / labels.shape[0];
    }

    /// <summary>The answers to all test images, the same to the bit in every process of one machine.</summary>
    public static Tensor TestLogits(Module<Tensor, Tensor> network, IdxDataSet data)
    {
        // How many threads share a sum decides in which order it is added up.
        int threads = get_num_threads();
        set_num_threads(1);
        try
        {
            return Logits(network, data.Test.Images);
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    /// <summary>Starts this program again on the compressed file; returns the logits of all test images that the other process wrote.</summary>
    public static Tensor TestLogitsOfSecondProcess(DemoOptions options, IdxDataSet data)
    {
        string logitsFile = Path.Combine(Path.GetTempPath(), $"logits-{Guid.NewGuid():n}.f32");
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("The path of this program is unknown.");
        string[] arguments = ["evaluate", options.ModelFile, logitsFile, "--network", options.Network, "--data", options.Data];
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            arguments = [typeof(Evaluation).Assembly.Location, .. arguments];
        try
        {
            using var process = Process.Start(program, arguments);
            process.WaitForExit();
            if (process.ExitCode != 0)
                throw new InvalidDataException($"The second process ended with code {process.ExitCode}.");

            float[] logits = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(logitsFile)).ToArray();
            return tensor(logits, [data.Test.Count, data.Classes]);
        }
        finally
        {
            File.Delete(logitsFile);
        }
    }

    /// <summary>The second process: a new network, the file, all test images, the answers.</summary>
    public static int RunAsSecondProcess(string modelFile, string logitsFile, DemoOptions options)
    {
        using var data = IdxDataSet.Load(options.Data);
        using var network = Networks.Create(options.Network, data);
        network.LoadCompressed(modelFile);
        using var logits = TestLogits(network, data);
        File.WriteAllBytes(logitsFile, logits.bytes);
        return 0;
    }

    /// <summary>True where every answer to every image has the same bits.</summary>
    public static bool SameBits(Tensor left, Tensor right) => left.bytes.SequenceEqual(right.bytes);
}
