using System.IO.Compression;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.EntropyCoding.Kernels;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Grouping;

namespace NeuralCompression.Codec.Tests.Kernels;

/// <summary>The loops of the group encoder between guard pages, against plain code.</summary>
public class GroupEncodingTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void CountMapAndNarrow_EveryLength_TouchNothingOutside(bool atStart)
    {
        const int Size = 300;
        var random = new XorShift(21);
        byte[] map = [.. Enumerable.Range(0, Size).Select(_ => (byte)random.Next(256))];
        using GuardedMemory table = GuardedMemory.Copy(map, atStart);
        for (int length = 0; length < 150; length++)
        {
            using var memory = new GuardedMemory(length * sizeof(ushort), atStart);
            using var values = new GuardedMemory(length, atStart);
            using var counts = new GuardedMemory(4 * Size * sizeof(int), atStart);
            Span<ushort> numbers = MemoryMarshal.Cast<byte, ushort>(memory.Span);
            var expected = new int[Size];
            foreach (ref ushort number in numbers)
                expected[number = (ushort)random.Next(Size)]++;

            foreach (int stride in new[] { 0, Size })
            {
                Span<int> tables = MemoryMarshal.Cast<byte, int>(counts.Span)[..(Size + (3 * stride))];
                tables.Clear();
                NumberTables.Count(numbers, tables, Size, stride);
                for (int number = 0; number < Size; number++)
                    Assert.Equal(expected[number], tables[number] + (stride == 0 ? 0 : tables[stride + number] + tables[(2 * stride) + number] + tables[(3 * stride) + number]));
            }

            NumberTables.Map(numbers, table.Span, values.Span);
            for (int i = 0; i < length; i++)
                Assert.Equal(map[numbers[i]], values.Span[i]);
            NumberTables.Narrow(numbers, values.Span);
            for (int i = 0; i < length; i++)
                Assert.Equal((byte)numbers[i], values.Span[i]);

            long[] bytes = ByteHistogram.Count(values.Span, 256, 7);
            for (int i = 0; i < 256; i++)
                Assert.Equal(values.Span.Count((byte)(i + 7)), bytes[i]);
        }
    }

    [Fact]
    public void CountAndMap_ANumberOutsideTheTable_IsRefused()
    {
        ushort[] numbers = [1, 2, 3, 300];
        Assert.Throws<InvalidOperationException>(() => NumberTables.Count(numbers, new int[300], 300, 0));
        Assert.Throws<InvalidOperationException>(() => NumberTables.Map(numbers, new byte[300], new byte[4]));
    }

    [Theory]
    [InlineData(2, 8)]
    [InlineData(3, 8)]
    [InlineData(4, 4)]
    [InlineData(11, 4)]
    [InlineData(16, 2)]
    [InlineData(200, 2)]
    public void Number_EveryLength_TouchesNothingOutside(int alphabet, int size)
    {
        var random = new XorShift((ulong)alphabet);
        var digits = new byte[size];
        for (int groups = 0; groups < 150; groups++)
        {
            bool atStart = groups % 2 == 1;
            using var text = new GuardedMemory(groups * size, atStart);
            using var memory = new GuardedMemory(groups * sizeof(ushort), atStart);
            foreach (ref byte symbol in text.Span)
                symbol = (byte)(random.Next(alphabet) - 3);
            Span<ushort> numbers = MemoryMarshal.Cast<byte, ushort>(memory.Span);
            SymbolGroups.Number(text.Span, unchecked((byte)-3), alphabet, size, numbers);
            for (int i = 0; i < groups; i++)
            {
                SymbolGroups.Split(numbers[i], alphabet, digits);
                for (int j = 0; j < size; j++)
                    Assert.Equal(text.Span[(i * size) + j], (byte)(digits[j] - 3));
            }
        }
    }

    [Theory]
    [InlineData(3, 243)]
    [InlineData(3, 128)]
    [InlineData(8, 60)]
    [InlineData(16, 60)]
    [InlineData(40, 245)]
    [InlineData(200, 0)]
    public void Fastest_ATextBetweenGuardPages_ComesBack(int alphabet, int zerosOf256)
    {
        var random = new XorShift((ulong)(alphabet + zerosOf256));
        for (int more = 0; more < 70; more += 3)
        {
            bool atStart = more % 2 == 1;
            using var text = new GuardedMemory(GroupEncoder.MinLength + more, atStart);
            Span<sbyte> symbols = MemoryMarshal.Cast<byte, sbyte>(text.Span);
            foreach (ref sbyte symbol in symbols)
                symbol = random.Next(256) < zerosOf256 ? (sbyte)0 : (sbyte)(random.Next(random.Next(alphabet) + 1) - (alphabet / 2));
            (int min, int max) = SymbolRange.Of(symbols);
            EncodedTensor encoded = SymbolCoder.Encode<sbyte>(symbols, [symbols.Length], min, max, CompressionLevel.Fastest);
            using GuardedMemory payload = GuardedMemory.Copy(encoded.Payload.Span, atStart);
            using var decoded = new GuardedMemory(symbols.Length, atStart);
            SymbolCoder.Decode(encoded.Coding, payload.Span, [symbols.Length], min, max, MemoryMarshal.Cast<byte, sbyte>(decoded.Span));
            Assert.True(decoded.Span.SequenceEqual(text.Span));
            encoded.Release();
        }
    }
}
