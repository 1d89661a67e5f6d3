using CsCheck;

namespace NeuralCompression.Tests.Noise;

/// <summary>Philox 4x32-10 against the known answers that Random123 publishes (kat_vectors).</summary>
public sealed class PhiloxTests
{
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(
        0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u,
        0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Fill_KnownAnswers_Match(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint r0, uint r1, uint r2, uint r3)
    {
        ulong key = k0 | ((ulong)k1 << 32);
        ulong stream = c2 | ((ulong)c3 << 32);
        ulong block = c0 | ((ulong)c1 << 32);
        uint[] expected = [r0, r1, r2, r3];
        var scalar = new uint[4];
        Philox.FillScalar(key, stream, block, scalar);
        Assert.Equal(expected, scalar);

        // 64 numbers go through the vector path where there is one.
        var vector = new uint[64];
        Philox.Fill(key, stream, block, vector);
        Assert.Equal(expected, vector[..4]);
    }

    [Fact]
    public void Fill_AnyLengthAndCounter_EqualsTheScalarDefinition()
    {
        // Counters next to 2^32 and 2^64 meet the carry between the words and the wrap-around.
        var block = Gen.OneOf(Gen.ULong, Gen.ULong[0xFFFFFFF0ul, 0x1_0000_000Ful], Gen.ULong[ulong.MaxValue - 16, ulong.MaxValue]);
        Gen.Select(Gen.ULong, Gen.ULong, block, Gen.Int[0, 200]).SampleRepeatably(
            (key, stream, first, length) =>
            {
                var expected = new uint[length];
                var actual = new uint[length];
                Philox.FillScalar(key, stream, first, expected);
                Philox.Fill(key, stream, first, actual);
                Assert.Equal(expected, actual);
            },
            iter: 500);
    }

    [Fact]
    public void Fill_InParts_EqualsTheWhole()
    {
        var whole = new uint[256];
        Philox.Fill(7, 8, 9, whole);
        var part = new uint[100];
        Philox.Fill(7, 8, 9 + 10, part);
        Assert.Equal(whole[40..140], part);
    }
}
