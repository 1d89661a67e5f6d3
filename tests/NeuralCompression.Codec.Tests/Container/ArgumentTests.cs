using System.IO.Compression;

namespace NeuralCompression.Codec.Tests.Container;

public sealed class ArgumentTests
{
    private static readonly QuantizationGrid Grid = QuantizationGrid.Uniform(1);

    [Fact]
    public void Add_BadArguments_AreRefusedAndTheWriterGoesOn()
    {
        using var stream = new MemoryStream();
        using var writer = CompressedModelWriter.Create(stream, leaveOpen: true);
        writer.Add("w", [1], [1f]);
        Assert.Throws<ArgumentException>(() => writer.Add("w", [1], [1f]));
        Assert.Throws<ArgumentException>(() => writer.Add("", [1], [1f]));
        Assert.Throws<ArgumentException>(() => writer.Add("\uD800", [1], [1f]));
        Assert.Throws<ArgumentException>(() => writer.Add(new string('n', 513), [1], [1f]));
        Assert.Throws<ArgumentNullException>(() => writer.Add(null!, [1], [1f]));
        Assert.Throws<ArgumentNullException>(() => writer.Add("x", null!));
        Assert.Throws<ArgumentException>(() => writer.Add("x", [2], [1f]));
        Assert.Throws<ArgumentException>(() => writer.Add("x", [-1], [1f]));
        Assert.Throws<ArgumentException>(() => writer.Add("x", [1, 1, 1, 1, 1, 1, 1, 1, 1], [1f]));
        Assert.Throws<ArgumentException>(() => writer.Add("x", ElementType.Float32, [1], new byte[5]));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Add("x", (ElementType)99, [1], new byte[4]));
        Assert.Throws<ArgumentException>(() => writer.AddAlias("x", "y"));
        writer.AddAlias("tied", "w");
        Assert.Throws<ArgumentException>(() => writer.AddAlias("x", "tied"));
        writer.Add("größe/重み", [1], [2f]);
        writer.Complete();
        Assert.Throws<InvalidOperationException>(() => writer.Add("x", [1], [1f]));
        stream.Position = 0;
        using var reader = CompressedModelReader.Open(stream);
        Assert.Equal(["w", "tied", "größe/重み"], reader.Tensors.Select(tensor => tensor.Name));
        Assert.Equal("w", reader["tied"].AliasOf);
        Assert.False(reader.TryGet("x", out _));
        Assert.Throws<KeyNotFoundException>(() => reader["x"]);
    }

    [Fact]
    public void Create_BadArguments_AreRefused()
    {
        Assert.Throws<ArgumentNullException>(() => CompressedModelWriter.Create((string)null!));
        Assert.Throws<ArgumentException>(() => CompressedModelWriter.Create(""));
        Assert.Throws<ArgumentNullException>(() => CompressedModelWriter.Create((Stream)null!));
        Assert.Throws<ArgumentException>(() => CompressedModelWriter.Create(new MemoryStream([], writable: false)));
        Assert.Throws<ArgumentOutOfRangeException>(() => CompressedModelWriter.Create(new MemoryStream(), (CompressionLevel)9));
        Assert.Throws<FileNotFoundException>(() => CompressedModelReader.Open(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName())));
    }

    [Fact]
    public void Decode_BadArguments_AreRefused()
    {
        byte[] file = Samples.Write("lenet-like");
        using var other = Samples.Open(file);
        var reader = Samples.Open(file);
        CompressedTensorInfo bias = reader["fc1.bias"];
        Assert.Throws<ArgumentNullException>(() => reader.Decode(null!, new float[30]));
        Assert.Throws<ArgumentException>(() => reader.Decode(bias, new float[29]));
        Assert.Throws<ArgumentException>(() => reader.Decode(other["fc1.bias"], new float[30]));
        Assert.Throws<InvalidOperationException>(() => reader.DecodeSymbols(bias, new sbyte[30]));
        float[] longer = new float[31];
        longer[30] = 7;
        reader.Decode(bias, longer);
        Assert.Equal(7, longer[30]);
        reader.Dispose();
        Assert.Throws<ObjectDisposedException>(() => reader.Decode(bias, new float[30]));
        using var wide = Samples.Open(Samples.Write("wide"));
        Assert.Throws<InvalidOperationException>(() => wide.DecodeSymbols(wide["wide"], new sbyte[300]));
    }

    [Fact]
    public void Grid_BadArguments_AreRefused()
    {
        foreach (double step in new[] { 0, -1, double.NaN, double.PositiveInfinity })
            Assert.Throws<ArgumentOutOfRangeException>(() => QuantizationGrid.Uniform(step));
        Assert.Throws<ArgumentOutOfRangeException>(() => QuantizationGrid.PerChannel([1, 0]));
        Assert.Throws<ArgumentOutOfRangeException>(() => QuantizationGrid.PerChannel([1], -1));
        Assert.Throws<ArgumentException>(() => QuantizationGrid.Codebook([], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => QuantizationGrid.Codebook([1, 2], short.MaxValue));
        Assert.Throws<ArgumentOutOfRangeException>(() => QuantizationGrid.Codebook([float.NaN], 0));
        Assert.Throws<ArgumentException>(() => QuantizedTensor.FromSymbols(new sbyte[4], [2, 2], QuantizationGrid.PerChannel([1, 2, 3])));
        Assert.Throws<ArgumentException>(() => QuantizedTensor.FromSymbols(new sbyte[] { 2 }, [1], QuantizationGrid.Codebook([1, 2], 0)));
        Assert.Throws<ArgumentException>(() => QuantizedTensor.FromSymbols(new sbyte[4], [5], Grid));
        Assert.Throws<ArgumentOutOfRangeException>(() => QuantizedTensor.FromSymbols(new sbyte[4], [4], Grid, ElementType.Int8));
        Assert.Throws<ArgumentNullException>(() => QuantizedTensor.FromSymbols(new sbyte[4], [4], null!));
    }

    [Fact]
    public void Grid_Equality_ComparesStoredBits()
    {
        Assert.Equal(QuantizationGrid.Uniform(0.5), QuantizationGrid.Uniform(0.5));
        Assert.True(QuantizationGrid.PerChannel([1, 2]) == QuantizationGrid.PerChannel([1, 2]));
        Assert.True(QuantizationGrid.PerChannel([1, 2]) != QuantizationGrid.PerChannel([1, 2], 1));
        Assert.NotEqual(QuantizationGrid.Codebook([0f], 0), QuantizationGrid.Codebook([-0f], 0));
        Assert.Equal(QuantizationGrid.Codebook([1], 3).GetHashCode(), QuantizationGrid.Codebook([1], 3).GetHashCode());
    }

    [Fact]
    public void Limits_EveryProperty_IsValidatedAndKept()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new DecodeLimits { MaxIndexBytes = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new DecodeLimits { MaxTensors = -1 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new DecodeLimits { MaxRank = 16 });
        byte[] file = Samples.Write("lenet-like");
        (DecodeLimits, string)[] cases =
        [
            (new DecodeLimits { MaxIndexBytes = 20 }, "MaxIndexBytes"), (new DecodeLimits { MaxTensors = 4 }, "MaxTensors"), (new DecodeLimits { MaxNameBytes = 9 }, "MaxNameBytes"),
            (new DecodeLimits { MaxRank = 1 }, "MaxRank"), (new DecodeLimits { MaxElementsPerTensor = 1199 }, "MaxElementsPerTensor"),
            (new DecodeLimits { MaxDecodedBytesPerTensor = 4799 }, "MaxDecodedBytesPerTensor"), (new DecodeLimits { MaxDecodedBytes = 7359 }, "MaxDecodedBytes"),
        ];
        foreach ((DecodeLimits limits, string name) in cases)
        {
            var exception = Assert.Throws<InvalidDataException>(() => Samples.Open(file, limits));
            Assert.Equal(ContainerError.LimitExceeded, exception.Data["NeuralCompression.Error"]);
            Assert.Equal(name, exception.Data["NeuralCompression.Limit"]);
        }

        Samples.Open(file, new DecodeLimits { MaxIndexBytes = 200, MaxTensors = 5, MaxNameBytes = 11, MaxRank = 2, MaxElementsPerTensor = 1200, MaxDecodedBytesPerTensor = 4800, MaxDecodedBytes = 7360 }).Dispose();
    }

    [Fact]
    public void EmptyModel_RoundTrips()
    {
        using var reader = Samples.Open(Samples.Write(_ => { }));
        Assert.Empty(reader.Tensors);
    }
}
