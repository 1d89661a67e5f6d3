using NeuralCompression.Codec;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Pieces;

/// <summary>Contract 8: each piece works without the others and without the session.</summary>
public sealed class AloneTests
{
    [Fact]
    public void SparsityEqualizingLoss_InAPlainLoop_MakesARegressionSparse()
    {
        // Twenty inputs, of which two matter.
        double[] truth = [1, -1, .. new double[18]];
        double[] without = Train(lambda: 0);
        double[] with = Train(lambda: 0.15);
        Assert.True(Small(with) >= 16, string.Join(", ", with.Select(w => w.ToString("F3", null))));
        Assert.True(Small(without) <= 10, string.Join(", ", without));
        Assert.True(ClosedForm.Ratio(with) < 0.75 * ClosedForm.Ratio(without));
        Assert.True(with[0] > 0.5 && with[1] < -0.5);

        static int Small(double[] w) => w.Count(x => Math.Abs(x) < 0.01);

        double[] Train(double lambda)
        {
            using var outer = NewDisposeScope();
            using var model = nn.Linear(20, 1, hasBias: false);
            TestModels.Fill(model, 3);
            var x = Random(1, ScalarType.Float32, 40, 20);
            var y = x.matmul(Of(truth, ScalarType.Float32, 20, 1)).add(Random(2, ScalarType.Float32, 40, 1).mul(0.5));
            using var loss = new SparsityEqualizingLoss(new LossOptions { Growth = LossGrowth.Full, Lambda = lambda });
            using var optimizer = optim.Adam(model.parameters(), 0.01);
            for (int i = 0; i < 400; i++)
            {
                using var scope = NewDisposeScope();
                foreach (var group in optimizer.ParamGroups)
                {
                    group.LearningRate = 0.01 * (1 - (i / 400.0));
                }

                optimizer.zero_grad();
                ((model.call(x) - y).square().mean() + loss.call(model)).backward();
                optimizer.step();
            }

            return Values(model.weight!);
        }
    }

    [Fact]
    public void NoiseInjectionQuantizer_InAPlainLoop_TrainsWeightsThatSurviveRounding()
    {
        using var outer = NewDisposeScope();
        using var quantizer = new NoiseInjectionQuantizer(new QuantizationOptions { NoiseLevel = 0.25 });
        var x = Random(1, ScalarType.Float32, 64, 6);
        var y = x.matmul(Of([0.5, -1, 0, 1, 0.5, -0.5], ScalarType.Float32, 6, 1));
        using var w = new TorchSharp.Modules.Parameter(zeros(6, 1));
        using var optimizer = optim.Adam([w], 0.02);
        for (int i = 0; i < 400; i++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            (x.matmul(quantizer.call(w)) - y).square().mean().backward();
            optimizer.step();
        }

        quantizer.eval();
        AssertSameBits(w, quantizer.call(w));
        var values = new double[6];
        quantizer.Quantize(w).Dequantize(values);
        Assert.Equal([0.5, -1, 0, 1, 0.5, -0.5], values);
    }

    [Fact]
    public void SeedAwareInitializer_InAPlainLoop_StartsATrainableNetwork()
    {
        using var outer = NewDisposeScope();
        using var model = TestModels.Mlp(ScalarType.Float32);
        new SeedAwareInitializer(WeightMapping.Tanh(), new InitializationOptions { Seed = 4 }).Initialize(model);
        var x = Random(1, ScalarType.Float32, 32, 4);
        var y = x[TensorIndex.Colon, TensorIndex.Slice(0, 3)].sin();
        using var optimizer = optim.Adam(model.parameters(), 0.02);
        double Error() => Value((model.call(x) - y).square().mean());
        double before = Error();
        for (int i = 0; i < 300; i++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            (model.call(x) - y).square().mean().backward();
            optimizer.step();
        }

        Assert.True(Error() < before / 10);
    }

    [Fact]
    public void WeightMapping_InAPlainLoop_BoundsTheWeights()
    {
        using var outer = NewDisposeScope();
        var mapping = WeightMapping.Tanh(-0.5, 0.5);
        var x = Random(1, ScalarType.Float32, 64, 3);
        var y = x.matmul(Of([2, -2, 0.25], ScalarType.Float32, 3, 1));
        using var theta = new TorchSharp.Modules.Parameter(zeros(3, 1));
        using var optimizer = optim.Adam([theta], 0.05);
        for (int i = 0; i < 300; i++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            (x.matmul(mapping.Map(theta)) - y).square().mean().backward();
            optimizer.step();
        }

        double[] w = Values(mapping.Map(theta));
        Assert.All(w, v => Assert.InRange(v, -0.5, 0.5));
        Assert.True(w[0] > 0.49 && w[1] < -0.49);
    }

    [Fact]
    public void Codec_WithoutTorch_RoundTrips()
    {
        using var stream = new MemoryStream();
        sbyte[] symbols = [0, 1, -1, 0, 0, 3];
        using (var writer = CompressedModelWriter.Create(stream, leaveOpen: true))
        {
            writer.Add("w", QuantizedTensor.FromSymbols(symbols, [2, 3], QuantizationGrid.Uniform(0.25)));
            writer.Add("b", [2], [0.1f, -0.2f]);
            writer.Complete();
        }

        stream.Position = 0;
        using var reader = CompressedModelReader.Open(stream);
        var w = new float[6];
        var b = new float[2];
        reader.Decode(reader["w"], w.AsSpan());
        reader.Decode(reader["b"], b.AsSpan());
        Assert.Equal([0, 0.25f, -0.25f, 0, 0, 0.75f], w);
        Assert.Equal([0.1f, -0.2f], b);
    }

    [Fact]
    public void Codec_Assembly_ReferencesNoTorch() => Assert.DoesNotContain(
        typeof(CompressedModelReader).Assembly.GetReferencedAssemblies(), a => a.Name!.Contains("Torch", StringComparison.OrdinalIgnoreCase));
}
