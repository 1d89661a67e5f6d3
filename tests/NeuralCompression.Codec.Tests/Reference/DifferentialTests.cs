using System.IO.Compression;
using CsCheck;
using NeuralCompression.Codec.Tests.Vectors;

namespace NeuralCompression.Codec.Tests.Reference;

/// <summary>The product and the decoder written from the document must agree, on valid files and on what is refused.</summary>
public sealed class DifferentialTests
{
    [Fact]
    public void Decode_GoldenFiles_AgreesWithTheReferenceDecoder()
    {
        foreach (string path in Directory.EnumerateFiles(VectorFiles.Valid, "*.ncm"))
            AssertAgree(File.ReadAllBytes(path));
    }

    [Fact]
    public void Decode_RandomFiles_AgreesWithTheReferenceDecoder() =>
        Gen.Select(Generators.Tensor, Generators.Tensor, Gen.Enum<CompressionLevel>()).SampleRepeatably(
            (first, second, level) => AssertAgree(Samples.Write(
                writer =>
                {
                    writer.Add("first", first);
                    writer.Add("first.second", second);
                    writer.AddAlias("third", "first");
                },
                level)),
            iter: 300);

    [Fact]
    public void Decode_HostileFiles_TheReferenceDecoderRefusesThemToo()
    {
        // Limits are a matter of the decoder, and a number or grid that its simple arithmetic cannot hold is no concern of the reference.
        foreach ((string name, byte[] file) in HostileFiles.All().Where(file => !file.Name.StartsWith("LimitExceeded", StringComparison.Ordinal) && !file.Name.StartsWith("Grid", StringComparison.Ordinal)))
        {
            if (name is "Name-not-utf8" or "SymbolRange-too-wide" or "SymbolRange-codebook" or "SymbolRange-empty-tensor" or "Coding-empty-tensor" or "PayloadLength-zero")
                continue;
            Assert.NotNull(Record.Exception(() => ReferenceDecoder.Decode(file)));
        }
    }

    internal static void AssertAgree(byte[] file)
    {
        List<ReferenceDecoder.Tensor> expected = ReferenceDecoder.Decode(file);
        using var reader = Samples.Open(file);
        Assert.Equal(expected.Count, reader.Tensors.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            CompressedTensorInfo actual = reader.Tensors[i];
            Assert.Equal(expected[i].Name, actual.Name);
            Assert.Equal(expected[i].AliasOf < 0 ? null : expected[expected[i].AliasOf].Name, actual.AliasOf);
            byte[] bytes = new byte[actual.DecodedBytes];
            reader.DecodeBytes(actual, bytes);
            Assert.Equal(Convert.ToHexString(expected[i].Bytes), Convert.ToHexString(bytes));
            if (!actual.IsQuantized)
                continue;
            short[] symbols = new short[actual.Length];
            reader.DecodeSymbols(actual, symbols);
            Assert.Equal(expected[i].Symbols, symbols.Select(symbol => (int)symbol));
        }
    }
}
