using System.IO.Compression;
using Microsoft.Extensions.Options;
using NeuralCompression.Codec;
using NeuralCompression.Sessions;
using NeuralCompression.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>The byte meter, rate-distortion rounding, and the byte budget.</summary>
public sealed class BudgetTests
{
    public static TheoryData<CompressionLevel> Levels => [.. Enum.GetValues<CompressionLevel>()];

    [Theory]
    [MemberData(nameof(Levels))]
    public void MeasureBytes_EveryLevel_IsWithinOnePercentOr40BytesOfTheFile(CompressionLevel level)
    {
        using var model = TestModels.WideMlp(hidden: 200);
        using var session = new CompressionSession(model, new CompressionOptions { Quantization = { OtherBits = 8 } });
        CompressionReport measured = session.MeasureBytes(level);
        using var stream = new MemoryStream();
        CompressionReport saved = session.Save(stream, level);
        AssertNear(saved.TotalBytes, measured.TotalBytes);
        Assert.Equal(saved.Tensors.Select(t => t.Name), measured.Tensors.Select(t => t.Name));
        foreach (var (real, estimate) in saved.Tensors.Zip(measured.Tensors))
        {
            AssertNear(real.StoredBytes, estimate.StoredBytes);
        }

        // Again with the parameters found before.
        AssertNear(saved.TotalBytes, session.MeasureBytes(level).TotalBytes);
    }

    [Fact]
    public void MeasureBytes_BuffersAndTiedWeights_CountAsInTheFile()
    {
        using var scope = NewDisposeScope();
        using var model = TestModels.ConvolutionWithNorm();
        using var session = new CompressionSession(model, SessionFixture.Small());
        using var stream = new MemoryStream();
        Assert.Equal(session.MeasureBytes().TotalBytes, session.Save(stream).TotalBytes);
        Assert.Throws<ArgumentOutOfRangeException>(() => session.MeasureBytes((CompressionLevel)9));
    }

    [Fact]
    public void Quantize_RateDistortion_TradesErrorForBytes()
    {
        long last = long.MaxValue;
        foreach (double strength in new[] { 0, 0.003, 0.01, 0.1 })
        {
            using var model = TestModels.WideMlp(hidden: 200);
            using var session = new CompressionSession(model, new CompressionOptions { Quantization = { RateDistortion = strength } });
            using var stream = new MemoryStream();
            long bytes = session.Save(stream).TotalBytes;
            Assert.True(bytes < last, $"{bytes} bytes at strength {strength}, {last} before");
            last = bytes;
        }
    }

    [Theory]
    [InlineData(MappingKind.Clamp, false)]
    [InlineData(MappingKind.Tanh, true)]
    [InlineData(MappingKind.Identity, false)]
    public void Save_Budget_LandsAtOrJustUnderIt(MappingKind mapping, bool frozen)
    {
        foreach (long target in new[] { 2500, 1900, 1000 })
        {
            using var model = TestModels.WideMlp(hidden: 200);
            using var session = new CompressionSession(model, Options(target, mapping));
            if (frozen)
            {
                session.FreezeZeros();
            }

            using var stream = new MemoryStream();
            CompressionReport report = session.Save(stream);
            Assert.Equal(report.TotalBytes, session.Budget!.Bytes);
            Assert.True(session.Budget.IsMet);
            Assert.InRange(report.TotalBytes, 0.95 * target, target);
            Assert.True(frozen || session.Budget is { Strength: > 0, FloorBytes: > 0 and < 1000, NearestBytes: > 2600 }, session.Budget.ToString());

            // The model holds what the file holds, and a reader can tell neither grid nor limits from the ordinary.
            stream.Position = 0;
            using var other = TestModels.WideMlp(seed: 9, hidden: 200);
            other.LoadCompressed(stream);
            TestModels.AssertEqual(model, other);
        }
    }

    [Theory]
    [InlineData(MappingKind.Clamp)]
    [InlineData(MappingKind.Tanh)]
    public void FixLevels_Budget_FixesTheSymbolsThatMeetIt(MappingKind mapping)
    {
        using var model = TestModels.WideMlp(hidden: 200);
        using var session = new CompressionSession(model, Options(1900, mapping));
        session.FixLevels();
        long landed = session.Budget!.Bytes;
        Assert.InRange(landed, 0.95 * 1900, 1900);

        // Fixed means fixed: the file is the one the search ended with, and nothing is left to round.
        using var stream = new MemoryStream();
        Assert.Equal(landed, session.Save(stream).TotalBytes);
        Assert.Equal(0, session.Budget.Strength);
    }

