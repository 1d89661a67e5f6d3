using System.Globalization;
using System.IO.Compression;
using NeuralCompression;
using NeuralCompression.Codec;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Experiments;

/// <summary>What quantising a finished network costs and saves, without training: bits, steps per channel, rate-distortion rounding and calibration.</summary>
internal static class PostTrainingTable
{
    private const int CalibrationImages = 500;
    private static readonly int[] Bits = [2, 3, 4, 5, 8];

    /// <summary>Trains the network in the ordinary way, or loads it, and prints the table.</summary>
    /// <param name="root">The folder of experiments; the trained network is kept there.</param>
    /// <param name="network">A name of <see cref="NetworkShape.Full"/>.</param>
    /// <param name="epochs">Epochs of the ordinary training.</param>
    public static void Print(string root, string network, int epochs)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        var data = TrainingImages.Load(trainOnAll: false);
        var settings = new Settings { Network = network };
        var shape = NetworkShape.Full(network);
        using Module<Tensor, Tensor> dense = Teacher.LoadOrTrain(Path.Combine(root, "teachers"), shape, 1, epochs, data, settings, Console.WriteLine)[0];
        using Tensor calibration = data.Images.narrow(0, 0, CalibrationImages);
        Console.WriteLine($"{network}: {4 * dense.parameters().Sum(p => p.numel()):n0} bytes as float32, test error {Evaluation.Of(dense, data.Test).ErrorPercent:f2} %; bytes / test error %");
        Console.WriteLine("| bits | worth of a bit | per tensor | per tensor, calibrated | per channel | per channel, calibrated |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (int bits in Bits)
        {
            foreach (double worth in (double[])[0, 0.1])
            {
                Console.Write($"| {bits} | {worth} |");
                foreach (bool perChannel in (bool[])[false, true])
                {
                    foreach (bool isCalibrated in (bool[])[false, true])
                    {
                        var options = new PostTrainingOptions { Bits = bits, RateDistortion = worth, PerChannel = perChannel, Level = CompressionLevel.SmallestSize };
                        Console.Write($" {Measure(dense, shape, data, options, isCalibrated ? calibration : null)} |");
                    }
                }

                Console.WriteLine();
            }
        }
    }

    private static string Measure(Module<Tensor, Tensor> dense, NetworkShape shape, TrainingImages data, PostTrainingOptions options, Tensor? calibration)
    {
        using var copy = shape.CreateModule();
        copy.load_state_dict(dense.state_dict());
        copy.eval();
        var quantizer = new PostTrainingQuantizer(copy, options);
        quantizer.Quantize(calibration is null ? null : [calibration]);
        using var file = new MemoryStream();
        quantizer.Save(file);

        // Measured is what was decoded.
        using var loaded = shape.CreateModule();
        file.Position = 0;
        loaded.LoadCompressed(file);
        return $"{file.Length:n0} / {Evaluation.Of(loaded, data.Test).ErrorPercent:f2}";
    }
}
