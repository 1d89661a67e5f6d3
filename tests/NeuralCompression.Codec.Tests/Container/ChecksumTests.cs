using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.Tests.Vectors;

namespace NeuralCompression.Codec.Tests.Container;

/// <summary>CRC-32C against its definition bit by bit.</summary>
public sealed class ChecksumTests
{
    [Fact]
    public void Of_TheCheckValueOfTheCatalogue_IsFound() => Assert.Equal(0xE3069283, Crc32C.Of("123456789"u8));

    [Fact]
    public void Of_LengthsAroundTheThreeRuns_IsThatOfTheDefinition()
    {
        var random = new XorShift(4);
        foreach (int length in Enumerable.Range(0, 40).Concat(Enumerable.Range(3 * 1024 - 9, 20)).Concat([6143, 6144, 6151, 9216 + 13, 50_000]))
        {
            var data = new byte[length];
            foreach (ref byte value in data.AsSpan())
                value = (byte)random.Next(256);
            Assert.Equal(Forge.Crc(data), Crc32C.Of(data));
        }
    }
}
