using NeuralCompression.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using Xunit.Abstractions;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>Every kind of layer with weights trains, quantises, saves and loads, with exact gradients.</summary>
public sealed class ModuleKindTests(ITestOutputHelper output)
{
    public static TheoryData<string> Kinds =>
        ["linear", "conv1d", "conv2d", "conv3d", "transposed1d", "transposed2d", "transposed3d", "grouped", "embedding", "lstm", "gru", "rnn", "attention", "bilinear"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Session_Kind_HasExactGradientsAndSurvivesAFile(string kind)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = new Any(kind);
        using var session = new CompressionSession(model, SessionFixture.Small(o => (o.Noise.Scale, o.Loss.Lambda) = (0.5, 0.01)));
        var input = Any.Input(kind);
        using (session.BeginStep())
        {
            (model.call(input).square().mean() + session.Loss()).backward();
        }

        foreach (var weight in session.Weights)
        {
            double[] gradient = Values(weight.Raw.grad!);
            Assert.Contains(gradient, g => Math.Abs(g) > 1e-6);
            foreach (int i in new[] { 0, gradient.Length / 2, gradient.Length - 1 })
            {
                Assert.Equal(Difference(session, model, input, weight, i), gradient[i], 1e-7);
            }
        }

        var optimizer = optim.Adam(session.Parameters(), 0.01);
        session.Step(optimizer);
        for (int step = 0; step < 3; step++)
        {
            Step(session, model, input, optimizer);
        }

        // Other gains and a steeper mapping: the same function, and training goes on.
        double[] output = Values(model.call(input));
        double[] gains = [.. session.Weights.Select(w => w.Gain)];
        var report = session.Refit(optimizer, steepness: 1.5);
        Assert.True(report.OptimizerCarried);
        Assert.All(session.Weights.Zip(gains), p => Assert.NotEqual(p.Second, p.First.Gain));
        AssertClose(output, Values(model.call(input)), relative: 1e-11, absolute: 1e-12);
        Step(session, model, input, optimizer);
        Assert.NotEqual(output, Values(model.call(input)));

        session.Quantize();
        session.Save(folder.File("model.ncm"));
        using var loaded = new Any(kind, seed: 9);
        loaded.LoadCompressed(folder.File("model.ncm"));
        TestModels.AssertEqual(model, loaded);
        Assert.Equal(Values(model.call(input)), Values(loaded.call(input)));
    }

    [Theory]
    [InlineData(MappingKind.Tanh)]
    [InlineData(MappingKind.Identity)]
    public void Session_NonContiguousWeight_TrainsLikeAContiguousOne(MappingKind kind)
    {
        using var scope = NewDisposeScope();
        var values = Random(4, ScalarType.Float64, 5, 4);
        var input = Random(5, ScalarType.Float64, 6, 4);
        double[][] results = new double[2][];
        foreach (bool strided in new[] { false, true })
        {
            using var model = new OneWeight(strided ? Strided(values) : values.clone());
            Assert.Equal(!strided, model.Weight.is_contiguous());
            using var session = new CompressionSession(model, SessionFixture.Small(o => o.Mapping = kind));
            var optimizer = optim.SGD(session.Parameters(), 0.05);
            for (int i = 0; i < 5; i++)
            {
                Step(session, model, input, optimizer);
            }

            double[] before = Values(model.call(input));
            Assert.True(session.Refit(optimizer).OptimizerCarried);
            AssertClose(before, Values(model.call(input)), relative: 1e-11, absolute: 1e-12);
            Step(session, model, input, optimizer);
            results[strided ? 1 : 0] = Values(model.Weight);
        }

        // The strided path draws float32 noise.
        AssertClose(results[0], results[1], relative: 1e-6, absolute: 1e-7);
    }

    [Fact]
    public void Session_Cuda_TrainsAndSaves()
    {
        if (!cuda.is_available())
        {
            output.WriteLine("SKIPPED: no CUDA device on this machine.");
            return;
        }

        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = TestModels.Mlp(ScalarType.Float32).to(CUDA);
        using var session = new CompressionSession(model, SessionFixture.Small(o => o.Loss.Mode = LossMode.Proximal));
        var optimizer = optim.Adam(session.Parameters(), 0.01);
        var input = Random(5, ScalarType.Float32, 6, 4).cuda();
        for (int i = 0; i < 5; i++)
        {
            Step(session, model, input, optimizer);
        }

        session.FixLevels();
        session.Save(folder.File("model.ncm"));
        using var loaded = TestModels.Mlp(ScalarType.Float32, 5);
        loaded.LoadCompressed(folder.File("model.ncm"));
        TestModels.AssertEqual(model.cpu(), loaded);
    }

    private static void Step(CompressionSession session, nn.Module<Tensor, Tensor> model, Tensor input, optim.Optimizer optimizer)
    {
        optimizer.zero_grad();
        using (session.BeginStep())
        {
            (model.call(input).square().mean() + session.Loss()).backward();
        }

        session.Step(optimizer);
    }

