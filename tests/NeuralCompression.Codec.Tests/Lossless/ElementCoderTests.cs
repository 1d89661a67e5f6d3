using System.Buffers.Binary;
using System.IO.Compression;
using CsCheck;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Lossless;

namespace NeuralCompression.Codec.Tests.Lossless;

/// <summary>Tensors without loss: every type, kind of content and level comes back bit by bit, never longer than raw, and what is special about a content is found.</summary>
public sealed class ElementCoderTests
{
    private static readonly CompressionLevel[] Levels = [CompressionLevel.NoCompression, CompressionLevel.Fastest, CompressionLevel.Optimal, CompressionLevel.SmallestSize];

    public static TheoryData<ElementType> Types => [.. Enum.GetValues<ElementType>()];

    public static TheoryData<ElementType> FloatTypes => [ElementType.Float32, ElementType.Float16, ElementType.BFloat16, ElementType.Float64];

    [Theory]
    [MemberData(nameof(Types))]
    public void Encode_EveryShortLength_ComesBackAndIsNeverLonger(ElementType type)
    {
        int size = type.Size();
        for (int length = 0; length <= 300; length++)
        {
            AssertRoundTrip(Samples.FloatBytes(length, (ulong)length + 1, Math.Max(size, 2)).AsSpan(0, length * size).ToArray(), type, CompressionLevel.Fastest);
            AssertRoundTrip(Few(length, 3, size, (ulong)length), type, CompressionLevel.Optimal);
        }
    }

    [Fact]
    public void Encode_RandomContent_ComesBackAndIsNeverLonger() =>
        Gen.Select(Gen.Enum<ElementType>(), Gen.Int[0, 20_000], Gen.Int[0, 5], Gen.ULong, Gen.OneOfConst(Levels)).SampleRepeatably(
            (type, length, kind, seed, level) => AssertRoundTrip(Content(type, length, kind, seed), type, level),
            iter: 300);

    [Theory]
    [MemberData(nameof(FloatTypes))]
    public void Encode_SpecialNumbers_ComeBackBitByBit(ElementType type)
    {
        // Both zeros, denormals, infinities, quiet and signalling NaN with payloads: exponents all zeros and all ones with every kind of mantissa.
        int size = type.Size();
        var random = new XorShift(5);
        var elements = new byte[3000 * size];
        for (int i = 0; i < 3000; i++)
        {
            Span<byte> element = elements.AsSpan(i * size, size);
            if (i % 3 > 0)
                element[..^1].Fill((byte)(random.Next(3) == 0 ? random.Next(256) : 0));
            element[^1] = (byte)(random.Next(2) * 0x80);
            if (random.Next(4) == 0)
            {
                element[^1] |= 0x7F;
                element[^2] |= 0xF0;
            }
        }

        foreach (CompressionLevel level in Levels)
            AssertRoundTrip(elements, type, level);
    }

    [Theory]
    [MemberData(nameof(FloatTypes))]
    public void Encode_PrunedWeights_PaysForMantissasOfNonZerosOnly(ElementType type)
    {
        // One in ten is a weight, the rest zeros of both signs, as a mask leaves them.
        int size = type.Size();
        byte[] dense = Samples.FloatBytes(40_000, 8, type == ElementType.BFloat16 ? 4 : size);
        if (type == ElementType.BFloat16)
            dense = [.. dense.Chunk(4).SelectMany(element => element[2..])];
        var random = new XorShift(9);
        for (int i = 0; i < 40_000; i++)
        {
            if (random.Next(10) == 0)
                continue;
            byte sign = (byte)(dense[(i * size) + size - 1] & 0x80);
            dense.AsSpan(i * size, size).Clear();
            dense[(i * size) + size - 1] = sign;
        }

        // log2 of the choices of a tenth, a sign for each, and at most all bits of the weights.
        double bits = (40_000 * (0.469 + 1)) + (4_000 * 8.0 * size);
        int length = AssertRoundTrip(dense, type, CompressionLevel.Optimal);
        Assert.InRange(length, 1, (bits * 1.02 / 8) + 100);
    }

    [Fact]
    public void Encode_PositionsAndCounters_AreAFewBytes()
    {
        byte[] positions = [.. Enumerable.Range(0, 512).SelectMany(i => BitConverter.GetBytes((long)i))];
        Assert.InRange(AssertRoundTrip(positions, ElementType.Int64, CompressionLevel.Optimal), 1, 40);
        byte[] backwards = [.. Enumerable.Range(0, 5000).SelectMany(i => BitConverter.GetBytes(1_000_000 - (3 * i)))];
        Assert.InRange(AssertRoundTrip(backwards, ElementType.Int32, CompressionLevel.Fastest), 1, 60);
    }

    [Fact]
    public void Encode_SmallIntegersOfBothSigns_PayForTheirLowBytesOnly()
    {
        var random = new XorShift(3);
        byte[] values = [.. Enumerable.Range(0, 10_000).SelectMany(_ => BitConverter.GetBytes((long)(random.Next(60_000) - 30_000)))];
        Assert.InRange(AssertRoundTrip(values, ElementType.Int64, CompressionLevel.Optimal), 1, 20_100);
    }

    [Theory]
    [MemberData(nameof(FloatTypes))]
    public void Encode_QuantizedValuesKeptAsFloats_CostTheirEntropy(ElementType type)
    {
        // 15 equally likely values: log2(15) bits each, and the list of the values.
        Assert.InRange(AssertRoundTrip(Few(50_000, 15, type.Size(), 7), type, CompressionLevel.Optimal), 1, (50_000 * 3.907 * 1.003 / 8) + 300);
    }

