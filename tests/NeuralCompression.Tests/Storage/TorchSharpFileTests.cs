using NeuralCompression.Codec;
using NeuralCompression.Tests.Support;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Storage;

/// <summary>Files that TorchSharp itself writes and reads.</summary>
public sealed class TorchSharpFileTests
{
    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void SaveCompressDecompress_Mlp_GivesTorchSharpsFile(ScalarType dtype)
    {
        using var model = TestModels.Mlp(dtype);
        RoundTrip(model, TestModels.Mlp(dtype, seed: 50));
    }

    [Fact]
    public void SaveCompressDecompress_BuffersAndLargeShapes_GivesTorchSharpsFile()
    {
        using var model = TestModels.ConvolutionWithNorm();
        RoundTrip(model, TestModels.ConvolutionWithNorm(seed: 50));
        using var wide = TestModels.WideMlp(hidden: 20_000);
        RoundTrip(wide, TestModels.WideMlp(seed: 50, hidden: 20_000));
    }

    [Fact]
    public void Compress_EveryType_IsReadByTorchSharp()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var state = new Dictionary<string, Tensor>();
        foreach (var type in (ScalarType[])[ScalarType.Byte, ScalarType.Int8, ScalarType.Int16, ScalarType.Int32, ScalarType.Int64, ScalarType.Float16, ScalarType.Float32, ScalarType.Float64, ScalarType.ComplexFloat32, ScalarType.Bool, ScalarType.BFloat16])
            state.Add($"t.{type}", arange(0, 6).reshape(2, 3).to(type));
        state.Add("scalar", tensor(3.5f));
        state.Add("empty", zeros(0, 4));
        using (var writer = new BinaryWriter(File.Create(folder.File("model.dat"))))
            nn.Module.save_state_dict(writer, state);
        RoundTrip(folder);
    }

    [Fact]
    public void Compress_Quantised_LoadsIntoTheModule()
    {
        using var folder = new TemporaryFolder();
        using var model = TestModels.WideMlp();
        using var loaded = TestModels.WideMlp(seed: 50);
        model.save(folder.File("model.dat"));
        using (var source = TorchSharpReader.Open(folder.File("model.dat")))
            TorchSharpConverter.Compress(source, folder.File("model.ncm"), new ModelConversionOptions { Bits = 4 });
        using (var reader = CompressedModelReader.Open(folder.File("model.ncm")))
            TorchSharpConverter.Decompress(reader, folder.File("back.dat"));
        loaded.load(folder.File("back.dat"));
        using var direct = TestModels.WideMlp(seed: 60);
        direct.LoadCompressed(folder.File("model.ncm"));
        TestModels.AssertUnchanged(TestModels.Snapshot(direct), loaded);
        AssertSameBits(model.get_parameter("fc1.bias")!, loaded.get_parameter("fc1.bias")!);
        Assert.InRange(Values(loaded.get_parameter("fc1.weight")!).Distinct().Count(), 2, 15);
    }

    private static void RoundTrip(nn.Module model, nn.Module other)
    {
        using var folder = new TemporaryFolder();
        model.save(folder.File("model.dat"));
        RoundTrip(folder);
        using (other)
        {
            other.load(folder.File("back.dat"));
            TestModels.AssertUnchanged(TestModels.Snapshot(model), other);
        }
    }

    private static void RoundTrip(TemporaryFolder folder)
    {
        using (var source = TorchSharpReader.Open(folder.File("model.dat")))
            TorchSharpConverter.Compress(source, folder.File("model.ncm"));
        using (var reader = CompressedModelReader.Open(folder.File("model.ncm")))
            TorchSharpConverter.Decompress(reader, folder.File("back.dat"));
        Assert.Equal(File.ReadAllBytes(folder.File("model.dat")), File.ReadAllBytes(folder.File("back.dat")));
    }
}
