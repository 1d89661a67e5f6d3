using System.IO.Compression;
using NeuralCompression.Codec.EntropyCoding.Kernels;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Grouping;

namespace NeuralCompression.Codec.Tests.Kernels;

public class GroupedCodingTests
{
    [Theory]
    [InlineData(2, 8)]
    [InlineData(3, 8)]
    [InlineData(4, 8)]
    [InlineData(5, 4)]
    [InlineData(16, 4)]
    [InlineData(17, 2)]
    [InlineData(256, 2)]
    public void Number_AnyLength_IsTheDigitsToTheBase(int alphabet, int maxSize)
    {
        Assert.Equal(maxSize, SymbolGroups.MaxSize(alphabet));
        var random = new XorShift((ulong)alphabet);
        var digits = new byte[1003];
        foreach (ref byte digit in digits.AsSpan())
            digit = (byte)random.Next(alphabet);
        digits.AsSpan(0, 200).Fill((byte)(alphabet - 1));
        var split = new byte[maxSize];
        for (int size = maxSize; size >= 2; size /= 2)
        {
            for (int groups = 0; groups <= digits.Length / size; groups += groups < 70 ? 1 : 29)
            {
                var numbers = new ushort[groups];
                SymbolGroups.Number(digits, alphabet, size, numbers);
                for (int i = 0; i < groups; i++)
                {
                    SymbolGroups.Split(numbers[i], alphabet, split.AsSpan(0, size));
                    Assert.True(split.AsSpan(0, size).SequenceEqual(digits.AsSpan(i * size, size)));
                }
            }
        }
    }

    [Theory]
    [InlineData(3, 8)]
    [InlineData(4, 4)]
    [InlineData(3, 4)]
    [InlineData(11, 4)]
    [InlineData(16, 2)]
    [InlineData(200, 2)]
    public void Expand_AnyLength_EqualsARowForEachToken(int alphabet, int size)
    {
        var random = new XorShift((ulong)((alphabet * 10) + size));
        ushort[] groups = [.. Enumerable.Range(0, 255).Select(_ => (ushort)random.Next(SymbolGroups.Numbers(alphabet, size))).Distinct().Order()];
        groups = groups[..Math.Min(groups.Length, Math.Min(255, SymbolGroups.Numbers(alphabet, size) - 1))];
        var expander = new GroupExpander(groups, true, -3, alphabet, size);
        Assert.DoesNotContain(expander.Escape, expander.Outputs[..^1].ToArray());
        var digits = new byte[size];
        for (int length = 0; length < 200; length++)
        {
            int[] tokens = [.. Enumerable.Range(0, length).Select(_ => random.Next(groups.Length))];
            using var input = new GuardedMemory(length);
            using var output = new GuardedMemory(length * size);
            using var rows = new GuardedMemory(length * size, atStart: true);
            for (int i = 0; i < length; i++)
                input.Span[i] = expander.Outputs[tokens[i]];
            expander.Expand(input.Span, output.Span);
            expander.ExpandRows(input.Span, rows.Span);
            Assert.True(output.Span.SequenceEqual(rows.Span));
            for (int i = 0; i < length; i++)
            {
                SymbolGroups.Split(groups[tokens[i]], alphabet, digits);
                for (int j = 0; j < size; j++)
                    Assert.Equal((sbyte)(digits[j] - 3), (sbyte)output.Span[(i * size) + j]);
            }
        }
    }

