using System.Diagnostics;
using NeuralCompression.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>Training resumed from a saved state equals uninterrupted training, bit for bit.</summary>
public sealed class ResumeTests
{
    public static TheoryData<MappingKind, bool, LossMode, bool> Cases
    {
        get
        {
            var data = new TheoryData<MappingKind, bool, LossMode, bool>();
            foreach (var kind in Enum.GetValues<MappingKind>())
            {
                data.Add(kind, true, LossMode.Autograd, false);
                data.Add(kind, false, LossMode.DirectGradient, false);
                data.Add(kind, true, LossMode.Proximal, false);
                data.Add(kind, false, LossMode.Proximal, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void LoadState_InANewSession_GoesOnBitForBit(MappingKind kind, bool trainGains, LossMode mode, bool frozen)
    {
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16 })
        {
            using var folder = new TemporaryFolder();
            CompressionOptions Options() => SessionFixture.Small(o => (o.Mapping, o.TrainGains, o.Loss.Mode, o.Quantization.OtherBits) = (kind, trainGains, mode, 6));
            using var whole = new SessionFixture(Options(), dtype);
            var optimizer = whole.Adam();
            whole.Train(optimizer, 4);
            if (frozen)
            {
                whole.Session.FreezeZeros();
            }

            (whole.Session.Lambda, whole.Session.NoiseScale, whole.Session.QuantizedForward) = (0.07, 0.5, 0.25);
            whole.Session.SaveState(folder.File("state.ncm"));
            ((OptimizerHelper)optimizer).save_state_dict(folder.File("optimizer.bin"));
            whole.Train(optimizer, 5);

            // Another start, so that nothing agrees by chance.
            using var resumed = new SessionFixture(Options(), dtype, TestModels.Mlp(dtype));
            var second = resumed.Adam();
            resumed.Train(second, 2);
            resumed.Session.Quantize();
            resumed.Session.LoadState(folder.File("state.ncm"));
            ((OptimizerHelper)second).load_state_dict(folder.File("optimizer.bin"));
            Assert.Equal(frozen, resumed.Session.IsFrozen);
            Assert.Equal((0.07, 0.5, 0.25), (resumed.Session.Lambda, resumed.Session.NoiseScale, resumed.Session.QuantizedForward));
            resumed.Train(second, 5);
            TestModels.AssertEqual(whole.Model, resumed.Model);
            foreach (var (expected, actual) in whole.Parameters.Zip(resumed.Parameters))
            {
                AssertSameBits(expected, actual);
            }
        }
    }

    // Within a ramp, just before zeros are frozen, and several times; every part is a process of its own.
    [Theory]
    [InlineData(13)]
    [InlineData(41)]
    [InlineData(14, 42, 45)]
    public void LoadState_InANewProcess_GoesOnBitForBit(params int[] stops)
    {
        using var whole = new TemporaryFolder();
        using var parts = new TemporaryFolder();
        Train(whole, 0, ResumedTraining.Steps);
        int first = 0;
        foreach (int stop in (int[])[.. stops, ResumedTraining.Steps])
        {
            Train(parts, first, stop);
            first = stop;
        }

        foreach (string name in new[] { "state.ncm", "model.ncm" })
        {
            Assert.Equal(File.ReadAllBytes(whole.File(name)), File.ReadAllBytes(parts.File(name)));
        }

        static void Train(TemporaryFolder folder, int first, int end)
        {
            string[] arguments = [typeof(ResumedTraining).Assembly.Location, folder.File(""), $"{first}", $"{end}"];
            using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardError = true })!;
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, errors);
        }
    }

    [Fact]
    public void LoadState_BatchNorm_CarriesBuffers()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = TestModels.ConvolutionWithNorm();
        using var session = new CompressionSession(model, SessionFixture.Small());
        var input = Random(5, ScalarType.Float32, 3, 1, 4, 4);
        using (session.BeginStep())
        {
            model.call(input);
        }

        session.SaveState(folder.File("state.ncm"));
        using var other = TestModels.ConvolutionWithNorm(9);
        using var resumed = new CompressionSession(other, SessionFixture.Small());
        resumed.LoadState(folder.File("state.ncm"));
        TestModels.AssertEqual(model, other);
        Assert.Equal(1, Value(other.state_dict()["norm.num_batches_tracked"]));
    }

    [Fact]
    public void LoadState_OtherOptions_NamesTheDifferenceAndChangesNothing()
    {
        using var folder = new TemporaryFolder();
        using var fixture = new SessionFixture(SessionFixture.Small());
        fixture.Session.SaveState(folder.File("state.ncm"));
        foreach (var change in new Action<CompressionOptions>[]
        {
            o => o.Mapping = MappingKind.Clamp, o => o.Quantization.NoiseLevel = 0.5, o => o.Noise.Seed = 1ul << 40, o => o.Loss.Mode = LossMode.Proximal, o => o.Quantization.UpperLimit = 1.5,
        })
        {
            using var other = new SessionFixture(SessionFixture.Small(o =>
            {
                o.Initialization.SeedReach = 0.3;
                change(o);
            }));
            var before = TestModels.Snapshot(other.Model);
            var error = Assert.Throws<InvalidOperationException>(() => other.Session.LoadState(folder.File("state.ncm")));
            Assert.Contains("saved with another", error.Message, StringComparison.Ordinal);
            TestModels.AssertUnchanged(before, other.Model);
            other.Train(other.Adam(), 1);
        }
    }

    [Fact]
    public void LoadState_OtherModule_NamesEveryMismatch()
    {
        using var folder = new TemporaryFolder();
        using var fixture = new SessionFixture(SessionFixture.Small());
        fixture.Session.SaveState(folder.File("state.ncm"));
        using var model = nn.Sequential(("fc1", nn.Linear(4, 6, dtype: ScalarType.Float64)), ("fc9", nn.Linear(6, 3, dtype: ScalarType.Float64)));
        using var session = new CompressionSession(model, SessionFixture.Small());
        var before = TestModels.Snapshot(model);
        var error = Assert.Throws<InvalidOperationException>(() => session.LoadState(folder.File("state.ncm")));
        foreach (string name in new[] { "theta/fc1.weight", "theta/fc9.weight", "theta/fc2.weight", "model/fc1.bias", "model/fc9.bias", "log-gain/fc9.weight" })
        {
            Assert.Contains($"'{name}'", error.Message, StringComparison.Ordinal);
        }

        TestModels.AssertUnchanged(before, model);
    }

    [Fact]
    public void LoadState_DamagedOrMissing_ChangesNothing()
    {
        using var folder = new TemporaryFolder();
        CompressionOptions Options() => SessionFixture.Small(o => o.Quantization.OtherBits = 3);
        using var fixture = new SessionFixture(Options());
        using var twin = new SessionFixture(Options());
        var optimizer = fixture.Adam();
        fixture.Train(optimizer, 2);
        fixture.Session.SaveState(folder.File("state.ncm"));
        byte[] bytes = File.ReadAllBytes(folder.File("state.ncm"));
        fixture.Train(optimizer, 2);
        fixture.Session.Quantize();
        for (int position = 0; position < bytes.Length; position += 7)
        {
            byte[] damaged = (byte[])bytes.Clone();
            damaged[position] ^= 0x10;
            File.WriteAllBytes(folder.File("damaged.ncm"), damaged);
            var error = Record.Exception(() => fixture.Session.LoadState(folder.File("damaged.ncm")));
            Assert.True(error is InvalidDataException or NotSupportedException, $"Byte {position}: {error}");
        }

        File.WriteAllBytes(folder.File("damaged.ncm"), bytes[..^5]);
        Assert.Throws<InvalidDataException>(() => fixture.Session.LoadState(folder.File("damaged.ncm")));
        Assert.ThrowsAny<IOException>(() => fixture.Session.LoadState(folder.File("missing.ncm")));

        fixture.Train(optimizer, 2);
        var second = twin.Adam();
        twin.Train(second, 6);
        TestModels.AssertEqual(twin.Model, fixture.Model);
    }

    [Fact]
    public void SaveState_GradientsWaiting_Throws()
    {
        using var folder = new TemporaryFolder();
        using var fixture = new SessionFixture(SessionFixture.Small());
        fixture.Collect();
        Assert.Contains("Gradients", Assert.Throws<InvalidOperationException>(() => fixture.Session.SaveState(folder.File("state.ncm"))).Message, StringComparison.Ordinal);
        Assert.Empty(folder.Files());
    }

    [Fact]
    public void SaveState_FollowedByTraining_ChangesNothing()
    {
        using var folder = new TemporaryFolder();
        using var plain = new SessionFixture(SessionFixture.Small());
        using var saved = new SessionFixture(SessionFixture.Small());
        var first = plain.Adam();
        var second = saved.Adam();
        plain.Train(first, 4);
        saved.Train(second, 2);
        saved.Session.SaveState(folder.File("state.ncm"));
        saved.Train(second, 2);
        TestModels.AssertEqual(plain.Model, saved.Model);
    }
}