    private static double Difference(CompressionSession session, Any model, Tensor input, CompressedWeight weight, int index)
    {
        double noise = 0;
        var block = new double[UniformNoise.BlockLength];
        int start = index / block.Length * block.Length;
        int position = session.Weights.ToList().IndexOf(weight);
        UniformNoise.Fill(3, 0, position, start, 0.5 * 0.25, block.AsSpan());
        noise = block[index - start];

        // ŵ of every tensor is put into the module; only the entry in question moves with its θ.
        byte[][] before = [.. session.Weights.Select(w => Bits(w.Parameter))];
        double[][] mapped = [.. session.Weights.Select(w => Array.ConvertAll(Values(w.Raw), session.Mapping.Map))];
        for (int k = 0; k < session.Weights.Count; k++)
        {
            var w = session.Weights[k];
            double[] u = new double[mapped[k].Length];
            for (int i = 0; i < u.Length; i += block.Length)
            {
                int n = Math.Min(block.Length, u.Length - i);
                UniformNoise.Fill(3, 0, k, i, 0.5 * 0.25, block.AsSpan(0, n));
                for (int j = 0; j < n; j++)
                {
                    u[i + j] = w.Gain * (mapped[k][i + j] + block[j]);
                }
            }

            Write(w.Parameter, u);
        }

        double theta = Values(weight.Raw)[index];
        double[] own = Values(weight.Parameter);
        double difference = ClosedForm.Difference(
            x =>
            {
                own[index] = weight.Gain * (session.Mapping.Map(x) + noise);
                Write(weight.Parameter, own);
                double[] m = (double[])mapped[position].Clone();
                m[index] = session.Mapping.Map(x);
                return Value(model.call(input).square().mean()) + (0.01 * ClosedForm.Ratio(m));
            },
            theta,
            1e-5);
        for (int k = 0; k < before.Length; k++)
        {
            before[k].CopyTo(session.Weights[k].Parameter.bytes);
        }

        return difference;
    }

    private static void Write(Parameter parameter, double[] values)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        parameter.copy_(tensor(values, dtype: ScalarType.Float64).reshape(parameter.shape));
    }

    private sealed class Any : nn.Module<Tensor, Tensor>
    {
        private readonly string _kind;
        private readonly nn.Module layer;

        public Any(string kind, int seed = 1)
            : base(kind)
        {
            var type = ScalarType.Float64;
            _kind = kind;
            layer = kind switch
            {
                "linear" => nn.Linear(4, 3, dtype: type),
                "conv1d" => nn.Conv1d(2, 3, 3, dtype: type),
                "conv2d" => nn.Conv2d(2, 3, 3, dtype: type),
                "conv3d" => nn.Conv3d(2, 3, 2, dtype: type),
                "transposed1d" => nn.ConvTranspose1d(2, 3, 3, dtype: type),
                "transposed2d" => nn.ConvTranspose2d(2, 3, 3, dtype: type),
                "transposed3d" => nn.ConvTranspose3d(2, 3, 2, dtype: type),
                "grouped" => nn.Conv2d(2, 4, 3, groups: 2, dtype: type),
                "embedding" => nn.Embedding(6, 4, dtype: type),
                "lstm" => nn.LSTM(4, 3, 2, dtype: type),
                "gru" => nn.GRU(4, 3, dtype: type),
                "rnn" => nn.RNN(4, 3, dtype: type),
                "attention" => nn.MultiheadAttention(4, 2).to(type),
                "bilinear" => nn.Bilinear(4, 4, 2, dtype: type),
                _ => throw new ArgumentException(kind, nameof(kind)),
            };
            RegisterComponents();
            TestModels.Fill(this, seed);
        }

        public static Tensor Input(string kind) => kind switch
        {
            "conv1d" or "transposed1d" => Random(5, ScalarType.Float64, 2, 2, 6),
            "conv2d" or "transposed2d" or "grouped" => Random(5, ScalarType.Float64, 2, 2, 5, 5),
            "conv3d" or "transposed3d" => Random(5, ScalarType.Float64, 2, 2, 3, 3, 3),
            "embedding" => tensor(new long[] { 0, 2, 3, 5, 5, 1, 4 }),
            "lstm" or "gru" or "rnn" or "attention" => Random(5, ScalarType.Float64, 5, 2, 4),
            _ => Random(5, ScalarType.Float64, 7, 4),
        };

        public override Tensor forward(Tensor input) => layer switch
        {
            nn.Module<Tensor, Tensor> plain => plain.call(input),
            LSTM lstm => lstm.call(input).Item1,
            GRU gru => gru.call(input).Item1,
            RNN rnn => rnn.call(input).Item1,
            MultiheadAttention attention => attention.call(input, input, input, null!, false, null!).Item1,
            Bilinear bilinear => bilinear.call(input, input.flip(0)),
            _ => throw new InvalidOperationException(_kind),
        };
    }
}
