using System.IO.Pipes;
using System.Net;
using System.Net.Sockets;
using NeuralCompression.Codec;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Storage;

/// <summary>SaveCompressed and LoadCompressed: names, shapes, types, buffers, ties, and the way through a pipe or a socket (claim 2).</summary>
public sealed class ModuleStorageTests
{
    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void SaveCompressed_AnyType_ErrsByHalfAStepAndLoadsExactly(ScalarType dtype)
    {
        using var stream = new MemoryStream();
        using var model = TestModels.Mlp(dtype);
        var before = TestModels.Snapshot(model);
        var options = new QuantizationOptions { NoiseLevel = 0.05 };
        model.SaveCompressed(stream, options);
        TestModels.AssertUnchanged(before, model);

        using var loaded = TestModels.Mlp(dtype, seed: 40);
        stream.Position = 0;
        loaded.LoadCompressed(stream);
        using var quantizer = new NoiseInjectionQuantizer(options);
        foreach (var (name, parameter) in model.named_parameters())
        {
            var copy = loaded.get_parameter(name)!;
            if (parameter.dim() == 1)
            {
                AssertSameBits(parameter, copy);
                continue;
            }

            // Half a step beside what the gain clips, plus the rounding of the decoded value to the type.
            double gain = quantizer.FitGain(parameter, GainFit.SquaredError);
            AssertClose([.. Values(parameter).Select(w => Math.Clamp(w, -gain, gain))], Values(copy), relative: 2 * Roundoff(dtype), absolute: gain * 0.05 * (1 + 1e-6));
            double[] decoded = new double[parameter.numel()];
            quantizer.Quantize(parameter, gain).Dequantize(decoded);
            Assert.Equal(decoded, Values(copy));
        }
    }

    [Fact]
    public void LoadCompressed_BatchNorm_CarriesBuffers()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = TestModels.ConvolutionWithNorm();
        model.call(Random(1, ScalarType.Float32, 4, 1, 4, 4));
        model.call(Random(2, ScalarType.Float32, 4, 1, 4, 4));
        var report = model.SaveCompressed(folder.File("model.ncm"));
        Assert.Equal(ElementType.Int64, report.Tensors.Single(t => t.Name == "norm.num_batches_tracked").ElementType);
        using var loaded = TestModels.ConvolutionWithNorm(30);
        loaded.LoadCompressed(folder.File("model.ncm"));
        foreach (string name in new[] { "norm.running_mean", "norm.running_var", "norm.num_batches_tracked", "norm.weight", "norm.bias", "conv.bias", "fc.bias" })
        {
            AssertSameBits(model.state_dict()[name], loaded.state_dict()[name]);
        }