    public static TheoryData<int, int, int> Texts()
    {
        var cases = new TheoryData<int, int, int>();
        foreach (int alphabet in new[] { 2, 3, 4, 7, 16, 17, 40 })
        {
            foreach (int zeros in new[] { 128, 243, 254 })
            {
                foreach (int length in new[] { 16384, 16385, 50_003, 300_007 })
                    cases.Add(alphabet, zeros, length);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Texts))]
    public void Fastest_SparseSymbols_ComeBackInEveryForm(int alphabet, int zerosOf256, int length)
    {
        sbyte[] symbols = Draw(alphabet, zerosOf256, length);
        QuantizationGrid grid = QuantizationGrid.PerChannel([0.25f, 0.1f, 3f]);
        // Runs of one step are thousands of symbols long, or seven.
        long[] shape = length % 2 == 0 ? [3, length / 3] : [length / 21, 3, 7];
        grid = length % 2 == 0 ? grid : QuantizationGrid.PerChannel([0.25f, 0.1f, 3f], axis: 1);
        symbols = symbols[..(int)shape.Aggregate(1L, (product, axis) => product * axis)];
        foreach (ElementType type in new[] { ElementType.Float32, ElementType.Float16, ElementType.BFloat16, ElementType.Float64 })
        {
            QuantizedTensor tensor = QuantizedTensor.FromSymbols(symbols, shape, grid, type);
            byte[] file = Samples.Write(writer => writer.Add("w", tensor), CompressionLevel.Fastest);
            using CompressedModelReader reader = Samples.Open(file);
            CompressedTensorInfo info = reader.Tensors[0];
            var narrow = new sbyte[symbols.Length];
            reader.DecodeSymbols(info, narrow);
            Assert.True(narrow.AsSpan().SequenceEqual(symbols));
            var wide = new short[symbols.Length];
            reader.DecodeSymbols(info, wide);
            Assert.True(wide.AsSpan().SequenceEqual(Array.ConvertAll(symbols, symbol => (short)symbol)));

            var doubles = new double[symbols.Length];
            reader.Decode(info, doubles);
            var floats = new float[symbols.Length];
            reader.Decode(info, floats);
            var bytes = new byte[info.DecodedBytes];
            reader.DecodeBytes(info, bytes);
            for (int i = 0; i < symbols.Length; i++)
            {
                double exact = (double)grid.StepSizes[length % 2 == 0 ? i / (int)shape[1] : i / 7 % 3] * symbols[i];
                double expected = type switch
                {
                    ElementType.Float64 => exact,
                    ElementType.Float32 => (float)exact,
                    ElementType.Float16 => (double)(Half)(float)exact,
                    _ => BFloat16Bits.ToSingle(BFloat16Bits.FromSingle((float)exact)),
                };
                double stored = type switch
                {
                    ElementType.Float64 => BitConverter.ToDouble(bytes, i * 8),
                    ElementType.Float32 => BitConverter.ToSingle(bytes, i * 4),
                    ElementType.Float16 => (double)BitConverter.ToHalf(bytes, i * 2),
                    _ => BFloat16Bits.ToSingle(BitConverter.ToUInt16(bytes, i * 2)),
                };
                if (doubles[i] != expected || floats[i] != (float)expected || stored != expected)
                    Assert.Fail($"{type}: weight {i} is {doubles[i]}, {floats[i]}, {stored} and should be {expected}.");
            }
        }
    }

    [Fact]
    public void Fastest_IndependentTernaryWeights_AreGroupedByEightAndCloseToTheirEntropy()
    {
        sbyte[] symbols = Draw(3, 243, 1 << 22);
        QuantizedTensor tensor = QuantizedTensor.FromSymbols(symbols, [symbols.Length], QuantizationGrid.Uniform(1));
        byte[] file = Samples.Write(writer => writer.Add("w", tensor), CompressionLevel.Fastest);
        using CompressedModelReader reader = Samples.Open(file);
        Assert.Equal("grouped-rans", reader.Tensors[0].Coding);
        double bits = symbols.GroupBy(symbol => symbol).Sum(group => -group.Count() * Math.Log2((double)group.Count() / symbols.Length));
        Assert.InRange(file.Length * 8 / bits, 1, 1.01);
    }

    [Fact]
    public void Decode_ByteChangesAndTruncations_IsRefusedOrGivesSymbolsInRange()
    {
        sbyte[] symbols = Draw(3, 243, 400_003);
        EncodedTensor encoded = SymbolCoder.Encode<sbyte>(symbols, [symbols.Length], -1, 1, CompressionLevel.Fastest);
        Assert.Equal(Coding.GroupedRans, encoded.Coding);
        byte[] payload = encoded.Payload.ToArray();
        var decoded = new sbyte[symbols.Length];
        for (int length = 0; length < payload.Length; length += length < 600 ? 1 : 487)
        {
            byte[] cut = payload[..length];
            Assert.Throws<InvalidDataException>(() => SymbolCoder.Decode<sbyte>(Coding.GroupedRans, cut, [symbols.Length], -1, 1, decoded));
        }

        foreach (byte change in new byte[] { 1, 2, 4, 8, 16, 32, 64, 128, 255 })
        {
            for (int at = 0; at < payload.Length; at += at < 600 ? 1 : 487)
            {
                byte[] changed = [.. payload];
                changed[at] ^= change;
                try
                {
                    SymbolCoder.Decode<sbyte>(Coding.GroupedRans, changed, [symbols.Length], -1, 1, decoded);
                    Assert.Equal(-1, decoded.AsSpan().IndexOfAnyExceptInRange((sbyte)-1, (sbyte)1));
                }
                catch (InvalidDataException)
                {
                    // Refused.
                }
            }
        }
    }

    private static sbyte[] Draw(int alphabet, int zerosOf256, int length)
    {
        var random = new XorShift((ulong)((alphabet * 1000) + zerosOf256 + length));
        var symbols = new sbyte[length];
        foreach (ref sbyte symbol in symbols.AsSpan())
            symbol = random.Next(256) < zerosOf256 ? (sbyte)0 : (sbyte)(random.Next(alphabet) - (alphabet / 2));
        return symbols;
    }
}
