using NeuralCompression.Codec.Tests.Vectors;

namespace NeuralCompression.Codec.Tests.Repository;

/// <summary>Container -> WeightCoding -> EntropyCoding -> Kernels, one direction; multi-byte fields through BinaryPrimitives alone.</summary>
public sealed class LayeringTests
{
    private static readonly string Source = Path.Combine(VectorFiles.Root, "src", "NeuralCompression.Codec");

    [Theory]
    [InlineData("EntropyCoding/Kernels", "WeightCoding", "Container;")]
    [InlineData("EntropyCoding", "WeightCoding", "Container;")]
    [InlineData("WeightCoding", "Codec.Container;", "CompressedModel")]
    [InlineData("Container", "EntropyCoding", "CompressedModel")]
    public void Layer_KnowsNothingAboveIt(string layer, params string[] forbidden)
    {
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Source, layer), "*.cs"))
        {
            string code = File.ReadAllText(path);
            Assert.All(forbidden, word => Assert.DoesNotContain(word, code, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Source_HasNoUnsafeCodeAndNoHostByteOrder()
    {
        foreach (string path in Directory.EnumerateFiles(Source, "*.cs", SearchOption.AllDirectories).Where(path => !path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)))
        {
            string code = File.ReadAllText(path);
            // Vector kernels work on pointers, behind guard-page tests; nothing else does, least of all the kernels that define the coders.
            bool isVectorKernel = path.Contains("Kernels", StringComparison.Ordinal) && !Path.GetFileName(path).StartsWith("Scalar", StringComparison.Ordinal);
            if (!isVectorKernel)
                Assert.DoesNotContain("unsafe ", code, StringComparison.Ordinal);
            Assert.All(["BinaryWriter", "BinaryReader", "BitConverter.To", "BitConverter.GetBytes", "new Random"], word => Assert.DoesNotContain(word, code, StringComparison.Ordinal));
        }
    }
}
