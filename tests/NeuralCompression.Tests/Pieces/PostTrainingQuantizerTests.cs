using NeuralCompression.Codec;
using NeuralCompression.Tests.Support;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Pieces;

/// <summary>Finished networks quantised without training.</summary>
public sealed class PostTrainingQuantizerTests
{
    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Save_WithoutData_ModuleHoldsWhatIsDecoded(ScalarType dtype)
    {
        using var stream = new MemoryStream();
        using var model = TestModels.Mlp(dtype);
        using var loaded = TestModels.Mlp(dtype, seed: 40);
        double[] bias = Values(model.get_parameter("fc1.bias")!);
        var report = new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 3, PerChannel = true }).Save(stream);
        stream.Position = 0;
        loaded.LoadCompressed(stream);
        TestModels.AssertUnchanged(TestModels.Snapshot(model), loaded);
        Assert.Equal(bias, Values(model.get_parameter("fc1.bias")!));
        Assert.Equal(stream.Length, report.TotalBytes);

        // Seven levels in each row, evenly around zero.
        using var row = model.get_parameter("fc2.weight")!.detach()[0];
        double step = Values(row).Where(w => w != 0).Min(Math.Abs);
        Assert.All(Values(row), w => Assert.InRange(Math.Abs(w), 0, 3.01 * step));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Quantize_CalibrationNotFinite_ThrowsAndLeavesTheNetwork(bool hasNorm)
    {
        using var model = hasNorm ? nn.Sequential(("norm", nn.BatchNorm1d(20)), ("fc", nn.Linear(20, 8))) : nn.Sequential(("fc", nn.Linear(20, 8)));
        using var inputs = full(4, 20, float.NaN);
        var before = model.state_dict().Values.Select(Values).ToList();
        var quantizer = new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 3 });
        var error = Assert.Throws<InvalidOperationException>(() => quantizer.Quantize([inputs]));
        Assert.Contains("not finite", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, model.state_dict().Values.Select(Values));
        quantizer.Quantize();
    }

    [Fact]
    public void Quantize_Calibrated_ErrsLessWhereInputsAreLarge()
    {
        using var scope = NewDisposeScope();

        // Half of the inputs carry all the signal; the weights there are small beside the others, so that a step for all would lose them.
        var scale = cat([full(10, 10f), full(10, 0.01f)]);
        var inputs = Random(7, ScalarType.Float32, 500, 20) * scale;
        double Error(bool isCalibrated)
        {
            using var model = nn.Linear(20, 8);
            TestModels.Fill(model, 3);
            model.weight!.detach().mul_(cat([full(10, 0.2f), full(10, 1f)]));
            var expected = model.call(inputs).detach();
            var quantizer = new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 3, RateDistortion = 0.05 });
            quantizer.Quantize(isCalibrated ? [inputs] : null);
            return (model.call(inputs) - expected).square().mean().item<float>();
        }

        Assert.True(Error(isCalibrated: true) < 0.5 * Error(isCalibrated: false));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(3)]
    public void Quantize_CalibratedConvolution_ErrsLessWhereInputsAreLarge(int dimensions)
    {
        using var scope = NewDisposeScope();
        var scale = tensor(new[] { 10f, 0.01f }).reshape(2, 1, 1);
        var inputs = Random(7, ScalarType.Float32, 50, 2, 6, 6) * scale;
        double Error(bool isCalibrated)
        {
            using var model = nn.Conv2d(2, 6, 3);
            TestModels.Fill(model, 3);
            model.weight!.detach().mul_(tensor(new[] { 0.2f, 1f }).reshape(1, 2, 1, 1));
            var expected = model.call(inputs).detach();
            var quantizer = new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 3, RateDistortion = 0.05 });

            // As one batch, or as single images.
            quantizer.Quantize(!isCalibrated ? null : dimensions == 4 ? [inputs] : inputs.unbind(0));
            return (model.call(inputs) - expected).square().mean().item<float>();
        }

        Assert.True(Error(isCalibrated: true) < 0.5 * Error(isCalibrated: false));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Save_Budget_IsMetAndUsed(bool isCalibrated)
    {
        using var model = TestModels.WideMlp(hidden: 200);
        using var inputs = Random(5, ScalarType.Float32, 100, 32);
        using var stream = new MemoryStream();
        var quantizer = new PostTrainingQuantizer(model, new PostTrainingOptions { TargetBytes = 6_000, RateDistortion = 0.1 });
        quantizer.Quantize(isCalibrated ? [inputs] : null);
        quantizer.Save(stream);
        Assert.InRange(stream.Length, 5_850, 6_000);
    }

    [Fact]
    public void Quantize_BatchNorm_IsMeasuredAnew()
    {
        using var scope = NewDisposeScope();
        using var model = TestModels.ConvolutionWithNorm();
        var inputs = Random(1, ScalarType.Float32, 40, 1, 4, 4);
        new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 3 }).Quantize([inputs]);
        var norm = (TorchSharp.Modules.BatchNorm2d)model.named_children().Single(child => child.name == "norm").module;
        var convolution = (nn.Module<Tensor, Tensor>)model.named_children().Single(child => child.name == "conv").module;
        AssertClose(Values(convolution.call(inputs).mean([0, 2, 3])), Values(norm.running_mean!), relative: 1e-5, absolute: 1e-6);
        Assert.True(model.training);
    }

    [Fact]
    public void Quantize_NoBatches_IsAsWithoutData()
    {
        using var model = TestModels.ConvolutionWithNorm();
        using var other = TestModels.ConvolutionWithNorm();
        using var inputs = Random(1, ScalarType.Float32, 40, 1, 4, 4);
        model.call(inputs).Dispose();
        other.call(inputs).Dispose();
        new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 3 }).Quantize([]);
        new PostTrainingQuantizer(other, new PostTrainingOptions { Bits = 3 }).Quantize();
        TestModels.AssertEqual(other, model);
    }

    // In a finished network a parameter that wants no gradient is one that nobody trains any more.
    [Fact]
    public void Save_FrozenNetwork_IsQuantisedLikeAnother()
    {
        using var model = TestModels.Mlp(ScalarType.Float32);
        using var frozen = TestModels.Mlp(ScalarType.Float32);
        foreach (var parameter in frozen.parameters())
            parameter.requires_grad = false;
        using var expected = new MemoryStream();
        using var actual = new MemoryStream();
        new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 3 }).Save(expected);
        new PostTrainingQuantizer(frozen, new PostTrainingOptions { Bits = 3 }).Save(actual);
        Assert.Equal(expected.ToArray(), actual.ToArray());
    }

    [Fact]
    public void Save_ModuleOfAnotherTypeSince_IsRefused()
    {
        using var model = TestModels.Mlp(ScalarType.Float32);
        var quantizer = new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 3 });
        quantizer.Quantize();
        TorchSharp.ModuleExtensionMethods.to(model, ScalarType.Float64);
        Assert.Contains("fc1.weight", Assert.Throws<InvalidOperationException>(() => quantizer.Save(Stream.Null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Save_BudgetOfHugeWeights_HasStepsThatAreNumbers()
    {
        using var model = TestModels.WideMlp();
        using (no_grad())
            model.get_parameter("fc1.weight")!.mul_(5e37f);
        using var stream = new MemoryStream();
        new PostTrainingQuantizer(model, new PostTrainingOptions { TargetBytes = 3_000 }).Save(stream);
        Assert.InRange(stream.Length, 1, 3_000);
    }

    [Fact]
    public void Quantize_Excluded_StaysAsItIs()
    {
        using var model = TestModels.Mlp(ScalarType.Float32);
        byte[] before = Bits(model.get_parameter("fc2.weight")!);
        new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 2, Exclude = ["fc2.*"] }).Quantize();
        Assert.Equal(before, Bits(model.get_parameter("fc2.weight")!));
    }

    [Fact]
    public void Quantize_Fails_LeavesTheModuleWhole()
    {
        using var model = TestModels.ConvolutionWithNorm();
        using var inputs = Random(1, ScalarType.Float32, 40, 1, 4, 4);
        var before = TestModels.Snapshot(model);
        int runs = 0;
        Assert.Throws<NotSupportedException>(() => new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 2 }).Quantize(() =>
        {
            if (runs++ == 1)
                throw new NotSupportedException();
            ((nn.Module<Tensor, Tensor>)model).call(inputs);
        }));
        TestModels.AssertUnchanged(before, model);
        Assert.Contains("cannot be reached", Assert.Throws<ArgumentException>(() => new PostTrainingQuantizer(model, new PostTrainingOptions { TargetBytes = 50 }).Quantize()).Message, StringComparison.Ordinal);
        Assert.Contains("larger step", Assert.Throws<ArgumentException>(() => new PostTrainingQuantizer(model, new PostTrainingOptions { StepSize = 1e-9 }).Quantize()).Message, StringComparison.Ordinal);
        TestModels.AssertUnchanged(before, model);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(null)]
    public void Save_TensorsOfNothingAndScalars_ComeBack(int? bits)
    {
        using var scope = NewDisposeScope();
        foreach (var values in (Tensor[])[zeros(0, 4), zeros(3, 0), tensor(3.5f), zeros(4, 3)])
        {
            using var model = new OneWeight(values);
            using var loaded = new OneWeight(ones_like(values));
            using var stream = new MemoryStream();
            new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = bits, TargetBytes = bits is null ? 200 : null, PerChannel = true }).Save(stream);
            stream.Position = 0;
            loaded.LoadCompressed(stream);
            TestModels.AssertEqual(model, loaded);
            AssertSameBits(values, loaded.Weight);
        }
    }

    [Fact]
    public void Quantize_DisposedBatch_LeavesTheModuleWholeAndCanBeRepeated()
    {
        using var model = TestModels.ConvolutionWithNorm();
        using var inputs = Random(1, ScalarType.Float32, 40, 1, 4, 4);
        var gone = Random(1, ScalarType.Float32, 40, 1, 4, 4);
        gone.Dispose();
        var before = TestModels.Snapshot(model);
        var quantizer = new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 3 });
        Assert.ThrowsAny<InvalidOperationException>(() => quantizer.Quantize([inputs, gone]));
        TestModels.AssertUnchanged(before, model);
        Assert.True(model.training);
        quantizer.Quantize([inputs]);
        Assert.False(inputs.IsInvalid);
    }

    [Fact]
    public void Misuse_Throws()
    {
        using var model = TestModels.Mlp(ScalarType.Float32);
        Assert.Throws<ArgumentException>(() => new PostTrainingQuantizer(model, new PostTrainingOptions()));
        Assert.Throws<ArgumentException>(() => new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 2, TargetBytes = 100 }));
        var quantizer = new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 2 });
        quantizer.Quantize();
        Assert.Throws<InvalidOperationException>(() => quantizer.Quantize());
        using (no_grad())
            model.get_parameter("fc1.weight")!.add_(1);
        Assert.Contains("fc1.weight", Assert.Throws<InvalidOperationException>(() => quantizer.Save(Stream.Null)).Message, StringComparison.Ordinal);
    }
}
