using System.IO.Compression;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>Contract 3 and claims 1, 8 and 16: what Quantize leaves in the module is what a reader of the file decodes, bit for bit.</summary>
public sealed class QuantizeAndSaveTests
{
    public static TheoryData<MappingKind, bool, int?> Cases
    {
        get
        {
            var data = new TheoryData<MappingKind, bool, int?>();
            foreach (var kind in Enum.GetValues<MappingKind>())
            {
                data.Add(kind, true, null);
                data.Add(kind, false, 6);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Quantize_EveryType_HoldsWhatAFreshModuleLoads(MappingKind kind, bool trainGains, int? otherBits)
    {
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.BFloat16 })
        {
            using var folder = new TemporaryFolder();
            using var fixture = new SessionFixture(Options(kind, trainGains, otherBits), dtype);
            fixture.Train(fixture.Sgd(0.05), 3);
            fixture.Session.Quantize();
            using var scope = NewDisposeScope();
            var output = fixture.Output();
            foreach (var level in Enum.GetValues<CompressionLevel>())
            {
                fixture.Session.Save(folder.File("model.ncm"), level);
                using var fresh = TestModels.Mlp(dtype, seed: 50);
                fresh.LoadCompressed(folder.File("model.ncm"));
                TestModels.AssertEqual(fixture.Model, fresh);
                AssertSameBits(output, fresh.call(Random(100, dtype, 8, 4)));
            }

            AssertOnGrid(fixture);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.BFloat16)]
    public void Quantize_NonContiguous_HoldsWhatAFreshModuleLoads(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        foreach (var kind in new[] { MappingKind.Tanh, MappingKind.Identity })
        {
            foreach (bool trainGains in new[] { true, false })
            {
                using var stream = new MemoryStream();
                using var model = new OneWeight(Strided(Random(1, dtype, 6, 4)));
                Assert.False(model.Weight.is_contiguous());
                using var fixture = new SessionFixture(Options(kind, trainGains, null), dtype, model, Random(2, dtype, 8, 4));
                fixture.Train(fixture.Sgd(0.05), 3);
                fixture.Session.Quantize();
                fixture.Session.Save(stream);
                stream.Position = 0;
                using var fresh = new OneWeight(zeros(6, 4, dtype: dtype));
                fresh.LoadCompressed(stream);
                AssertSameBits(model.Weight, fresh.Weight);
                Assert.False(model.Weight.is_contiguous());
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Quantize_ThenTraining_GoesOnAsIfItHadNotHappened(MappingKind kind, bool trainGains, int? otherBits)
    {
        foreach (var mode in new[] { LossMode.Autograd, LossMode.Proximal })
        {
            using var folder = new TemporaryFolder();
            var options = Options(kind, trainGains, otherBits);
            options.Loss.Mode = mode;
            using var plain = new SessionFixture(options, ScalarType.Float32);
            using var interrupted = new SessionFixture(options, ScalarType.Float32);
            var first = plain.Adam();
            var second = interrupted.Adam();
            plain.Train(first, 8);
            interrupted.Train(second, 3);
            interrupted.Session.Quantize();
            interrupted.Session.Quantize();
            interrupted.Session.Save(folder.File("model.ncm"));
            _ = interrupted.Session.EstimateBytes();
            _ = interrupted.Session.Sparsity;
            interrupted.Train(second, 5);
            TestModels.AssertEqual(plain.Model, interrupted.Model);
        }
    }

    [Fact]
    public void Quantize_BetweenGradientsAndStep_LosesNothing()
    {
        using var plain = new SessionFixture(Options(MappingKind.Tanh, true, 5), ScalarType.Float32);
        using var interrupted = new SessionFixture(Options(MappingKind.Tanh, true, 5), ScalarType.Float32);
        plain.Train(plain.Adam(), 2);
        var optimizer = interrupted.Adam();
        interrupted.Train(optimizer, 1);
        optimizer.zero_grad();
        interrupted.Collect();
        interrupted.Session.Quantize();
        interrupted.Session.Step(optimizer);
        TestModels.AssertEqual(plain.Model, interrupted.Model);
    }

    [Fact]
    public void Quantize_OtherBits_PutsBiasesOnTheirGrid()
    {
        using var fixture = new SessionFixture(Options(MappingKind.Tanh, true, 3), ScalarType.Float32);
        double[] exact = Values(fixture.Model.get_parameter("fc1.bias")!);
        fixture.Session.Quantize();
        double[] rounded = Values(fixture.Model.get_parameter("fc1.bias")!);
        double step = exact.Max(Math.Abs) / 3;
        for (int i = 0; i < exact.Length; i++)
        {
            Assert.Equal(exact[i], rounded[i], (step / 2) * (1 + 1e-6));
            Assert.Equal(Math.Round(rounded[i] / step), rounded[i] / step, 1e-5);
        }
    }

    [Fact]
    public void Save_Report_NamesEveryTensorAndTheRealLength()
    {
        using var folder = new TemporaryFolder();
        using var fixture = new SessionFixture(Options(MappingKind.Tanh, true, null), ScalarType.Float32);
        var report = fixture.Session.Save(folder.File("model.ncm"));
        Assert.Equal(new FileInfo(folder.File("model.ncm")).Length, report.TotalBytes);
        Assert.Equal(fixture.Model.state_dict().Keys, report.Tensors.Select(t => t.Name));
        Assert.Single(folder.Files());

        using var stream = new MemoryStream();
        fixture.Session.Save(stream);
        Assert.Equal(File.ReadAllBytes(folder.File("model.ncm")), stream.ToArray());
    }

    [Fact]
    public void Save_WithoutQuantize_Quantizes()
    {
        using var fixture = new SessionFixture(Options(MappingKind.Tanh, true, null), ScalarType.Float32);
        using var one = new MemoryStream();
        fixture.Session.Save(one);
        AssertOnGrid(fixture);
        using var two = new MemoryStream();
        fixture.Session.Quantize();
        fixture.Session.Save(two);
        Assert.Equal(one.ToArray(), two.ToArray());
    }

    [Fact]
    public void Save_FailingStream_LeavesTheSessionUsable()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("model.ncm"), "old");
        using var fixture = new SessionFixture(Options(MappingKind.Tanh, true, null), ScalarType.Float32);
        Assert.ThrowsAny<IOException>(() => fixture.Session.Save(Path.Combine(folder.File("missing"), "model.ncm")));
        using var closed = new MemoryStream([], writable: false);
        Assert.ThrowsAny<Exception>(() => fixture.Session.Save(closed));
        Assert.Equal("old", File.ReadAllText(folder.File("model.ncm")));
        fixture.Train(fixture.Adam(), 2);
        fixture.Session.Save(folder.File("model.ncm"));
    }

    [Theory]
    [InlineData(0.5, 1)]
    [InlineData(1.0 / 6, 1)]
    [InlineData(0.01, 1)]
    [InlineData(0.001, 1)]
    public void EstimateBytes_TrainedWeights_IsNearTheFile(double level, double limit)
    {
        using var model = TestModels.WideMlp(hidden: 200);
        using var session = new CompressionSession(model, new CompressionOptions { Quantization = { NoiseLevel = level, LowerLimit = -limit, UpperLimit = limit, OtherBits = 8 } });
        long estimate = session.EstimateBytes();
        using var stream = new MemoryStream();
        long actual = session.Save(stream).TotalBytes;
        Assert.Equal(actual, stream.Length);
        Assert.InRange(estimate, (actual * 0.99) - (4 * 60), (actual * 1.01) + (4 * 60));
        Assert.Equal(estimate, session.EstimateBytes());
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    public void Train_OtherTypesAndStrides_FollowTheFloat32SpanPath(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        foreach (var kind in Enum.GetValues<MappingKind>())
        {
            foreach (var mode in Enum.GetValues<LossMode>())
            {
                // bfloat16 numbers are the same numbers in every type, but for float16, whose start is rounded again.
                var start = Random(1, ScalarType.BFloat16, 6, 4).to(ScalarType.Float32);
                using var span = Make(start, ScalarType.Float32, kind, mode);
                using var other = Make(Strided(start.to(dtype)), dtype, kind, mode);
                var first = span.Sgd(0.05);
                var second = other.Sgd(0.05);
                for (int i = 0; i < 3; i++)
                {
                    first.zero_grad();
                    second.zero_grad();
                    span.Collect();
                    other.Collect();
                    double[] expected = Values(span.Session.Weights[0].Raw.grad!);
                    double size = expected.Max(Math.Abs);

                    // Weights, activations and gradients are each rounded to the type; sums of 8 x 4 terms.
                    AssertClose(expected, Values(other.Session.Weights[0].Raw.grad!), relative: 0, absolute: size * 40 * Math.Max(Roundoff(dtype), Roundoff(ScalarType.Float32)));
                    span.Session.Step(first);
                    other.Session.Step(second);
                }

                double weight = Values(span.Session.Weights[0].Parameter).Max(Math.Abs);
                AssertClose(
                    Values(span.Session.Weights[0].Parameter),
                    Values(other.Session.Weights[0].Parameter),
                    relative: 0,
                    absolute: weight * 40 * Math.Max(Roundoff(dtype), Roundoff(ScalarType.Float32)));
                Assert.Equal(dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32, other.Session.Weights[0].Raw.dtype);
            }
        }

        static SessionFixture Make(Tensor start, ScalarType dtype, MappingKind kind, LossMode mode) => new(
            SessionFixture.Small(o => (o.Mapping, o.Loss.Mode, o.Loss.Lambda, o.Noise.Target) = (kind, mode, 1e-4, NoiseTarget.NonZeroWeights)),
            dtype,
            new OneWeight(start),
            Random(2, ScalarType.BFloat16, 8, 4).to(dtype));
    }

    [Fact]
    public void Constructor_ZeroTensorInFloat32_HasLossZero()
    {
        using var scope = NewDisposeScope();
        foreach (var kind in Enum.GetValues<MappingKind>())
        {
            using var model = new OneWeight(zeros(6, 4));
            using var session = new CompressionSession(model, SessionFixture.Small(o => o.Mapping = kind));
            var loss = session.Loss();
            Assert.Equal(0.0, Value(loss));
            Assert.All(Values(model.Weight), w => Assert.Equal(0.0, w));
        }
    }

    [Fact]
    public void BeginStep_SparseGradient_IsCollectedOrRefusedWithWeightsRestored()
    {
        using var model = nn.Embedding(5, 3, sparse: true);
        TestModels.Fill(model, 1);
        using var session = new CompressionSession(model, SessionFixture.Small());
        var before = TestModels.Snapshot(model);
        var error = Record.Exception(() =>
        {
            using (session.BeginStep())
            {
                using var scope = NewDisposeScope();
                model.call(tensor(new long[] { 1, 3, 3 })).square().sum().backward();
            }
        });
        Assert.Null(error);
        TestModels.AssertUnchanged(before, model);
        double[] gradient = Values(session.Weights[0].Raw.grad!);
        Assert.All(gradient[..3], g => Assert.Equal(0.0, g));
        Assert.All(gradient[3..6], g => Assert.NotEqual(0.0, g));
    }

    private static CompressionOptions Options(MappingKind kind, bool trainGains, int? otherBits) =>
        SessionFixture.Small(o => (o.Mapping, o.TrainGains, o.Quantization.OtherBits) = (kind, trainGains, otherBits));

    private static void AssertOnGrid(SessionFixture fixture)
    {
        foreach (var weight in fixture.Session.Weights)
        {
            double step = weight.Gain * fixture.Options.Quantization.StepSize;
            double roundoff = Math.Max(Roundoff(weight.Parameter.dtype), Roundoff(ScalarType.Float32));
            Assert.All(Values(weight.Parameter), w => Assert.Equal(Math.Round(w / step), w / step, 4 * roundoff * fixture.Options.Quantization.MaxSymbol));
        }
    }
}