    [Fact]
    public void SaveCompressed_Budget_LandsOrSaysWhatIsPossible()
    {
        using var folder = new TemporaryFolder();
        using var model = TestModels.WideMlp(hidden: 200);
        var snapshot = TestModels.Snapshot(model);
        var options = new QuantizationOptions { OtherBits = QuantizationOptions.AutomaticBits };
        long all = model.SaveCompressed(folder.File("all.ncm"), options).TotalBytes;
        long target = (long)(0.8 * all);
        Assert.InRange(model.SaveCompressed(folder.File("model.ncm"), options, targetBytes: target).TotalBytes, 0.97 * target, target);
        TestModels.AssertUnchanged(snapshot, model);
        Assert.Equal(all, model.SaveCompressed(folder.File("all.ncm"), options, targetBytes: all).TotalBytes);
        options.RateDistortion = 1e-2;
        Assert.True(model.SaveCompressed(folder.File("model.ncm"), options).TotalBytes < all);

        var error = Assert.Throws<InvalidOperationException>(() => model.SaveCompressed(folder.File("none.ncm"), options, targetBytes: 100));
        Assert.Contains("all weights zero", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.File("none.ncm")));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.SaveCompressed(folder.File("none.ncm"), options, targetBytes: 0));
    }

    // Two percent, and with a bit fewer it would be more; batch-norm statistics are buffers and stay exact.
    [Fact]
    public void OtherBits_Automatic_KeepsTwoPercent()
    {
        using var folder = new TemporaryFolder();
        using var model = TestModels.ConvolutionWithNorm();
        using var session = new CompressionSession(model, SessionFixture.Small(o => o.Quantization.OtherBits = QuantizationOptions.AutomaticBits));
        var exact = model.state_dict().ToDictionary(e => e.Key, e => TestTensors.Values(e.Value), StringComparer.Ordinal);
        session.Save(folder.File("model.ncm"));
        using var reader = CompressedModelReader.Open(folder.File("model.ncm"));
        int rounded = 0;
        foreach (var info in reader.Tensors.Where(t => !t.Name.EndsWith("num_batches_tracked", StringComparison.Ordinal)))
        {
            var values = new float[info.Length];
            reader.Decode(info, values);
            double error = Math.Sqrt(exact[info.Name].Zip(values, (a, b) => (a - b) * (a - b)).Sum() / Math.Max(exact[info.Name].Sum(a => a * a), 1e-30));
            if (info.Name.Contains("running", StringComparison.Ordinal))
            {
                Assert.Equal(0, error);
            }
            else if (info.Shape.Length == 1)
            {
                Assert.InRange(error, 1e-6, 0.02);
                Assert.InRange(Math.Max(-info.MinSymbol, info.MaxSymbol), 7, 511);
                rounded++;
            }
        }

        Assert.Equal(4, rounded);
    }

    [Fact]
    public void Save_BudgetThatIsMetAnyway_RoundsToTheNearest()
    {
        using var model = TestModels.WideMlp();
        using var session = new CompressionSession(model, Options(1_000_000));
        using var stream = new MemoryStream();
        long bytes = session.Save(stream).TotalBytes;
        Assert.Equal((bytes, bytes, 0, 0.0), (session.Budget!.Bytes, session.Budget.NearestBytes, session.Budget.FloorBytes, session.Budget.Strength));
        Assert.True(session.Budget.IsMet);
    }

    [Fact]
    public void Save_ImpossibleBudget_SaysSoAndKeepsTheNetwork()
    {
        using var model = TestModels.WideMlp();
        using var session = new CompressionSession(model, Options(50));
        using var stream = new MemoryStream();
        long bytes = session.Save(stream).TotalBytes;
        Assert.False(session.Budget!.IsMet);
        Assert.Equal((bytes, bytes), (session.Budget.Bytes, session.Budget.NearestBytes));
        Assert.InRange(session.Budget.FloorBytes, 51, bytes - 1);
        Assert.Contains("not met", session.Budget.ToString(), StringComparison.Ordinal);
        Assert.InRange(session.Sparsity, 0, 0.9);
    }

    [Fact]
    public void Save_AnotherLevelThanTheBudgets_IsRefused()
    {
        using var model = TestModels.WideMlp();
        using var session = new CompressionSession(model, Options(2000));
        using var stream = new MemoryStream();
        Assert.Throws<ArgumentException>(() => session.Save(stream, CompressionLevel.Fastest));
        session.Save(stream, CompressionLevel.SmallestSize);
    }

    [Theory]
    [InlineData("TargetBytes")]
    [InlineData("Level")]
    [InlineData("Lambda")]
    [InlineData("RateDistortion")]
    [InlineData("BudgetInterval")]
    [InlineData("BudgetSteps")]
    public void Options_ContradictingTheBudget_AreNamed(string member)
    {
        CompressionOptions options = Options(2000);
        switch (member)
        {
            case "TargetBytes": options.TargetBytes = 0; break;
            case "Level": options.Level = CompressionLevel.NoCompression; break;
            case "Lambda": options.Loss.Lambda = 0; break;
            case "RateDistortion": options.Quantization.RateDistortion = 1; break;
            case "BudgetInterval": options.BudgetInterval = 0; break;
            default: options.BudgetSteps = 1; break;
        }

        using var model = TestModels.WideMlp();
        var error = Assert.Throws<OptionsValidationException>(() => new CompressionSession(model, options));
        Assert.Contains(member, error.Message, StringComparison.Ordinal);
    }

    // The loop on a model of training: the file follows the strength with a lag, and noise is on the measurements.
    [Theory]
    [InlineData(0.01)]
    [InlineData(1)]
    [InlineData(30)]
    public void Controller_WrongGuess_ArrivesWithoutOvershooting(double guess)
    {
        var controller = new BudgetController(1000, 20);
        double size = Math.Log(60_000);
        var random = new Random(1);
        double smallest = double.PositiveInfinity;
        for (int i = 0; i < 400; i++)
        {
            double strength = Math.Max(guess * controller.Factor, 1e-9);
            double equilibrium = Math.Min(Math.Log(60_000), Math.Log(1000) - (0.6 * Math.Log(strength)));
            size += (equilibrium - size) / 10;
            controller.Observe(Math.Exp(size + (0.005 * (random.NextDouble() - 0.5))));
            smallest = Math.Min(smallest, Math.Exp(size));
        }

        Assert.InRange(Math.Exp(size), 970, 1030);
        Assert.True(smallest > 850, $"It fell to {smallest}.");
    }

    [Fact]
    public void Train_Budget_BringsTheFileDownByItself()
    {
        using var fixture = Trained(Options(1400, interval: 5));
        var session = fixture.Session;
        long before = session.EstimateBytes();
        fixture.Train(fixture.Adam(0.02), 600);
        long trained = session.EstimateBytes();
        Assert.True(before > 2500, $"{before} bytes at first");
        Assert.InRange(trained, 0.85 * 1400, 1.25 * 1400);
        Assert.NotEqual(1, session.BudgetFactor);
        using var stream = new MemoryStream();
        Assert.InRange(session.Save(stream).TotalBytes, 0.85 * 1400, 1400);
    }

    [Fact]
    public void LoadState_Budget_GoesOnBitForBit()
    {
        using var folder = new TemporaryFolder();
        using var whole = Trained(Options(1600, interval: 2));
        var optimizer = whole.Adam();
        whole.Train(optimizer, 37);
        whole.Session.SaveState(folder.File("state.ncm"));
        ((OptimizerHelper)optimizer).save_state_dict(folder.File("optimizer.bin"));
        whole.Train(optimizer, 41);
        whole.Session.FreezeZeros();
        whole.Train(optimizer, 3);

        using var resumed = Trained(Options(1600, interval: 2));
        var second = resumed.Adam();
        resumed.Session.LoadState(folder.File("state.ncm"));
        ((OptimizerHelper)second).load_state_dict(folder.File("optimizer.bin"));
        resumed.Train(second, 41);
        Assert.Equal(whole.Session.BudgetFactor, resumed.Session.BudgetFactor);
        resumed.Session.FreezeZeros();
        resumed.Train(second, 3);
        TestModels.AssertEqual(whole.Model, resumed.Model);
        Assert.Equal(whole.Session.Budget!.Bytes, resumed.Session.Budget!.Bytes);

        using var other = Trained(Options(1700, interval: 2));
        Assert.Contains("budget", Assert.Throws<InvalidOperationException>(() => other.Session.LoadState(folder.File("state.ncm"))).Message, StringComparison.Ordinal);
    }

    private static CompressionOptions Options(long target, MappingKind mapping = MappingKind.Clamp, int interval = 100) => new()
    {
        Quantization = { OtherBits = 8 },
        Mapping = mapping,
        Loss = { Lambda = 1e-4, Mode = LossMode.Proximal, Weighting = LossWeighting.Rate, Growth = LossGrowth.ShrinkOnly },
        Noise = { Seed = 3 },
        Level = CompressionLevel.SmallestSize,
        TargetBytes = target,
        BudgetInterval = interval,
        BudgetSteps = 20 * interval,
    };

    private static SessionFixture Trained(CompressionOptions options) =>
        new(options, ScalarType.Float32, TestModels.WideMlp(hidden: 200), TestTensors.Random(5, ScalarType.Float32, 16, 32));

    private static void AssertNear(long real, long estimate) => Assert.InRange(estimate, real - Math.Max(40, real / 100.0), real + Math.Max(40, real / 100.0));
}
