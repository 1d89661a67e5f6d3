using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Pieces;

/// <summary>Claims 1, 15, 16: train with the compression loss, entropy-code, load elsewhere, same outputs.</summary>
public sealed class EndToEndTests
{
    [Theory]
    [InlineData(LossMode.Autograd, LossGrowth.Full, MappingKind.Tanh, 0.02)]
    [InlineData(LossMode.DirectGradient, LossGrowth.Full, MappingKind.Tanh, 0.02)]
    [InlineData(LossMode.Proximal, LossGrowth.ShrinkOnly, MappingKind.Clamp, 0.02)]
    public void Session_TrainSaveLoad_KeepsAccuracyAndShrinks(LossMode mode, LossGrowth growth, MappingKind kind, double lambda)
    {
        using var folder = new TemporaryFolder();
        using var outer = NewDisposeScope();

        // Which of two inputs is larger, hidden among thirty that do not matter.
        var x = Random(1, ScalarType.Float32, 600, 32);
        var y = x[TensorIndex.Colon, TensorIndex.Single(3)].gt(x[TensorIndex.Colon, TensorIndex.Single(17)]).to(ScalarType.Int64);
        var (trainX, trainY) = (x.narrow(0, 0, 400), y.narrow(0, 0, 400));
        var (testX, testY) = (x.narrow(0, 400, 200), y.narrow(0, 400, 200));
        using var model = TestModels.WideMlp();
        long original = 4 * model.parameters().Sum(p => p.numel());

        using var session = new CompressionSession(model, new CompressionOptions
        {
            Loss = { Lambda = lambda, Mode = mode, Growth = growth },
            Mapping = kind,
            Noise = { Target = NoiseTarget.NonZeroWeights },
            Quantization = { OtherBits = 8 },
        });
        using var optimizer = optim.Adam(session.Parameters(), 0.01);
        for (int i = 0; i < 250; i++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            using (session.BeginStep())
            {
                (nn.functional.cross_entropy(model.call(trainX), trainY) + session.Loss()).backward();
            }

            session.Step(optimizer);
        }

        session.Quantize();
        var quantised = model.call(testX).detach();
        var report = session.Save(folder.File("model.ncm"));
        using var loaded = TestModels.WideMlp(seed: 77);
        loaded.LoadCompressed(folder.File("model.ncm"));
        AssertSameBits(quantised, loaded.call(testX));

        double accuracy = Value(quantised.argmax(1).eq(testY).to(ScalarType.Float32).mean());
        string result = $"Accuracy {accuracy}, sparsity {session.Sparsity}, {report.TotalBytes} of {original} bytes.";
        Assert.True(accuracy > 0.85, result);
        Assert.True(session.Sparsity > 0.6, result);
        Assert.True(report.TotalBytes * 8 < original, result);
        Assert.Equal(report.TotalBytes, new FileInfo(folder.File("model.ncm")).Length);
    }

    [Fact]
    public void ExistingLoop_LossAndSaveCompressed_ShrinksWithoutASession()
    {
        using var outer = NewDisposeScope();
        var x = Random(1, ScalarType.Float32, 400, 32);
        var y = x[TensorIndex.Colon, TensorIndex.Single(3)].gt(0).to(ScalarType.Int64);
        using var model = TestModels.WideMlp();
        using var compression = new SparsityEqualizingLoss(new LossOptions { Lambda = 2e-2 });
        using var optimizer = optim.Adam(model.parameters(), 0.01);
        long before = Size(model);
        for (int i = 0; i < 200; i++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            (nn.functional.cross_entropy(model.call(x), y) + compression.call(model)).backward();
            optimizer.step();
        }

        Assert.True(Size(model) < 0.8 * before, $"{Size(model)} of {before} bytes.");

        static long Size(nn.Module model)
        {
            using var stream = new MemoryStream();
            return model.SaveCompressed(stream, new QuantizationOptions { NoiseLevel = 1.0 / 6 }).TotalBytes;
        }
    }
}
