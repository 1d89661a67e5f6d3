using NeuralCompression;
using NeuralCompression.Codec;
using TorchSharp;
using static TorchSharp.torch.nn;

namespace NeuralCompression.Tests.Documentation;

/// <summary>The C# blocks of README.md, line for line: change both together.</summary>
internal static class ReadmePrograms
{
    public static CompressionReport First()
    {
        // README.md begin
        using var model = Sequential(Linear(20, 64), ReLU(), Linear(64, 2));
        var (x, y) = (torch.randn(512, 20), torch.randint(0, 2, [512]));

        using var session = new CompressionSession(model, new CompressionOptions { Loss = { Lambda = 1e-3 } });
        using var optimizer = torch.optim.Adam(session.Parameters(), 1e-2);
        for (int step = 0; step < 200; step++)
        {
            using var scope = torch.NewDisposeScope();
            optimizer.zero_grad();
            using (session.BeginStep())
                (functional.cross_entropy(model.call(x), y) + session.Loss()).backward();
            session.Step(optimizer);
        }

        session.Quantize();                                        // the model now holds exactly what a reader will decode
        CompressionReport report = session.Save("model.ncm");      // real bytes per tensor
        model.LoadCompressed("model.ncm");                         // exact names and shapes, or an error that names every mismatch
        Console.WriteLine(report);
        // README.md end
        return report;
    }

    public static void Second()
    {
        using var model = Sequential(Linear(20, 64), ReLU(), Linear(64, 2));
        var (x, y) = (torch.randn(512, 20), torch.randint(0, 2, [512]));

        // README.md begin
        var compression = new SparsityEqualizingLoss(new LossOptions { Lambda = 1e-4 });
        var objective = functional.cross_entropy(model.call(x), y) + compression.call(model);
        model.SaveCompressed("model.ncm", new QuantizationOptions { NoiseLevel = 1.0 / 6 });
        // README.md end
        objective.backward();
    }
}
