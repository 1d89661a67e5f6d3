using NeuralCompression.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>The session keeps what it owns and nothing else: the number of live tensors does not grow.</summary>
public sealed class MemoryTests
{
    public static TheoryData<LossMode, MappingKind, bool, ScalarType> Cases
    {
        get
        {
            var data = new TheoryData<LossMode, MappingKind, bool, ScalarType>();
            foreach (var mode in Enum.GetValues<LossMode>())
            {
                data.Add(mode, MappingKind.Tanh, true, ScalarType.Float32);
                data.Add(mode, MappingKind.Identity, false, ScalarType.Float32);
                data.Add(mode, MappingKind.Clamp, true, ScalarType.BFloat16);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Step_FiveHundredSteps_LeavesNoTensorBehind(LossMode mode, MappingKind kind, bool trainGains, ScalarType dtype)
    {
        using var model = TestModels.Mlp(dtype);
        using var input = TestTensors.Random(100, dtype, 8, 4);
        long atStart = Baseline();
        var session = new CompressionSession(model, SessionFixture.Small(o => (o.Loss.Mode, o.Mapping, o.TrainGains) = (mode, kind, trainGains)));
        int owned = OwnedParameters(session);
        var optimizer = optim.SGD(session.Parameters(), 0.001);
        Step(session, model, input, optimizer);
        long before = Baseline();
        for (int i = 0; i < 500; i++)
        {
            Step(session, model, input, optimizer);
        }

        Assert.Equal(before, Tensor.TotalCount);
        optimizer.Dispose();
        session.Dispose();
        Assert.Equal(atStart + owned, Tensor.TotalCount);
    }

    [Fact]
    public void EveryOtherCall_Repeated_LeavesNoTensorBehind()
    {
        using var folder = new TemporaryFolder();
        using var model = TestModels.Mlp(ScalarType.Float32);
        using var fresh = TestModels.Mlp(ScalarType.Float32, 2);
        using var input = TestTensors.Random(100, ScalarType.Float32, 8, 4);
        long atStart = Baseline();
        var session = new CompressionSession(model, SessionFixture.Small(o => (o.Quantization.OtherBits, o.Loss.Mode) = (4, LossMode.Proximal)));
        var optimizer = optim.SGD(session.Parameters(), 0.001);
        Everything();
        long before = Baseline();
        for (int i = 0; i < 5; i++)
        {
            Everything();
        }

        Assert.Equal(before, Tensor.TotalCount);
        int owned = OwnedParameters(session);
        optimizer.Dispose();
        session.Dispose();
        Assert.Equal(atStart + owned, Tensor.TotalCount);

        void Everything()
        {
            Step(session, model, input, optimizer);
            session.FreezeZeros();
            session.Quantize();
            session.Save(folder.File("model.ncm"));
            session.SaveState(folder.File("state.ncm"));
            session.LoadState(folder.File("state.ncm"));
            _ = session.EstimateBytes();
            _ = session.Sparsity;
            fresh.LoadCompressed(folder.File("model.ncm"));
            fresh.SaveCompressed(folder.File("other.ncm"));
            using (var loss = session.Loss())
            {
            }

            using (session.BeginStep())
            {
            }
        }
    }

    [Fact]
    public void Constructor_Failing_LeavesNoTensorBehind()
    {
        using var model = TestModels.Mlp(ScalarType.Float32);
        using (no_grad())
        {
            model.get_parameter("fc2.weight")!.fill_(double.NaN);
        }

        long before = Baseline();
        Assert.Throws<ArgumentException>(() => new CompressionSession(model));

        // The first weight got its theta and its log-gain.
        Assert.Equal(before + 2, Tensor.TotalCount);
    }

    [Fact]
    public void Session_MadeAndUsedInScopes_OutlivesThem()
    {
        using var model = TestModels.Mlp(ScalarType.Float64);
        CompressionSession session;
        using (NewDisposeScope())
        {
            session = new CompressionSession(model, SessionFixture.Small(o => o.Loss.Mode = LossMode.Proximal));
        }

        using var optimizer = optim.Adam(session.Parameters(), 0.01);
        for (int i = 0; i < 3; i++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            using (session.BeginStep())
            {
                (model.call(ones(2, 4, dtype: ScalarType.Float64)).square().mean() + session.Loss()).backward();
            }

            session.Step(optimizer);
            session.FreezeZeros();
            session.Quantize();
        }

        session.Dispose();
    }

    [Fact]
    public void Pieces_UsedAlone_LeaveNoTensorBehind()
    {
        using var w = ones(40, 50, requires_grad: true);
        using var half = ones(40, 50, dtype: ScalarType.Float16);
        using var model = TestModels.Mlp(ScalarType.Float32);
        var initializer = new SeedAwareInitializer(WeightMapping.Tanh());
        Use();
        long before = Baseline();
        for (int i = 0; i < 5; i++)
        {
            Use();
        }

        Assert.Equal(before, Tensor.TotalCount);

        void Use()
        {
            using var loss = new SparsityEqualizingLoss();
            using var quantizer = new NoiseInjectionQuantizer(noise: new NoiseOptions { Target = NoiseTarget.NonZeroWeights });
            using var value = loss.call(w);
            using var narrow = loss.call(half);
            using var sum = loss.call(model);
            using var noisy = quantizer.call(w);
            using var noisyHalf = quantizer.call(half);
            _ = quantizer.Quantize(half);
            _ = quantizer.FitGain(w);
            _ = CriticalPoint.IsCritical(w);
            using var nearest = CriticalPoint.NearestTernary(w);
            using var random = initializer.Random([5, 6], 0.1);
            using var seed = initializer.FromSeed(half);
            initializer.Initialize(model);
            foreach (var kind in Enum.GetValues<MappingKind>())
            {
                var mapping = WeightMapping.Create(kind, -2, 2);
                using var mapped = mapping.Map(w);
                using var slope = mapping.Derivative(w);
                using var raw = mapping.Inverse(w);
            }
        }
    }

    private static void Step(CompressionSession session, nn.Module<Tensor, Tensor> model, Tensor input, optim.Optimizer optimizer)
    {
        using (NewDisposeScope())
        {
            // TorchSharp's zero_grad leaves a wrapper for each parameter.
            optimizer.zero_grad();
        }

        using (session.BeginStep())
        {
            // Only the user's own tensors need a scope.
            using var scope = NewDisposeScope();
            (model.call(input).square().mean() + session.Loss()).backward();
        }

        session.Step(optimizer);
    }

    // Garbage of earlier tests goes now; what is made later and never disposed stays in the count, since nothing collects it before the comparison.
    private static long Baseline()
    {
        for (int i = 0; i < 2; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return Tensor.TotalCount;
    }

    // TorchSharp's count keeps the empty husk of a tensor that was moved into a Parameter, one for each parameter ever made.
    private static int OwnedParameters(CompressionSession session)
    {
        var ofModel = session.Weights.Select(w => w.Parameter.Handle).ToHashSet();
        int gains = session.Parameters().Count(p => p.dim() == 0);
        return gains + session.Weights.Count(w => !ofModel.Contains(w.Raw.Handle));
    }
}
