using System.IO.Compression;
using CsCheck;
using NeuralCompression.Codec.Tests.Reference;
using NeuralCompression.Codec.Tests.Robustness;

namespace NeuralCompression.Codec.Tests.Updates;

/// <summary>An update leads from a model to the next one, exactly, and from no other.</summary>
public sealed class UpdateTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("ncm");

    public void Dispose() => folder.Delete(recursive: true);

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Fastest)]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.SmallestSize)]
    public void Apply_EveryKindOfChange_GivesTheNextFileByteForByte(CompressionLevel level)
    {
        byte[] update = UpdateSamples.Create(UpdateSamples.Base(), UpdateSamples.Next(), UpdateSamples.Options(level), out CompressedModelUpdateReport report);
        Assert.Equal(Convert.ToHexString(UpdateSamples.Next(level)), Convert.ToHexString(UpdateSamples.Apply(UpdateSamples.Base(), update, UpdateSamples.Options(level))));
        AssertAgree(UpdateSamples.Base(), update, UpdateSamples.Next());
        if (level != CompressionLevel.SmallestSize)
            return;

        // frozen; all that moved; the new ones and the one of another shape; the two aliases.
        Assert.Equal((1, 12, 3, 2), (report.UnchangedTensors, report.DifferenceTensors, report.FullTensors, report.AliasTensors));
        Assert.InRange(update.Length, 1, UpdateSamples.Next().Length / 2);
    }

    [Fact]
    public void Create_BaseAtAnotherLevelAndCut_GivesTheSameUpdateAndCanTakeIt()
    {
        byte[] other = Samples.Write(writer => Copy(UpdateSamples.Base(), writer), CompressionLevel.Fastest);
        Assert.NotEqual(UpdateSamples.Base().Length, other.Length);
        byte[] update = UpdateSamples.Create(UpdateSamples.Base(), UpdateSamples.Next(), UpdateSamples.Options());
        Assert.Equal(Convert.ToHexString(update), Convert.ToHexString(UpdateSamples.Create(other, UpdateSamples.Next(CompressionLevel.Fastest), UpdateSamples.Options())));
        Assert.Equal(UpdateSamples.Next(), UpdateSamples.Apply(other, update, UpdateSamples.Options()));
    }

    [Fact]
    public void Create_OnSeveralThreads_GivesTheSameFiles()
    {
        var threads = new CompressedModelUpdateOptions { SegmentBytes = UpdateSamples.SegmentBytes, MaxDegreeOfParallelism = 3 };
        byte[] update = UpdateSamples.Create(UpdateSamples.Base(), UpdateSamples.Next(), UpdateSamples.Options());
        Assert.Equal(update, UpdateSamples.Create(UpdateSamples.Base(), UpdateSamples.Next(), threads));
        Assert.Equal(UpdateSamples.Next(), UpdateSamples.Apply(UpdateSamples.Base(), update, threads));
    }

    [Fact]
    public void Create_SameModel_StoresNothingButTheList()
    {
        byte[] update = UpdateSamples.Create(UpdateSamples.Base(), UpdateSamples.Base(CompressionLevel.Fastest), UpdateSamples.Options(), out CompressedModelUpdateReport report);
        Assert.Equal((15, 0, 0, 1), (report.UnchangedTensors, report.DifferenceTensors, report.FullTensors, report.AliasTensors));

        // Header 7, number of stored tensors 1, record 41 and 18, checksum 4.
        Assert.Equal(71, update.Length);
        Assert.Equal(UpdateSamples.Base(), UpdateSamples.Apply(UpdateSamples.Base(), update, UpdateSamples.Options()));
    }

    [Fact]
    public void Create_NothingInCommon_IsNotLargerThanTheModel()
    {
        byte[] next = Samples.Write(writer => Samples.Fill(writer, "classified"), CompressionLevel.SmallestSize);
        byte[] update = UpdateSamples.Create(UpdateSamples.Base(), next, new CompressedModelUpdateOptions(), out CompressedModelUpdateReport report);
        Assert.Equal(0, report.DifferenceTensors + report.UnchangedTensors);
        Assert.InRange(update.Length, 1, next.Length + 60);
        Assert.Equal(next, UpdateSamples.Apply(UpdateSamples.Base(), update, new CompressedModelUpdateOptions()));
    }

    [Fact]
    public void Create_SymbolsFarApart_StoresTheTensorAsItIs()
    {
        byte[] low = Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(new short[] { -32768, 0, 5 }, [3], QuantizationGrid.Uniform(1))));
        byte[] high = Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(new short[] { 32767, 0, 5 }, [3], QuantizationGrid.Uniform(1))));
        byte[] update = UpdateSamples.Create(low, high, new CompressedModelUpdateOptions(), out CompressedModelUpdateReport report);
        Assert.Equal(1, report.FullTensors);
        Assert.Equal(high, UpdateSamples.Apply(low, update, new CompressedModelUpdateOptions { Level = CompressionLevel.Optimal }));
    }

    [Fact]
    public void Create_NewCodebook_StoresTheTensorAsItIs()
    {
        byte[] before = Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(new sbyte[] { 0, 1, 2, 2 }, [4], QuantizationGrid.Codebook([1, 2, 3], 0))));
        byte[] next = Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(new sbyte[] { 0, 1, 2, 2 }, [4], QuantizationGrid.Codebook([1, 2, 4], 0))));
        byte[] update = UpdateSamples.Create(before, next, new CompressedModelUpdateOptions(), out CompressedModelUpdateReport report);
        Assert.Equal(1, report.FullTensors);
        Assert.Equal(next, UpdateSamples.Apply(before, update, new CompressedModelUpdateOptions { Level = CompressionLevel.Optimal }));
    }

    // The differences of a sparse layer cost what their classes let one expect: sorted, less than as they stand.
    [Fact]
    public void Create_SparseLayer_PaysForWhatMovedOnly()
    {
        sbyte[] symbols = Samples.Structured(300, 784, 5, 3);
        sbyte[] next = UpdateSamples.Moved(symbols, 6, 26, 0);
        byte[] before = Layer(symbols);
        byte[] after = Layer(next);
        byte[] update = UpdateSamples.Create(before, after, new CompressedModelUpdateOptions());
        byte[] unsorted = Layer([.. symbols.Zip(next, (old, symbol) => (sbyte)(symbol - old))]);
        Assert.InRange(update.Length, 1, unsorted.Length - 1);
        Assert.Equal(after, UpdateSamples.Apply(before, update, new CompressedModelUpdateOptions()));

        static byte[] Layer(sbyte[] symbols) => Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, [300, 784], QuantizationGrid.Uniform(0.1))), CompressionLevel.SmallestSize);
    }

    [Fact]
    public void Apply_RandomModels_AgreesWithTheReferenceDecoder() =>
        Gen.Select(Generators.Tensor, Generators.Tensor, Gen.Enum<CompressionLevel>(), Gen.ULong).Sample(
            (first, second, level, seed) =>
            {
                byte[] before = Samples.Write(writer => Fill(writer, first, second), CompressionLevel.Fastest);
                byte[] next = Samples.Write(writer => Fill(writer, second, Changed(first, seed)), level);
                byte[] near = Samples.Write(writer => Fill(writer, Changed(first, seed), second), level);
                var options = new CompressedModelUpdateOptions { Level = level };
                Assert.Equal(near, UpdateSamples.Apply(before, UpdateSamples.Create(before, near, options), options));
                byte[] update = UpdateSamples.Create(before, next, options);
                Assert.Equal(next, UpdateSamples.Apply(before, update, options));
                AssertAgree(before, update, next);
            },
            iter: 100,
            seed: "0000000000001",
            threads: 1);

    // Every version is quantised from the true weights, never from what the receiver has, and arrives exactly: errors cannot add up.
    [Fact]
    public void Apply_ChainOfTwentyLossyUpdates_DoesNotDrift()
    {
        const float Step = 0.02f;
        var random = new XorShift(9);
        float[] truth = [.. Enumerable.Range(0, 40 * 60).Select(_ => (random.Next(2001) - 1000) / 5000f)];
        byte[] receiver = Model();
        for (int version = 1; version <= 20; version++)
        {
            foreach (ref float weight in truth.AsSpan())
                weight += (random.Next(2001) - 1000) / 100_000f;
            byte[] sender = Model();
            byte[] update = UpdateSamples.Create(receiver, sender, new CompressedModelUpdateOptions());
            receiver = UpdateSamples.Apply(receiver, update, new CompressedModelUpdateOptions());
            Assert.Equal(sender, receiver);
            Assert.InRange(update.Length, 1, sender.Length - 1);
            using CompressedModelReader reader = Samples.Open(receiver);
            var values = new float[truth.Length];
            reader.Decode(reader["w"], values);
            for (int i = 0; i < values.Length; i++)
                Assert.InRange(Math.Abs(values[i] - truth[i]), 0, (Step / 2) + 1e-6);
        }

        byte[] Model() => Samples.Write(
            writer => writer.Add("w", QuantizedTensor.FromSymbols(Array.ConvertAll(truth, weight => (sbyte)Math.Round(weight / Step)), [40, 60], QuantizationGrid.Uniform(Step))),
            CompressionLevel.SmallestSize);
    }

    [Fact]
    public void Apply_StreamThatCannotSeek_IsReadOnce()
    {
        byte[] update = UpdateSamples.Create(UpdateSamples.Base(), UpdateSamples.Next(), UpdateSamples.Options());
        using CompressedModelReader baseModel = Samples.Open(UpdateSamples.Base());
        using var output = new MemoryStream();
        var options = new CompressedModelUpdateOptions { SegmentBytes = UpdateSamples.SegmentBytes, Limits = new DecodeLimits { MaxBufferedBytes = 0 } };
        CompressedModelUpdate.Apply(baseModel, new ForwardOnlyStream(update, 1 << 10), output, options);
        Assert.Equal(UpdateSamples.Next(), output.ToArray());
    }

    [Fact]
    public void Paths_CreateAndApply_ReportProgressAndLeaveTheirFilesOnly()
    {
        (string before, string next) = Models();
        string update = InFolder("update.ncmu");
        string result = InFolder("result.ncm");
        var told = new List<double>();
        var options = new CompressedModelUpdateOptions { SegmentBytes = UpdateSamples.SegmentBytes, Progress = new Listener(told.Add) };
        CompressedModelUpdateReport report = CompressedModelUpdate.Create(before, next, update, options);
        Assert.Equal(new FileInfo(update).Length, report.TotalBytes);
        AssertRises(told);
        told.Clear();
        CompressionReport model = CompressedModelUpdate.Apply(before, update, result, options);
        AssertRises(told);
        Assert.Equal(File.ReadAllBytes(next), File.ReadAllBytes(result));
        Assert.Equal(new FileInfo(result).Length, model.TotalBytes);
        Assert.Equal(4, folder.GetFiles().Length);

        static void AssertRises(List<double> told)
        {
            Assert.Equal(told.Order(), told);
            Assert.InRange(told[^1], 0.5, 1);
        }
    }

    [Fact]
    public void Apply_AnotherBase_SaysWhatToDoAndTouchesNothing()
    {
        (string before, string next) = Models();
        string update = InFolder("update.ncmu");
        string result = InFolder("result.ncm");
        CompressedModelUpdate.Create(before, next, update);
        File.WriteAllText(result, "old");
        InvalidDataException refusal = Assert.Throws<InvalidDataException>(() => CompressedModelUpdate.Apply(next, update, result));
        Assert.Equal(ContainerError.UpdateBase, refusal.Data["NeuralCompression.Error"]);
        Assert.Contains("apply it to the model it was made from", refusal.Message, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(result));
        Assert.Equal(4, folder.GetFiles().Length);
    }

    // One text more, another name, another step, a value: each is another base.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Apply_BaseThatDiffersInOneThing_IsRefused(int what)
    {
        byte[] right = Model(-1);
        byte[] update = UpdateSamples.Create(right, Samples.Write("lenet-like"), new CompressedModelUpdateOptions());
        InvalidDataException refusal = Assert.Throws<InvalidDataException>(() => UpdateSamples.Apply(Model(what), update, new CompressedModelUpdateOptions()));
        Assert.Equal(ContainerError.UpdateBase, refusal.Data["NeuralCompression.Error"]);

        static byte[] Model(int what) => Samples.Write(writer =>
        {
            writer.Add(what == 0 ? "v" : "w", QuantizedTensor.FromSymbols(new sbyte[] { 1, 2, (sbyte)(what == 1 ? 4 : 3) }, what == 2 ? [1, 3] : [3], QuantizationGrid.Uniform(what == 3 ? 2 : 1)));
            if (what == 4)
                writer.AddMetadata("a", "b");
        });
    }

    [Fact]
    public void Open_UpdateAsModelOrModelAsUpdate_IsRefused()
    {
        (string before, string next) = Models();
        string update = InFolder("update.ncmu");
        CompressedModelUpdate.Create(before, next, update);
        Assert.Equal(ContainerError.NotAModel, Assert.Throws<InvalidDataException>(() => CompressedModelReader.Open(update)).Data["NeuralCompression.Error"]);
        Assert.Equal(ContainerError.NotAModel, Assert.Throws<InvalidDataException>(() => CompressedModelUpdate.Apply(update, update, InFolder("x.ncm"))).Data["NeuralCompression.Error"]);
        Assert.Equal(ContainerError.NotAnUpdate, Assert.Throws<InvalidDataException>(() => CompressedModelUpdate.Apply(before, next, InFolder("x.ncm"))).Data["NeuralCompression.Error"]);
        Assert.Equal(3, folder.GetFiles().Length);
    }

    [Fact]
    public void Paths_OutputIsAnInput_IsRefused()
    {
        (string before, string next) = Models();
        string update = InFolder("update.ncmu");
        CompressedModelUpdate.Create(before, next, update);
        string link = InFolder("link.ncm");
        File.CreateSymbolicLink(link, before);
        Assert.All([before, update, link, Path.Combine(folder.FullName, ".", "base.ncm")], output => Assert.Throws<ArgumentException>("outputPath", () => CompressedModelUpdate.Apply(before, update, output)));
        Assert.All([before, next], output => Assert.Throws<ArgumentException>("updatePath", () => CompressedModelUpdate.Create(before, next, output)));
        Assert.Equal(UpdateSamples.Base(), File.ReadAllBytes(before));
    }

    [Fact]
    public void Paths_Cancelled_LeaveNothing()
    {
        (string before, string next) = Models();
        string update = InFolder("update.ncmu");
        using var stop = new CancellationTokenSource();
        int calls = 0;
        var options = new CompressedModelUpdateOptions
        {
            Progress = new Listener(_ =>
            {
                if (++calls == 5)
                    stop.Cancel();
            }),
        };
        Assert.Throws<OperationCanceledException>(() => CompressedModelUpdate.Create(before, next, update, options, stop.Token));
        Assert.Equal(2, folder.GetFiles().Length);
        CompressedModelUpdate.Create(before, next, update);
        Assert.ThrowsAny<OperationCanceledException>(() => CompressedModelUpdate.Apply(before, update, InFolder("result.ncm"), cancellationToken: new CancellationToken(canceled: true)));
        Assert.Equal(3, folder.GetFiles().Length);
    }

    [Fact]
    public void Misuse_Throws()
    {
        using var model = Samples.Open(UpdateSamples.Base());
        using var closed = Samples.Open(UpdateSamples.Base());
        closed.Dispose();
        byte[] update = UpdateSamples.Create(UpdateSamples.Base(), UpdateSamples.Next(), UpdateSamples.Options());
        using var unreadable = new FileStream(Path.Combine(folder.FullName, "file"), FileMode.Create, FileAccess.Write);
        using var output = new MemoryStream();
        Assert.Throws<ArgumentNullException>(() => new CompressedModelUpdateOptions { Limits = null! });
        Assert.Throws<ArgumentNullException>(() => CompressedModelUpdate.Create(null!, model, output));
        Assert.Throws<ArgumentNullException>(() => CompressedModelUpdate.Create(model, null!, output));
        Assert.Throws<ArgumentNullException>(() => CompressedModelUpdate.Create(model, model, null!));
        Assert.Throws<ArgumentNullException>(() => CompressedModelUpdate.Apply(null!, new MemoryStream(update), output));
        Assert.Throws<ArgumentNullException>(() => CompressedModelUpdate.Apply(model, null!, output));
        Assert.Throws<ArgumentNullException>(() => CompressedModelUpdate.Apply(model, new MemoryStream(update), null!));
        Assert.Throws<ArgumentException>(() => CompressedModelUpdate.Apply(model, unreadable, output));
        Assert.Throws<ArgumentException>(() => CompressedModelUpdate.Create(model, model, new MemoryStream(update, writable: false)));
        Assert.Throws<ObjectDisposedException>(() => CompressedModelUpdate.Create(closed, model, output));
        Assert.Throws<ObjectDisposedException>(() => CompressedModelUpdate.Create(model, closed, output));
        Assert.Throws<ObjectDisposedException>(() => CompressedModelUpdate.Apply(closed, new MemoryStream(update), output));
        Assert.Equal(0, output.Length);
    }

    [Fact]
    public void Apply_ModelOverTheLimits_IsRefused()
    {
        byte[] update = UpdateSamples.Create(UpdateSamples.Base(), UpdateSamples.Next(), UpdateSamples.Options());
        var options = new CompressedModelUpdateOptions { Limits = new DecodeLimits { MaxDecodedBytes = 20_000 } };
        InvalidDataException refusal = Assert.Throws<InvalidDataException>(() => UpdateSamples.Apply(UpdateSamples.Base(), update, options));
        Assert.Equal(nameof(DecodeLimits.MaxDecodedBytes), refusal.Data["NeuralCompression.Limit"]);
    }

    internal static void AssertAgree(byte[] before, byte[] update, byte[] next)
    {
        (List<ReferenceDecoder.Tensor> expected, Dictionary<string, string> texts) = ReferenceDecoder.Apply(before, update);
        List<ReferenceDecoder.Tensor> actual = ReferenceDecoder.Decode(next);
        Assert.Equal(actual.Select(tensor => (tensor.Name, tensor.AliasOf)), expected.Select(tensor => (tensor.Name, tensor.AliasOf)));
        foreach ((ReferenceDecoder.Tensor left, ReferenceDecoder.Tensor right) in actual.Zip(expected))
        {
            Assert.Equal(Convert.ToHexString(left.Bytes), Convert.ToHexString(right.Bytes));
            Assert.Equal(left.Symbols, right.Symbols);
        }

        Assert.Equal(ReferenceDecoder.MetadataOf(next).OrderBy(text => text.Key, StringComparer.Ordinal), texts.OrderBy(text => text.Key, StringComparer.Ordinal));
    }

    private static void Fill(CompressedModelWriter writer, QuantizedTensor first, QuantizedTensor second)
    {
        writer.Add("first", first);
        writer.Add("second", second);
        writer.AddAlias("third", "first");
        byte[] floats = new byte[4 * first.Length];
        var values = new float[first.Length];
        first.Dequantize(values);
        Buffer.BlockCopy(values, 0, floats, 0, floats.Length);
        writer.Add("floats", ElementType.Float32, first.Shape, floats);
    }

    // Some symbols move by one, within the codebook where there is one.
    private static QuantizedTensor Changed(QuantizedTensor tensor, ulong seed)
    {
        var random = new XorShift(seed);
        short[] symbols = tensor.TryGetSymbols(out ReadOnlyMemory<sbyte> narrow) ? Array.ConvertAll(narrow.ToArray(), symbol => (short)symbol)
            : tensor.TryGetSymbols(out ReadOnlyMemory<short> wide) ? wide.ToArray() : [];
        foreach (ref short symbol in symbols.AsSpan())
        {
            if (random.Next(8) == 0)
                symbol = (short)Math.Clamp(symbol + random.Next(3) - 1, tensor.MinSymbol, tensor.MaxSymbol);
        }

        return QuantizedTensor.FromSymbols(symbols, tensor.Shape, tensor.Grid, tensor.ElementType);
    }

    private static void Copy(byte[] file, CompressedModelWriter writer)
    {
        using CompressedModelReader reader = Samples.Open(file);
        foreach (CompressedTensorInfo tensor in reader.Tensors)
        {
            if (tensor.AliasOf is not null)
            {
                writer.AddAlias(tensor.Name, tensor.AliasOf);
            }
            else if (tensor.IsQuantized)
            {
                var symbols = new short[tensor.Length];
                reader.DecodeSymbols(tensor, symbols);
                writer.Add(tensor.Name, QuantizedTensor.FromSymbols(symbols, tensor.Shape, tensor.Grid!, tensor.ElementType));
            }
            else
            {
                writer.Add(tensor.Name, tensor.ElementType, tensor.Shape, Samples.Bytes(reader, tensor.Name));
            }
        }

        foreach ((string key, string value) in reader.Metadata)
            writer.AddMetadata(key, value);
    }

    private (string Base, string Next) Models()
    {
        File.WriteAllBytes(InFolder("base.ncm"), UpdateSamples.Base());
        File.WriteAllBytes(InFolder("next.ncm"), UpdateSamples.Next());
        return (InFolder("base.ncm"), InFolder("next.ncm"));
    }

    private string InFolder(string name) => Path.Combine(folder.FullName, name);

    private sealed class Listener(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
