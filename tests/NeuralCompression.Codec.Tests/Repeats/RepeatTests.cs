using System.IO.Compression;
using CsCheck;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Repeats;

namespace NeuralCompression.Codec.Tests.Repeats;

public sealed class RepeatTests
{
    // Parts of one alphabet, written again and again from anywhere before, with and without changes.
    private static readonly Gen<sbyte[]> Texts = Gen.Select(Gen.UInt, Gen.Int[2, 3000], Gen.Int[1, 60], Gen.Int[1, 200]).Select((seed, length, levels, most) =>
    {
        var random = new XorShift(seed + 1UL);
        var symbols = new sbyte[length];
        for (int i = 0; i < length;)
        {
            int part = Math.Min(1 + random.Next(most), length - i);
            int from = random.Next(i + 1);
            bool isCopy = i > 0 && random.Next(3) != 0;
            for (int end = i + part; i < end; i++)
                symbols[i] = isCopy && from < i ? symbols[from++] : (sbyte)(random.Next(levels) - (levels / 2));
        }

        return symbols;
    });

    [Fact]
    public void Encode_AnyText_ComesBack() => Texts.SampleRepeatably(
        symbols =>
        {
            (int min, int max) = (symbols.Min(), symbols.Max());
            if (min == max || RepeatCoder.TryEncode<sbyte, SymbolLiterals<sbyte>>(symbols, long.MaxValue / 1024, new(min, max), isThorough: true) is not byte[] payload)
                return;
            var decoded = new sbyte[symbols.Length];
            RepeatCoder.Decode(payload, decoded.AsSpan(), new SymbolLiterals<sbyte>(min, max));
            Assert.Equal(symbols, decoded);
            var wide = new short[symbols.Length];
            RepeatCoder.Decode(payload, wide.AsSpan(), new SymbolLiterals<short>(min, max));
            Assert.Equal(symbols.Select(symbol => (short)symbol), wide);
        },
        iter: 500);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 700)]
    [InlineData(3, 2)]
    [InlineData(3, 3)]
    [InlineData(3, 1000)]
    [InlineData(8, 9)]
    public void Decode_OverlappingRepeat_IsUnitAfterUnit(int distance, int length)
    {
        byte[] literals = [7, 6, 5, 4, 3, 2, 1, 0];
        byte[] payload = [8, 0, .. literals, .. RepeatCoder.Places([new(8, length, distance)], 0)];
        byte[] expected = new byte[8 + length];
        literals.CopyTo(expected, 0);
        for (int i = 8; i < expected.Length; i++)
            expected[i] = expected[i - distance];
        byte[] decoded = new byte[expected.Length];
        RepeatCoder.Decode(payload, decoded.AsSpan(), new ElementLiterals<byte>(ElementType.UInt8));
        Assert.Equal(expected, decoded);
    }

    // Every class of every number, with all bits of the largest: as many units as a segment can have.
    [Fact]
    public void Places_NumbersOfEveryLength_ComeBack()
    {
        const int Units = 1 << 24;
        var repeats = new List<Repeat>();
        int position = 0;
        int literals = 0;
        for (int bits = 0; bits < 22; bits++)
        {
            int run = (1 << bits) - (bits % 2);
            position += run;
            literals += run;
            int distance = Math.Min(Math.Max(position - bits, 1), (1 << bits) + (bits * 3));
            repeats.Add(new(run, (1 << bits) + 1, distance));
            position += (1 << bits) + 1;
        }

        repeats.Add(new(0, Units - 5 - position, position));
        literals += 5;
        byte[] content = new byte[literals];
        var random = new XorShift(91);
        foreach (ref byte value in content.AsSpan())
            value = (byte)random.Next(256);
        List<byte> count = [];
        for (int rest = literals; ; rest >>= 7)
        {
            count.Add((byte)((rest & 127) | (rest > 127 ? 128 : 0)));
            if (rest < 128)
                break;
        }

        byte[] expected = new byte[Units];
        int at = 0;
        int used = 0;
        foreach (Repeat repeat in repeats.Append(new(5, 0, 0)))
        {
            for (int i = 0; i < repeat.Run; i++)
                expected[at++] = content[used++];
            for (int i = 0; i < repeat.Length; i++, at++)
                expected[at] = expected[at - repeat.Distance];
        }

        Assert.Equal(Units, at);
        byte[] decoded = new byte[Units];
        RepeatCoder.Decode([.. count, 0, .. content, .. RepeatCoder.Places(repeats, 5)], decoded.AsSpan(), new ElementLiterals<byte>(ElementType.UInt8));
        Assert.True(expected.AsSpan().SequenceEqual(decoded));
    }

    // What is there once takes its order-0 entropy, what repeats it next to nothing.
    [Theory]
    [InlineData("equal rows", 1_000, 100)]
    [InlineData("ten rows", 10_000, 150)]
    [InlineData("random rows of sixteen", 16_000, 1_400)]
    [InlineData("ramp", 0, 620)]
    [InlineData("alternating", 0, 60)]
    [InlineData("toeplitz", 2_000, 250)]
    [InlineData("halves", 500_000, 1_000)]
    public void Optimal_RepetitiveTensors_AreWhatRepeatsLeave(string name, int unique, int more)
    {
        var random = new XorShift(92);
        sbyte[] base0 = [.. Enumerable.Range(0, 500_000).Select(_ => (sbyte)Math.Clamp(Magnitude() - Magnitude(), -127, 127))];
        int[] picks = [.. Enumerable.Range(0, 1000).Select(_ => random.Next(16))];
        Func<int, int, int> value = name switch
        {
            "equal rows" => (_, x) => base0[x],
            "ten rows" => (y, x) => base0[(y % 10 * 1000) + x],
            "random rows of sixteen" => (y, x) => base0[(picks[y] * 1000) + x],
            "ramp" => (_, x) => (x % 256) - 128,
            "alternating" => (_, x) => (x % 2 * 2) - 1,
            "toeplitz" => (y, x) => base0[x - y + 1000],
            _ => (y, x) => base0[(y % 500 * 1000) + x],
        };
        sbyte[] symbols = [.. Enumerable.Range(0, 1_000_000).Select(i => (sbyte)value(i / 1000, i % 1000))];
        byte[] file = Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, [1000, 1000], QuantizationGrid.Uniform(0.5))));
        Assert.InRange(file.Length, 0, (Container.SizeTests.Entropy(base0[..unique]) / 8) + more);
        using CompressedModelReader reader = Samples.Open(file);
        Assert.Equal("repeats", reader["w"].Coding);
        var decoded = new sbyte[symbols.Length];
        reader.DecodeSymbols(reader["w"], decoded);
        Assert.True(symbols.AsSpan().SequenceEqual(decoded));

        int Magnitude()
        {
            int magnitude = 0;
            while (random.Next(4) != 0)
                magnitude++;
            return magnitude;
        }
    }

    [Theory]
    [InlineData(ElementType.UInt8)]
    [InlineData(ElementType.BFloat16)]
    [InlineData(ElementType.Float32)]
    [InlineData(ElementType.Int64)]
    public void Lossless_RepeatedElements_ComeBackInEveryWay(ElementType type)
    {
        // Not a multiple of eight bytes from the start of the buffer.
        byte[] part = new byte[300 * type.Size()];
        new Random(93).NextBytes(part);
        if (type is ElementType.BFloat16 or ElementType.Float32)
        {
            for (int i = type.Size() - 1; i < part.Length; i += type.Size())
                part[i] = (byte)(0x3C + (part[i] & 0x81));
        }

        byte[] elements = [.. part, .. part, .. part[..(100 * type.Size())]];
        foreach (CompressionLevel level in Enum.GetValues<CompressionLevel>())
        {
            byte[] file = Samples.Write(writer => writer.Add("w", type, [700], elements), level);
            using CompressedModelReader reader = Samples.Open(file);
            bool repeats = level is CompressionLevel.Optimal or CompressionLevel.SmallestSize;
            Assert.Equal(repeats, reader["w"].Coding == "repeats");
            Assert.InRange(file.Length, 0, repeats ? part.Length + 100 : elements.Length + 120);
            byte[] decoded = new byte[elements.Length + 1];
            reader.DecodeBytes(reader["w"], decoded.AsSpan(1));
            Assert.Equal(elements, decoded[1..]);
            var doubles = new double[700];
            reader.Decode(reader["w"], doubles);
            var piece = new double[100];
            reader.Decode(reader["w"], 550, piece);
            Assert.Equal(doubles[550..650], piece);
            Assert.Equal(doubles[..300], doubles[300..600]);
        }
    }

    // Independent symbols have no repeats worth a word: the look is cheap and nothing is taken.
    [Theory]
    [InlineData(250)]
    [InlineData(128)]
    [InlineData(0)]
    public void Optimal_IndependentSymbols_AreNotTakenForRepeats(int zerosOf256)
    {
        sbyte[] symbols = Samples.Sparse(1 << 20, 94, zerosOf256);
        Assert.Null(RepeatCoder.TryEncode<sbyte, SymbolLiterals<sbyte>>(symbols, (long)(Container.SizeTests.Entropy(symbols) / 8), new(symbols.Min(), symbols.Max()), isThorough: false));
    }
}
