using NeuralCompression.Codec.Tests.Reference;

namespace NeuralCompression.Codec.Tests.Container;

/// <summary>Texts that travel with a model: docs/format.md, section 4.8.</summary>
public sealed class MetadataTests
{
    [Fact]
    public void Metadata_OfAFile_IsWhatWasAdded()
    {
        byte[] file = Samples.Write("metadata");
        using CompressedModelReader reader = Samples.Open(file);
        var expected = new Dictionary<string, string>
        {
            ["licence"] = "MIT",
            [""] = "an empty key, and letters of 2 to 4 bytes: \u00E9 \u20AC \U0001F600",
            ["format"] = "",
        };
        Assert.Equal(expected, reader.Metadata.ToDictionary());
        Assert.Equal(expected, ReferenceDecoder.MetadataOf(file));
    }

    [Fact]
    public void Metadata_InAnyOrder_GivesTheSameFile()
    {
        // Beyond the first plane UTF-16 sorts otherwise than UTF-8.
        string[] keys = ["b", "a", "\uFFFD", "\U0001F600"];
        byte[] forward = Samples.Write(writer => Array.ForEach(keys, key => writer.AddMetadata(key, key)));
        byte[] backward = Samples.Write(writer => Array.ForEach([.. keys.Reverse()], key => writer.AddMetadata(key, key)));
        Assert.Equal(forward, backward);
        using CompressedModelReader reader = Samples.Open(forward);
        Assert.All(keys, key => Assert.Equal(key, reader.Metadata[key]));
    }

    [Fact]
    public void Metadata_OfAFileWithout_IsEmpty()
    {
        using CompressedModelReader reader = Samples.Open(Samples.Write("lenet-like"));
        Assert.Empty(reader.Metadata);
    }

    [Fact]
    public void AddMetadata_BadArguments_AreRefused() => Samples.Write(writer =>
    {
        writer.AddMetadata("key", "value");
        Assert.Throws<ArgumentException>("key", () => writer.AddMetadata("key", "other"));
        Assert.Throws<ArgumentException>("value", () => writer.AddMetadata("other", "\uD800"));
        Assert.Throws<ArgumentNullException>("key", () => writer.AddMetadata(null!, ""));
        Assert.Throws<ArgumentNullException>("value", () => writer.AddMetadata("other", null!));
    });

    // Values of the tables in the OCP Microscaling Formats specification, section 5.3.
    [Theory]
    [InlineData(ElementType.Float8E4M3, 0x00, 0f)]
    [InlineData(ElementType.Float8E4M3, 0x01, 0.001953125f)]
    [InlineData(ElementType.Float8E4M3, 0x07, 0.013671875f)]
    [InlineData(ElementType.Float8E4M3, 0x08, 0.015625f)]
    [InlineData(ElementType.Float8E4M3, 0x38, 1f)]
    [InlineData(ElementType.Float8E4M3, 0x7E, 448f)]
    [InlineData(ElementType.Float8E4M3, 0xFE, -448f)]
    [InlineData(ElementType.Float8E4M3, 0xFF, float.NaN)]
    [InlineData(ElementType.Float8E5M2, 0x01, 0.0000152587890625f)]
    [InlineData(ElementType.Float8E5M2, 0x7B, 57344f)]
    [InlineData(ElementType.Float8E5M2, 0xFC, float.NegativeInfinity)]
    [InlineData(ElementType.Float8E5M2, 0x7D, float.NaN)]
    [InlineData(ElementType.Float8E8M0, 0x00, 5.877471754111438e-39f)]
    [InlineData(ElementType.Float8E8M0, 0x7F, 1f)]
    [InlineData(ElementType.Float8E8M0, 0xFE, 1.7014118346046923e38f)]
    [InlineData(ElementType.Float8E8M0, 0xFF, float.NaN)]
    [InlineData(ElementType.UInt8, 0xFF, 255f)]
    public void Decode_OneByteTypes_GivesTheValuesOfTheirSpecification(ElementType type, int bits, float expected)
    {
        using CompressedModelReader reader = Samples.Open(Samples.Write(writer => writer.Add("w", type, [1], [(byte)bits])));
        var value = new float[1];
        reader.Decode(reader["w"], value);
        Assert.Equal(BitConverter.SingleToInt32Bits(float.IsNaN(expected) ? float.NaN : expected), BitConverter.SingleToInt32Bits(float.IsNaN(value[0]) ? float.NaN : value[0]));
    }

    [Theory]
    [InlineData(ElementType.UInt16, 65_535.0)]
    [InlineData(ElementType.UInt32, 4_294_967_295.0)]
    [InlineData(ElementType.UInt64, 18_446_744_073_709_551_615.0)]
    public void Decode_UnsignedTypes_AreNotNegative(ElementType type, double expected)
    {
        byte[] ones = Enumerable.Repeat((byte)0xFF, type.Size()).ToArray();
        using CompressedModelReader reader = Samples.Open(Samples.Write(writer => writer.Add("w", type, [1], ones)));
        var value = new double[1];
        reader.Decode(reader["w"], value);
        Assert.Equal(expected, value[0]);
    }
}
