using System.Buffers;
using System.IO.Compression;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Grouping;

namespace NeuralCompression.Codec.Tests.EntropyCoding;

/// <summary>Tables made from a sample: as good as those made from everything, and given up where the sample misleads.</summary>
public class SymbolSampleTests
{
    private const int Length = (2 * SymbolSample.MinLength) + 77;

    // Symbols 0 to 249 say which run of 64 they are in, modulo 250.
    private static readonly bool[] IsTaken = Taken();

    [Theory]
    [InlineData(0, 1)]
    [InlineData((2 * SymbolSample.MinLength) - 1, 1)]
    [InlineData(2 * SymbolSample.MinLength, 2)]
    [InlineData((8 * SymbolSample.MinLength) - 1, 4)]
    [InlineData(8 * SymbolSample.MinLength, 8)]
    [InlineData(1 << 24, 8)]
    public void WeightFor_ALength_LeavesASampleOfTheLeastLength(int length, int expected) => Assert.Equal(expected, SymbolSample.WeightFor(length));

    [Theory]
    [InlineData(512)]
    [InlineData(1024)]
    [InlineData(4096)]
    public void Rent_AMatrixOfAPowerOfTwoColumns_SeesAllColumnsAlike(int columns)
    {
        var text = new byte[8 * SymbolSample.MinLength];
        for (int i = 0; i < text.Length; i++)
            text[i] = (byte)(i % columns / 64);
        byte[] sample = SymbolSample.Rent(text, 8, out int length);
        Assert.Equal(text.Length / 8, length);
        var counts = new int[columns / 64];
        foreach (byte symbol in sample.AsSpan(0, length))
            counts[symbol]++;
        ArrayPool<byte>.Shared.Return(sample);
        Assert.All(counts, count => Assert.InRange(count, length / counts.Length * 0.8, length / counts.Length * 1.2));
    }

    [Theory]
    [InlineData(3, 240)]
    [InlineData(3, 128)]
    [InlineData(8, 100)]
    [InlineData(16, 60)]
    [InlineData(40, 240)]
    [InlineData(200, 0)]
    public void Fastest_IndependentSymbols_AreAsShortAsWithAllCounted(int alphabet, int zerosOf256)
    {
        byte[] text = Draw(alphabet, zerosOf256);
        byte[] payload = Encode(text, alphabet);
        Assert.InRange(payload.Length, 0, Counted(text, alphabet).Length * 1.002);
    }

    [Theory]
    [InlineData(5, 100)]
    [InlineData(16, 60)]
    [InlineData(40, 230)]
    [InlineData(250, 0)]
    public void Fastest_SymbolsThatTheSampleLacks_ComeBack(int alphabet, int zerosOf256)
    {
        // The smallest and the largest symbol occur once each, where nothing is taken.
        byte[] text = Draw(alphabet - 2, zerosOf256);
        for (int i = 0; i < text.Length; i++)
            text[i]++;
        int run = Array.IndexOf(IsTaken, false);
        text[(run * 64) + 3] = 0;
        text[(run * 64) + 40] = (byte)(alphabet - 1);
        Assert.NotEmpty(Encode(text, alphabet));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(16)]
    [InlineData(256)]
    public void Fastest_AMisleadingSample_IsGivenUp(int alphabet)
    {
        byte[] text = Draw(alphabet, 0);
        byte[] sparse = Draw(alphabet, 250);
        for (int run = 0; run < IsTaken.Length; run++)
        {
            if (IsTaken[run])
                sparse.AsSpan(run * 64, 64).CopyTo(text.AsSpan(run * 64));
        }

        Assert.Equal(Counted(text, alphabet), Encode(text, alphabet));
    }

    // What Fastest gives, after it was decoded and compared.
    private static byte[] Encode(byte[] text, int alphabet)
    {
        int min = -(alphabet / 2);
        sbyte[] symbols = Array.ConvertAll(text, symbol => (sbyte)(symbol + min));
        EncodedTensor encoded = SymbolCoder.Encode<sbyte>(symbols, [symbols.Length], min, min + alphabet - 1, CompressionLevel.Fastest);
        byte[] payload = encoded.Payload.ToArray();
        encoded.Release();
        var decoded = new sbyte[symbols.Length];
        SymbolCoder.Decode<sbyte>(encoded.Coding, payload, [symbols.Length], min, min + alphabet - 1, decoded);
        Assert.True(decoded.AsSpan().SequenceEqual(symbols));
        return payload;
    }

    // The same with everything counted.
    private static byte[] Counted(byte[] text, int alphabet)
    {
        int min = -(alphabet / 2);
        byte[] symbols = Array.ConvertAll(text, symbol => (byte)(symbol + min));
        using BackwardBuffer payload = GroupEncoder.Choose(symbols, 1, (byte)min, alphabet, GroupRules.For(CompressionLevel.Fastest), out long[] counts) is GroupPlan groups
            ? GroupEncoder.Write(symbols, (byte)min, alphabet, groups)
            : RansEncoder.Encode(new ByteTokens(symbols, (byte)min), symbols.Length, GroupEncoder.Plain(counts, GroupRules.For(CompressionLevel.Fastest))!);
        return payload.Written.ToArray();
    }

    private static byte[] Draw(int alphabet, int zerosOf256)
    {
        var random = new XorShift((ulong)((alphabet * 1000) + zerosOf256 + 1));
        var text = new byte[Length];
        foreach (ref byte symbol in text.AsSpan())
            symbol = random.Next(256) < zerosOf256 ? (byte)(alphabet / 2) : (byte)random.Next(random.Next(alphabet) + 1);
        return text;
    }

    private static bool[] Taken()
    {
        int weight = SymbolSample.WeightFor(Length);
        var text = new byte[Length];
        for (int i = 0; i < text.Length; i++)
            text[i] = (byte)(i / 64 % 250);
        byte[] sample = SymbolSample.Rent(text, weight, out int length);
        var taken = new bool[length / 64 * weight];
        for (int run = 0; run < length / 64; run++)
        {
            int found = Enumerable.Range(run * weight, weight).Single(place => place % 250 == sample[run * 64]);
            taken[found] = true;
        }

        ArrayPool<byte>.Shared.Return(sample);
        return taken;
    }
}