        Assert.Equal(2, Value(loaded.state_dict()["norm.num_batches_tracked"]));
    }

    [Fact]
    public void SaveCompressed_TiedEmbedding_StoresOneTensorAndAnAlias()
    {
        using var folder = new TemporaryFolder();
        using var model = new TiedEmbedding(ScalarType.Float32);
        var report = model.SaveCompressed(folder.File("tied.ncm"));
        var alias = Assert.Single(report.Tensors, t => t.AliasOf is not null);
        Assert.Equal(0, alias.StoredBytes);
        using var loaded = new TiedEmbedding(ScalarType.Float32, seed: 5);
        loaded.LoadCompressed(folder.File("tied.ncm"));
        using var scope = NewDisposeScope();
        var tensors = loaded.state_dict();
        AssertSameBits(tensors["embedding.weight"], tensors["decoder.weight"]);

        // An untied module of the same names takes the values twice; two tensors cannot go into one.
        using var untied = new UntiedEmbedding();
        untied.LoadCompressed(folder.File("tied.ncm"));
        AssertSameBits(tensors["embedding.weight"], untied.state_dict()["decoder.weight"]);
        TestModels.Fill(untied, 8);
        untied.SaveCompressed(folder.File("untied.ncm"));
        var before = TestModels.Snapshot(loaded);
        var error = Assert.Throws<InvalidOperationException>(() => loaded.LoadCompressed(folder.File("untied.ncm")));
        Assert.Contains("one tensor in the module", error.Message, StringComparison.Ordinal);
        TestModels.AssertUnchanged(before, loaded);
        using var session = new CompressionSession(loaded);
        Assert.Single(session.Weights);
    }

    [Fact]
    public void LoadCompressed_OtherModule_NamesEveryMismatchAndChangesNothing()
    {
        using var folder = new TemporaryFolder();
        using var model = TestModels.Mlp(ScalarType.Float32);
        model.SaveCompressed(folder.File("model.ncm"));
        using var other = nn.Sequential(("fc1", nn.Linear(4, 6)), ("fc2", nn.Linear(6, 3)), ("norm", nn.BatchNorm1d(3)));
        var before = TestModels.Snapshot(other);
        var error = Assert.Throws<InvalidOperationException>(() => other.LoadCompressed(folder.File("model.ncm")));
        foreach (string text in new[]
        {
            "'fc1.weight' is [5, 4] in the file, but [6, 4] in the module", "'fc1.bias' is [5] in the file", "'fc2.weight' is [3, 5] in the file",
            "'norm.weight' [3] is in the module", "'norm.running_mean'", "'norm.num_batches_tracked'", "unchanged",
        })
        {
            Assert.Contains(text, error.Message, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("fc2.bias", error.Message, StringComparison.Ordinal);
        TestModels.AssertUnchanged(before, other);

        using var smaller = nn.Sequential(("fc1", nn.Linear(4, 5)));
        Assert.Contains("'fc2.weight' [3, 5] is in the file", Assert.Throws<InvalidOperationException>(() => smaller.LoadCompressed(folder.File("model.ncm"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LoadCompressed_BroadcastableShape_IsAMismatch()
    {
        using var stream = new MemoryStream();
        using var model = nn.Linear(1, 1);
        model.SaveCompressed(stream);
        stream.Position = 0;
        using var wide = nn.Linear(30, 5);
        Assert.Throws<InvalidOperationException>(() => wide.LoadCompressed(stream));
    }

    [Fact]
    public void LoadCompressed_OtherFloatingType_Converts()
    {
        using var stream = new MemoryStream();
        using var model = TestModels.Mlp(ScalarType.Float16);
        model.SaveCompressed(stream);
        stream.Position = 0;
        using var wide = TestModels.Mlp(ScalarType.Float64, seed: 3);
        wide.LoadCompressed(stream);
        Assert.Equal(Values(model.get_parameter("fc1.bias")!), Values(wide.get_parameter("fc1.bias")!));
        Assert.Equal(ScalarType.Float64, wide.get_parameter("fc1.bias")!.dtype);
    }

    [Fact]
    public void LoadCompressed_Damaged_ThrowsAndChangesNothing()
    {
        using var folder = new TemporaryFolder();
        using var model = TestModels.ConvolutionWithNorm();
        model.SaveCompressed(folder.File("model.ncm"));
        byte[] bytes = File.ReadAllBytes(folder.File("model.ncm"));
        using var target = TestModels.ConvolutionWithNorm(7);
        var before = TestModels.Snapshot(target);
        for (int position = 0; position < bytes.Length; position++)
        {
            byte[] damaged = (byte[])bytes.Clone();
            damaged[position] ^= 0x41;
            AssertRefused(damaged);
            AssertRefused(bytes[..position]);
        }

        AssertRefused([.. bytes, 0]);
        TestModels.AssertUnchanged(before, target);
        Assert.ThrowsAny<IOException>(() => target.LoadCompressed(folder.File("missing.ncm")));

        void AssertRefused(byte[] content)
        {
            File.WriteAllBytes(folder.File("damaged.ncm"), content);
            var error = Record.Exception(() => target.LoadCompressed(folder.File("damaged.ncm")));
            Assert.True(error is InvalidDataException or NotSupportedException, error?.ToString() ?? "No error.");
        }
    }

    [Fact]
    public void LoadCompressed_OverTheLimits_Throws()
    {
        using var stream = new MemoryStream();
        using var model = TestModels.Mlp(ScalarType.Float32);
        model.SaveCompressed(stream);
        stream.Position = 0;
        Assert.Throws<InvalidDataException>(() => model.LoadCompressed(stream, new DecodeLimits { MaxTensors = 2 }));
    }

    [Fact]
    public async Task SaveCompressed_ThroughAPipe_ArrivesWhole()
    {
        using var model = TestModels.WideMlp();
        using var received = TestModels.WideMlp(seed: 60);
        using var server = new AnonymousPipeServerStream(PipeDirection.Out);
        using var client = new AnonymousPipeClientStream(PipeDirection.In, server.ClientSafePipeHandle);
        Assert.False(client.CanSeek);
        var receiving = Task.Run(() => received.LoadCompressed(client));
        await Task.Run(() => model.SaveCompressed(server, new QuantizationOptions { NoiseLevel = 0.05 }));
        server.Dispose();
        await receiving;
        AssertReceived(model, received);
    }

    [Fact]
    public async Task Save_ThroughASocket_ArrivesWhole()
    {
        using var model = TestModels.WideMlp();
        using var received = TestModels.WideMlp(seed: 60);
        using var session = new CompressionSession(model, new CompressionOptions { Quantization = { NoiseLevel = 0.05 } });
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var sender = new TcpClient();
        var accepting = listener.AcceptTcpClientAsync();
        await sender.ConnectAsync(IPAddress.Loopback, ((IPEndPoint)listener.LocalEndpoint).Port);
        using var receiver = await accepting;
        var receiving = Task.Run(() => received.LoadCompressed(receiver.GetStream()));
        await Task.Run(() => session.Save(sender.GetStream()));
        sender.Close();
        await receiving;
        TestModels.AssertEqual(model, received);
    }

    [Fact]
    public void SaveCompressed_Include_QuantisesExactlyTheNamed()
    {
        using var stream = new MemoryStream();
        using var model = TestModels.Mlp(ScalarType.Float32);
        model.SaveCompressed(stream, include: static (name, _) => name == "fc1.weight");
        stream.Position = 0;
        using var reader = CompressedModelReader.Open(stream);
        Assert.Equal(["fc1.weight"], reader.Tensors.Where(t => t.IsQuantized).Select(t => t.Name));
    }

    [Fact]
    public void SaveCompressed_OtherBits_QuantisesBiasesToo()
    {
        using var stream = new MemoryStream();
        using var model = TestModels.ConvolutionWithNorm();
        model.SaveCompressed(stream, new QuantizationOptions { OtherBits = 8 });
        stream.Position = 0;
        using var reader = CompressedModelReader.Open(stream);
        Assert.Equal(6, reader.Tensors.Count(t => t.IsQuantized));
        Assert.All(reader.Tensors.Where(t => t.Name.Contains("running", StringComparison.Ordinal)), t => Assert.False(t.IsQuantized));
    }

    // Squared weight units: weights of a quarter of the size give the same symbols at a sixteenth of the strength, and fewer bytes at the same one.
    [Fact]
    public void SaveCompressed_RateDistortion_IsInSquaredWeightUnits()
    {
        const double Strength = 0.01;
        double[] large = Saved(scale: 1, Strength, out long bytes);
        Assert.Equal(large, Saved(scale: 0.25, Strength / 16, out long same).Select(w => 4 * w));
        Assert.Equal(bytes, same);
        Assert.NotEqual(large, Saved(scale: 1, 0, out long nearest));
        Saved(scale: 0.25, Strength, out long fewer);
        Assert.True(fewer < bytes && bytes < nearest, $"{fewer}, {bytes}, {nearest}");

        static double[] Saved(double scale, double strength, out long bytes)
        {
            using var model = TestModels.WideMlp(hidden: 100);
            using var loaded = TestModels.WideMlp(hidden: 100);
            using (no_grad())
                model.get_parameter("fc1.weight")!.mul_(scale);
            using var stream = new MemoryStream();
            bytes = model.SaveCompressed(stream, new QuantizationOptions { RateDistortion = strength }, include: static (name, _) => name == "fc1.weight").TotalBytes;
            stream.Position = 0;
            loaded.LoadCompressed(stream);
            return Values(loaded.get_parameter("fc1.weight")!);
        }
    }

    [Fact]
    public void SaveCompressed_BadWeightsOrArguments_Throw()
    {
        using var folder = new TemporaryFolder();
        using var model = TestModels.Mlp(ScalarType.Float32);
        var path = folder.File("model.ncm");
        Assert.Throws<ArgumentException>(() => model.SaveCompressed(""));
        Assert.Throws<ArgumentNullException>(() => model.SaveCompressed((Stream)null!));
        Assert.Throws<ArgumentNullException>(() => ((nn.Module)null!).SaveCompressed(path));
        Assert.Throws<ArgumentNullException>(() => ((nn.Module)null!).LoadCompressed(path));
        Assert.Throws<ArgumentException>(() => model.LoadCompressed(""));
        Assert.Throws<ArgumentNullException>(() => model.LoadCompressed((Stream)null!));
        Assert.Throws<Microsoft.Extensions.Options.OptionsValidationException>(() => model.SaveCompressed(path, new QuantizationOptions { NoiseLevel = 0.3 }));
        Assert.Contains("fc1.weight", Assert.Throws<ArgumentException>(() => model.SaveCompressed(path, new QuantizationOptions { LowerLimit = 0 })).Message, StringComparison.Ordinal);
        using (no_grad())
        {
            model.get_parameter("fc2.weight")!.fill_(double.NaN);
        }

        Assert.Contains("fc2.weight", Assert.Throws<ArgumentException>(() => model.SaveCompressed(path)).Message, StringComparison.Ordinal);
        Assert.Empty(folder.Files());
    }

    [Fact]
    public void SaveCompressed_ExistingFile_IsReplacedWhole()
    {
        using var folder = new TemporaryFolder();
        using var model = TestModels.Mlp(ScalarType.Float32);
        File.WriteAllBytes(folder.File("model.ncm"), new byte[100_000]);
        var report = model.SaveCompressed(folder.File("model.ncm"));
        Assert.Equal(report.TotalBytes, new FileInfo(folder.File("model.ncm")).Length);
        Assert.Single(folder.Files());
    }

    private static void AssertReceived(nn.Module sent, nn.Module received)
    {
        using var stream = new MemoryStream();
        sent.SaveCompressed(stream, new QuantizationOptions { NoiseLevel = 0.05 });
        stream.Position = 0;
        using var expected = TestModels.WideMlp(seed: 61);
        expected.LoadCompressed(stream);
        TestModels.AssertEqual(expected, received);
    }

    private sealed class UntiedEmbedding : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Embedding embedding = nn.Embedding(6, 4);
        private readonly TorchSharp.Modules.Linear decoder = nn.Linear(4, 6);

        public UntiedEmbedding()
            : base(nameof(UntiedEmbedding)) => RegisterComponents();

        public override Tensor forward(Tensor input) => decoder.call(embedding.call(input));
    }
}
