using System.IO.Compression;

namespace NeuralCompression.Codec.Tests.Interchange;

/// <summary>From safetensors and back.</summary>
public sealed class SafetensorsConverterTests
{
    public static TheoryData<InterchangeType> Types => [.. Enum.GetValues<InterchangeType>()];

    // The whole file, header and all.
    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Fastest)]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.SmallestSize)]
    public void RoundTrip_FileOfTheReferenceLibrary_ComesBackByteForByte(CompressionLevel level)
    {
        using var folder = new SafetensorsFolder();
        RoundTrip(folder, SafetensorsReaderTests.ReferencePath, level);
        Assert.Equal(File.ReadAllBytes(SafetensorsReaderTests.ReferencePath), File.ReadAllBytes(folder["back.safetensors"]));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void RoundTrip_EveryTypeAndRank_KeepsEveryBit(InterchangeType type)
    {
        using var folder = new SafetensorsFolder();
        TensorDescription[] tensors = [new("matrix", type, [8, 40]), new("deep", type, [2, 1, 2, 1, 2, 1, 2, 1, 2, 3]), new("empty", type, [0, 7]), new("vector", type, [16])];
        byte[] data = new byte[tensors.Sum(tensor => tensor.ByteLength)];
        for (int i = 0; i < data.Length; i++)
            data[i] = (byte)((i * i * 7) >> (i % 5));
        using (SafetensorsWriter writer = SafetensorsWriter.Create(folder["model.safetensors"], tensors, new Dictionary<string, string> { ["b"] = "2", ["a"] = "1\n" }))
        {
            writer.Write(data);
            writer.Complete();
        }

        RoundTrip(folder, folder["model.safetensors"], CompressionLevel.Optimal);
        using SafetensorsReader before = SafetensorsReader.Open(folder["model.safetensors"]);
        using SafetensorsReader after = SafetensorsReader.Open(folder["back.safetensors"]);
        Assert.Equal(before.Metadata.OrderBy(text => text.Key), after.Metadata.OrderBy(text => text.Key));
        Assert.Equal(before.Tensors.Select(tensor => tensor.ToString()), after.Tensors.Select(tensor => tensor.ToString()));
        Assert.All(before.Tensors.Zip(after.Tensors), pair => Assert.Equal(SafetensorsFolder.Bytes(before, pair.First), SafetensorsFolder.Bytes(after, pair.Second)));
    }

    [Fact]
    public void RoundTrip_Shards_KeepsEveryTensor()
    {
        using var folder = new SafetensorsFolder();
        using (CompressedModelReader model = Samples.Open(Samples.Write("lenet-like")))
            SafetensorsConverter.Decompress(model, folder["m.safetensors"], maxShardBytes: 3000);
        Assert.Contains("m.safetensors.index.json", folder.Names);
        RoundTrip(folder, folder["m.safetensors.index.json"], CompressionLevel.Optimal);
        using SafetensorsReader before = SafetensorsReader.Open(folder["m.safetensors.index.json"]);
        using SafetensorsReader after = SafetensorsReader.Open(folder["back.safetensors"]);
        Assert.Equal(before.Tensors.Select(tensor => tensor.ToString()), after.Tensors.Select(tensor => tensor.ToString()));
        Assert.All(before.Tensors.Zip(after.Tensors), pair => Assert.Equal(SafetensorsFolder.Bytes(before, pair.First), SafetensorsFolder.Bytes(after, pair.Second)));
    }

    [Fact]
    public void Decompress_TensorsThatWouldBeMisaligned_ComeLongestElementsFirst()
    {
        using var folder = new SafetensorsFolder();
        byte[] file = Samples.Write(writer =>
        {
            writer.Add("flag", ElementType.Bool, [1], [1]);
            writer.Add("weight", [2], [1f, 2f]);
        });
        using (CompressedModelReader model = Samples.Open(file))
            SafetensorsConverter.Decompress(model, folder["m.safetensors"]);
        using SafetensorsReader reader = SafetensorsReader.Open(folder["m.safetensors"]);
        Assert.Equal(["weight", "flag"], reader.Tensors.Select(tensor => tensor.Name));
    }

    [Theory]
    [InlineData("F4 3")]
    [InlineData("F4 2,4")]
    [InlineData("F99 8")]
    [InlineData("C64")]
    [InlineData("C64 +1")]
    [InlineData("U8 9223372036854775807,9")]
    public void Decompress_TextThatLies_IsRefused(string text)
    {
        using var folder = new SafetensorsFolder();
        byte[] file = Samples.Write(writer =>
        {
            writer.Add("w", ElementType.UInt8, [3], [1, 2, 3]);
            writer.AddMetadata("ncm.tensor.w", text);
        });
        using CompressedModelReader model = Samples.Open(file);
        InvalidDataException refusal = Assert.Throws<InvalidDataException>(() => SafetensorsConverter.Decompress(model, folder["m.safetensors"]));
        Assert.Equal(ContainerError.Metadata, refusal.Data["NeuralCompression.Error"]);
        Assert.Empty(folder.Names);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Compress_Bits_StaysWithinHalfAStepOfTheWeights(bool perChannel)
    {
        using var folder = new SafetensorsFolder();
        float[] weights = WriteModel(folder);
        var options = new ModelConversionOptions { Bits = 8, PerChannel = perChannel, Exclude = ["*.skip*"] };
        CompressionReport report = Compress(folder, options);
        using CompressedModelReader model = CompressedModelReader.Open(folder["model.ncm"]);
        CompressedTensorInfo info = model["fc.weight"];
        Assert.True(info.IsQuantized);
        Assert.Equal(perChannel ? QuantizationGridKind.PerChannel : QuantizationGridKind.Uniform, info.Grid!.Kind);
        Assert.False(model["fc.bias"].IsQuantized);
        Assert.False(model["fc.skipped"].IsQuantized);
        Assert.False(model["fc.infinite"].IsQuantized);
        var decoded = new float[weights.Length];
        model.Decode(info, decoded);
        for (int i = 0; i < weights.Length; i++)
        {
            double step = perChannel ? info.Grid.StepSizes[i / 32] : info.Grid.StepSize;
            Assert.InRange(Math.Abs(decoded[i] - weights[i]), 0, (step / 2) + 1e-6);
        }

        Assert.Equal(new FileInfo(folder["model.ncm"]).Length, report.TotalBytes);
    }

    // Fewer bits, more error; a step per channel, less of it where scales differ.
    [Fact]
    public void Compress_Bits_OrdersErrors()
    {
        double[] errors = [.. new[] { 2, 3, 4, 6, 10 }.Select(bits => Error(new ModelConversionOptions { Bits = bits, Include = ["fc.weight"] }))];
        Assert.Equal(errors.OrderDescending(), errors);
        Assert.True(Error(new ModelConversionOptions { Bits = 4, PerChannel = true }) < 0.5 * Error(new ModelConversionOptions { Bits = 4 }));
    }

    [Fact]
    public void Compress_StepSize_IsTheGridOfTheFile()
    {
        using var folder = new SafetensorsFolder();
        float[] weights = WriteModel(folder);
        Compress(folder, new ModelConversionOptions { StepSize = 0.01, Include = ["fc.w*"] });
        using CompressedModelReader model = CompressedModelReader.Open(folder["model.ncm"]);
        Assert.Equal(QuantizationGrid.Uniform(0.01f), model["fc.weight"].Grid);
        var symbols = new short[weights.Length];
        model.DecodeSymbols(model["fc.weight"], symbols);
        var expected = new short[weights.Length];
        UniformQuantizer.Quantize(weights, 0.01, -32767, 32767, expected);
        Assert.Equal(expected, symbols);
        Assert.Contains("larger step", Assert.Throws<ArgumentException>(() => Compress(folder, new ModelConversionOptions { StepSize = 1e-6 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Compress_RateDistortion_MakesFilesSmaller()
    {
        using var folder = new SafetensorsFolder();
        WriteModel(folder);
        long nearest = Compress(folder, new ModelConversionOptions { Bits = 4 }).TotalBytes;
        Assert.True(Compress(folder, new ModelConversionOptions { Bits = 4, RateDistortion = 0.15 }).TotalBytes < nearest);
    }

    [Theory]
    [InlineData(9_500, false)]
    [InlineData(10_500, false)]
    [InlineData(10_500, true)]
    public void Compress_TargetBytes_IsKeptAndUsed(long target, bool perChannel)
    {
        using var folder = new SafetensorsFolder();
        WriteModel(folder);
        CompressionReport report = Compress(folder, new ModelConversionOptions { TargetBytes = target, PerChannel = perChannel, Exclude = ["*.skip*"] });
        Assert.Equal(new FileInfo(folder["model.ncm"]).Length, report.TotalBytes);
        Assert.InRange(report.TotalBytes, target * 0.97, target);
    }

    [Fact]
    public void Compress_TargetBytesThatCannotBe_SaysWhatCan()
    {
        using var folder = new SafetensorsFolder();
        WriteModel(folder);
        Assert.Contains("cannot be reached", Assert.Throws<ArgumentException>(() => Compress(folder, new ModelConversionOptions { TargetBytes = 100 })).Message, StringComparison.Ordinal);
        Assert.DoesNotContain("model.ncm", folder.Names);
    }

    [Fact]
    public void Compress_Cancelled_LeavesNothingAndTheOldFileWhole()
    {
        using var folder = new SafetensorsFolder();
        WriteModel(folder);
        File.WriteAllText(folder["model.ncm"], "old");
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        using SafetensorsReader reader = SafetensorsReader.Open(folder["model.safetensors"]);
        Assert.ThrowsAny<OperationCanceledException>(() => SafetensorsConverter.Compress(reader, folder["model.ncm"], null, cancellation.Token));
        Assert.Equal("old", File.ReadAllText(folder["model.ncm"]));
        Assert.Equal(["model.ncm", "model.safetensors"], folder.Names);
    }

    [Fact]
    public void Compress_Progress_RisesToOne()
    {
        using var folder = new SafetensorsFolder();
        WriteModel(folder);
        var told = new List<double>();
        Compress(folder, new ModelConversionOptions { TargetBytes = 10_000, Progress = new Listener(told) });
        Assert.Equal(told.Order(), told);
        Assert.InRange(told[^1], 0.8, 1);
    }

    [Fact]
    public void Compress_WhatCannotBeStored_IsRefused()
    {
        using var folder = new SafetensorsFolder();
        foreach (string header in (string[])[
            "{\"" + new string('n', 513) + "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
            """{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""",
            """{"__metadata__":{"ncm.tensor.a":"F4 2"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"""])
        {
            using SafetensorsReader reader = SafetensorsReader.Open(folder.Write(header, 1));
            Assert.Throws<NotSupportedException>(() => SafetensorsConverter.Compress(reader, folder["model.ncm"]));
        }

        Assert.Throws<ArgumentException>(() => Compress(folder, new ModelConversionOptions { Bits = 4, StepSize = 1 }));
    }

    private static double Error(ModelConversionOptions options)
    {
        using var folder = new SafetensorsFolder();
        float[] weights = WriteModel(folder);
        Compress(folder, options);
        using CompressedModelReader model = CompressedModelReader.Open(folder["model.ncm"]);
        var decoded = new float[weights.Length];
        model.Decode(model["fc.weight"], decoded);
        return weights.Zip(decoded, (left, right) => Math.Pow(left - right, 2)).Sum();
    }

    // Rows of scales from 1 to 1/8; a bias; a matrix not to be touched; one with an infinity.
    private static float[] WriteModel(SafetensorsFolder folder)
    {
        var random = new XorShift(5);
        float[] weights = [.. Enumerable.Range(0, 64 * 32).Select(i => (random.Next(2001) + random.Next(2001) + random.Next(2001) - 3000) / 3000f / (1 << (i / 32 % 4)))];
        TensorDescription[] tensors = [new("fc.weight", InterchangeType.F32, [64, 32]), new("fc.skipped", InterchangeType.F32, [64, 32]), new("fc.infinite", InterchangeType.F32, [2, 1]), new("fc.bias", InterchangeType.F32, [64])];
        using SafetensorsWriter writer = SafetensorsWriter.Create(folder["model.safetensors"], tensors);
        float[] all = [.. weights, .. weights, float.PositiveInfinity, 1, .. weights[..64]];
        writer.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(all));
        writer.Complete();
        return weights;
    }

    private static CompressionReport Compress(SafetensorsFolder folder, ModelConversionOptions options)
    {
        using SafetensorsReader reader = SafetensorsReader.Open(folder["model.safetensors"]);
        return SafetensorsConverter.Compress(reader, folder["model.ncm"], options);
    }

    private static void RoundTrip(SafetensorsFolder folder, string path, CompressionLevel level)
    {
        using (SafetensorsReader reader = SafetensorsReader.Open(path))
            SafetensorsConverter.Compress(reader, folder["model.ncm"], new ModelConversionOptions { Level = level });
        using CompressedModelReader model = CompressedModelReader.Open(folder["model.ncm"]);
        SafetensorsConverter.Decompress(model, folder["back.safetensors"]);
    }

    private sealed class Listener(List<double> told) : IProgress<double>
    {
        public void Report(double value) => told.Add(value);
    }
}
