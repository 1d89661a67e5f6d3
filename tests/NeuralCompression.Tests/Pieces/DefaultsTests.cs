using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Pieces;

/// <summary>What a stranger writes first, the loss alone beside Adam and SaveCompressed with its defaults, gives a network that works; on data with inputs that are always zero, as images have them.</summary>
public sealed class DefaultsTests
{
    private const int Inputs = 48;
    private const int Dead = 16;
    private const int Classes = 6;

    [Fact]
    public void FirstSnippet_WithItsDefaults_KeepsTheNetworkWorking()
    {
        using var folder = new TemporaryFolder();
        var (dense, file) = TrainAndSave(new LossOptions(), folder.File("model.ncm"), out _);
        Assert.True(dense < 0.05, $"dense {dense}");
        Assert.True(file < dense + 0.03, $"dense {dense}, file {file}");
    }

    [Fact]
    public void FirstSnippet_FullGrowthWithoutBounds_IsWhatTheDefaultSpares()
    {
        using var folder = new TemporaryFolder();
        TrainAndSave(new LossOptions(), folder.File("model.ncm"), out double plain);
        TrainAndSave(new LossOptions { Growth = LossGrowth.Full }, folder.File("full.ncm"), out double full);

        // Largest weight of an input that is always zero.
        Assert.True(plain < 0.05, $"default {plain}");
        Assert.True(full > 0.5, $"full {full}");
    }

    [Fact]
    public void FitGain_SquaredError_SparesTheManyFromTheFew()
    {
        using var scope = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer();
        double[] values = [.. Numbers(3, 2000).Select(x => 0.1 * x), 0.5, -0.5];
        var weights = Of(values, ScalarType.Float32);
        double range = quantizer.FitGain(weights);
        double best = quantizer.FitGain(weights, GainFit.SquaredError);
        Assert.Equal(0.5, range, 1e-6);
        Assert.True(Error(best) < 0.9 * Error(range), $"{Error(best)}, {Error(range)}");

        // No other gain of the ladder is better than rounding of the search explains.
        for (int i = 0; i < 64; i++)
        {
            Assert.True(Error(best) <= 1.02 * Error(0.5 * Math.Pow(2, -i / 8.0)));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => quantizer.FitGain(weights, (GainFit)7));
        using var zeros = torch.zeros(5);
        Assert.Equal(1, quantizer.FitGain(zeros, GainFit.SquaredError));

        double Error(double gain)
        {
            var decoded = new float[values.Length];
            quantizer.Quantize(weights, gain).Dequantize(decoded);
            return values.Zip(decoded, (v, d) => (v - d) * (v - d)).Sum();
        }
    }

    private static (double Dense, double File) TrainAndSave(LossOptions options, string path, out double largestDead)
    {
        options.Lambda = 1e-3;
        using var model = Network(1);
        using var optimizer = optim.Adam(model.parameters(), 3e-3);
        using var compression = new SparsityEqualizingLoss(options);
        using (NewDisposeScope())
        {
            var (x, y) = Data(seed: 1, count: 1200);
            for (int step = 0; step < 600; step++)
            {
                using var scope = NewDisposeScope();
                var (input, label) = (x.narrow(0, step % 10 * 120, 120), y.narrow(0, step % 10 * 120, 120));
                optimizer.zero_grad();
                (nn.functional.cross_entropy(model.call(input), label) + compression.call(model)).backward();
                optimizer.step();
            }
        }

        model.SaveCompressed(path, new QuantizationOptions { NoiseLevel = 1.0 / 6 });
        using (NewDisposeScope())
        {
            largestDead = Values(model.get_parameter("fc1.weight")!.narrow(1, 0, Dead)).Max(Math.Abs);
        }

        using var loaded = Network(2);
        loaded.LoadCompressed(path);
        return (Error(model), Error(loaded));
    }

    private static double Error(nn.Module<Tensor, Tensor> model)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (x, y) = Data(seed: 2, count: 1000);
        return Value(model.call(x).argmax(1).ne(y).to(ScalarType.Float64).mean());
    }

    private static nn.Module<Tensor, Tensor> Network(int seed)
    {
        var model = nn.Sequential(("fc1", nn.Linear(Inputs, 40)), ("relu", nn.ReLU()), ("fc2", nn.Linear(40, Classes)));
        TestModels.Fill(model, seed, 0.2);
        return model;
    }

    // Noisy copies of one pattern per class; the first inputs are dead.
    private static (Tensor Inputs, Tensor Labels) Data(int seed, int count)
    {
        double[] patterns = Numbers(77, Classes * Inputs);
        double[] noise = Numbers(seed, count * Inputs);
        var labels = new long[count];
        var inputs = new double[count * Inputs];
        for (int i = 0; i < count; i++)
        {
            labels[i] = i % Classes;
            for (int j = Dead; j < Inputs; j++)
            {
                inputs[(i * Inputs) + j] = Math.Max(0, patterns[(labels[i] * Inputs) + j] + (0.9 * noise[(i * Inputs) + j]));
            }
        }

        return (Of(inputs, ScalarType.Float32, count, Inputs), tensor(labels));
    }
}
