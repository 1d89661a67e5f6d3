using NeuralCompression.Codec.Tests.Reference;
using NeuralCompression.Codec.Tests.Vectors;

namespace NeuralCompression.Codec.Tests.Updates;

/// <summary>The files of tests/vectors/updates: an update that must apply for ever, and those that must be refused.</summary>
public sealed class UpdateVectorTests
{
    private static readonly CompressedModelUpdateOptions Options = new() { Level = System.IO.Compression.CompressionLevel.Fastest, Limits = new DecodeLimits { MaxDecodedBytes = 1 << 21 } };

    public static TheoryData<string> Names => [.. HostileUpdates.All().Select(file => file.Name)];

    [Fact]
    public void Apply_GoldenUpdate_GivesTheGoldenModel()
    {
        byte[] before = Golden("base.ncm", () => UpdateSamples.Base());
        byte[] next = Golden("next.ncm", () => UpdateSamples.Next());
        byte[] update = Golden("update.ncmu", () => UpdateSamples.Create(before, next, UpdateSamples.Options()));
        using CompressedModelReader expected = Samples.Open(next);
        using CompressedModelReader actual = Samples.Open(UpdateSamples.Apply(before, update, UpdateSamples.Options()));
        Assert.Equal(expected.Tensors.Select(Describe), actual.Tensors.Select(Describe));
        Assert.All(expected.Tensors, tensor => Assert.Equal(Samples.Bytes(expected, tensor.Name), Samples.Bytes(actual, tensor.Name)));
        Assert.Equal(expected.Metadata, actual.Metadata);
        UpdateTests.AssertAgree(before, update, next);

        static string Describe(CompressedTensorInfo tensor) => $"{tensor.Name} {TensorShape.Format(tensor.Shape)} {tensor.ElementType} {tensor.Grid} {tensor.AliasOf}";
    }

    // Fails when the encoder's choices change, as the golden models do.
    [Fact]
    public void Create_SameModels_GivesTheGoldenBytes() =>
        Assert.Equal(
            Convert.ToHexString(File.ReadAllBytes(Path.Combine(VectorFiles.Updates, "update.ncmu"))),
            Convert.ToHexString(UpdateSamples.Create(UpdateSamples.Base(), UpdateSamples.Next(), UpdateSamples.Options())));

    [Theory]
    [MemberData(nameof(Names))]
    public void Apply_HostileUpdate_IsRefusedWithItsCodeAndMessage(string name)
    {
        byte[] forged = HostileUpdates.All().Single(file => file.Name == name).File;
        string path = Path.Combine(VectorFiles.Updates, name + ".ncmu");
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exception? refusal = Record.Exception(() => UpdateSamples.Apply(HostileUpdates.Base, forged, Options));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        InvalidDataException invalid = Assert.IsType<InvalidDataException>(refusal);
        if (!File.Exists(path) && VectorFiles.MayWrite)
        {
            File.WriteAllBytes(path, forged);
            File.AppendAllText(Path.Combine(VectorFiles.Updates, "manifest.tsv"), $"{name}\t{invalid.Message}\n");
        }

        Assert.Equal(Convert.ToHexString(File.ReadAllBytes(path)), Convert.ToHexString(forged));
        Assert.Equal(VectorFiles.Manifest(VectorFiles.Updates).Single(line => line[0] == name)[1], invalid.Message);
        Assert.Equal(Enum.Parse<ContainerError>(name.Split('-')[0]), invalid.Data["NeuralCompression.Error"]);
        Assert.InRange((long)invalid.Data["NeuralCompression.Offset"]!, 0, forged.Length);

        // Limits are a matter of the decoder.
        if (!name.StartsWith("LimitExceeded", StringComparison.Ordinal))
            Assert.NotNull(Record.Exception(() => ReferenceDecoder.Apply(HostileUpdates.Base, forged)));
    }

    private static byte[] Golden(string name, Func<byte[]> make)
    {
        string path = Path.Combine(VectorFiles.Updates, name);
        if (!File.Exists(path) && VectorFiles.MayWrite)
            File.WriteAllBytes(path, make());
        return File.ReadAllBytes(path);
    }
}
