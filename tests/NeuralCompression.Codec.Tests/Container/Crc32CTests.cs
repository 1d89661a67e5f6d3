using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec.Tests.Container;

public class Crc32CTests
{
    [Fact]
    public void Of_AnyLength_EqualsTheChecksumBitByBit()
    {
        Assert.Equal(0xE3069283u, Crc32C.Of("123456789"u8));
        var random = new XorShift(3);
        foreach (int length in new[] { 0, 1, 7, 8, 4096, 12_287, 12_288, 12_289, 12_300, 24_576, 50_001 })
        {
            var data = new byte[length];
            foreach (ref byte value in data.AsSpan())
                value = (byte)random.Next();
            uint expected = uint.MaxValue;
            foreach (byte value in data)
            {
                expected ^= value;
                for (int bit = 0; bit < 8; bit++)
                    expected = (expected >> 1) ^ ((expected & 1) * 0x82F63B78u);
            }

            Assert.Equal(~expected, Crc32C.Of(data));
        }
    }
}