    [Fact]
    public void Encode_256And257Values_UseTheListAndNotTheList()
    {
        Assert.Equal((int)ElementForm.Palette, Form(Few(20_000, 256, 4, 1)));
        Assert.NotEqual((int)ElementForm.Palette, Form(Few(20_000, 257, 4, 1)));

        static int Form(byte[] elements)
        {
            EncodedTensor encoded = ElementCoder.Encode(elements, ElementType.Float32, CompressionLevel.Optimal);
            Assert.Equal(elements, Decode(encoded, ElementType.Float32, elements.Length));
            return encoded.Coding == Coding.BytePlanes ? encoded.Payload.Span[0] >> 4 : 0;
        }
    }

    [Theory]
    [InlineData(ElementType.BFloat16)]
    [InlineData(ElementType.Float16)]
    [InlineData(ElementType.Float64)]
    public void Read_InPieces_IsTheSameAsAtOnce(ElementType type)
    {
        int size = type.Size();
        foreach (int kind in new[] { 0, 2, 4 })
        {
            byte[] elements = Content(type, 50_000, kind, 5);
            EncodedTensor encoded = ElementCoder.Encode(elements, type, CompressionLevel.SmallestSize);
            if (encoded.Coding != Coding.BytePlanes)
                continue;
            var pieces = new byte[elements.Length];
            using var reader = new ElementReader(encoded.Payload.Span, type, 50_000);
            int start = 0;
            foreach (int piece in new[] { 1, 15, 17, 4096, 20_000, 50_000 - 24_129 })
            {
                reader.Read(pieces.AsSpan(start * size, piece * size));
                start += piece;
            }

            Assert.Equal(elements, pieces);
        }
    }

    [Fact]
    public void Decode_ByteChangesAndTruncations_IsRefusedOrGivesElements()
    {
        // Each of the forms and modes.
        (ElementType Type, byte[] Elements)[] tensors =
        [
            (ElementType.Float32, Content(ElementType.Float32, 700, 0, 1)), (ElementType.Float32, Content(ElementType.Float32, 700, 2, 1)), (ElementType.BFloat16, Few(700, 5, 2, 1)),
            (ElementType.Int64, Content(ElementType.Int64, 300, 4, 1)), (ElementType.Int32, Content(ElementType.Int32, 300, 5, 1)),
        ];
        foreach ((ElementType type, byte[] elements) in tensors)
        {
            EncodedTensor encoded = ElementCoder.Encode(elements, type, CompressionLevel.SmallestSize);
            Assert.Equal(Coding.BytePlanes, encoded.Coding);
            for (int length = 0; length < encoded.Payload.Length; length++)
                Assert.Throws<InvalidDataException>(() => Decode(new(Coding.BytePlanes, encoded.Payload[..length]), type, elements.Length));
            for (int at = 0; at < encoded.Payload.Length; at++)
            {
                foreach (byte change in new byte[] { 1, 2, 16, 32, 48, 64, 128, 255 })
                {
                    byte[] changed = encoded.Payload.ToArray();
                    changed[at] ^= change;
                    Exception? refusal = Record.Exception(() => Decode(new(Coding.BytePlanes, changed), type, elements.Length));
                    Assert.True(refusal is null or InvalidDataException, refusal?.ToString());
                }
            }
        }
    }

    private static int AssertRoundTrip(byte[] elements, ElementType type, CompressionLevel level)
    {
        EncodedTensor encoded = ElementCoder.Encode(elements, type, level);
        Assert.True(encoded.Payload.Length <= elements.Length);
        Assert.True(Decode(encoded, type, elements.Length).AsSpan().SequenceEqual(elements), $"{type}, {elements.Length} bytes, {level}");
        return encoded.Payload.Length;
    }

    private static byte[] Decode(EncodedTensor encoded, ElementType type, int length)
    {
        var decoded = new byte[length];
        ElementCoder.Decode(encoded.Coding, encoded.Payload.Span, type, decoded);
        return decoded;
    }

    // Elements of `values` different random bit patterns.
    private static byte[] Few(int length, int values, int size, ulong seed)
    {
        var random = new XorShift(seed + 1);
        byte[][] list = [.. Enumerable.Range(0, values).Select(_ => Enumerable.Range(0, size).Select(_ => (byte)random.Next(256)).ToArray())];
        return [.. Enumerable.Range(0, length).SelectMany(_ => list[random.Next(values)])];
    }

    private static byte[] Content(ElementType type, int length, int kind, ulong seed)
    {
        int size = type.Size();
        var random = new XorShift(seed);
        byte[] elements = kind is 0 or 2 ? Samples.FloatBytes(length, seed, Math.Max(size, 2))[..(length * size)] : new byte[length * size];
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        for (int i = 0; i < length; i++)
        {
            Span<byte> element = elements.AsSpan(i * size, size);
            ulong number = kind switch
            {
                3 => (ulong)random.Next(200) * 0x0123456789ABCDEF,
                4 => (ulong)(i * 17),
                5 => (ulong)(long)(random.Next(2001) - 1000),
                _ => random.Next(),
            };
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, number);
            if (kind == 2 && random.Next(4) > 0)
                element[..^1].Clear();
            if (kind == 2 && element[..^1].IndexOfAnyExcept((byte)0) < 0)
                element[^1] &= 0x80;
            if (kind is not 0 and not 2)
                bytes[..size].CopyTo(element);
        }

        return elements;
    }
}
