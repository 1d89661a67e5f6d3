using CsCheck;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.Tests.EntropyCoding;

public sealed class RansTests
{
    private static readonly Gen<long[]> Counts =
        from size in Gen.OneOf(Gen.Int[2, 9], Gen.Int[2, 256])
        from magnitude in Gen.OneOfConst(2, 20, 1000, 1 << 30)
        from absent in Gen.Int[0, 9]
        from seed in Gen.ULong
        select MakeCounts(size, magnitude, absent, seed);

    [Fact]
    public void Normalize_AnyCounts_SumsToThePowerAndKeepsEverySymbol() =>
        Gen.Select(Counts, Gen.Int[8, 14], Gen.Int[0, 7]).SampleRepeatably(
            (counts, precision, mantissa) =>
            {
                var frequencies = new ushort[counts.Length];
                if (!FrequencyNormalizer.TryNormalize(counts, precision, mantissa, frequencies))
                {
                    Assert.True(mantissa < 7 || counts.Count(count => count > 0) >= 1 << precision);
                    return;
                }

                Assert.Equal(1 << precision, frequencies.Sum(frequency => frequency));
                for (int i = 0; i < counts.Length; i++)
                    Assert.Equal(counts[i] > 0, frequencies[i] > 0);
            },
            iter: 2000);

    [Fact]
    public void Normalize_AllBits_IsWithinATenthOfAPercentOfTheBestSearch()
    {
        // Brute force over all tables of three symbols at 8 bits.
        foreach (long[] counts in new long[][] { [1, 10, 1000], [5, 5, 6], [1, 1, 1], [300, 40, 7], [999999, 1, 1] })
        {
            var best = UInt128.MaxValue;
            for (ushort a = 1; a < 255; a++)
            {
                for (ushort b = 1; a + b < 256; b++)
                    best = UInt128.Min(best, FrequencyTable.Cost(counts, [a, b, (ushort)(256 - a - b)], 8));
            }

            var frequencies = new ushort[3];
            Assert.True(FrequencyNormalizer.TryNormalize(counts, 8, 7, frequencies));
            Assert.InRange((double)FrequencyTable.Cost(counts, frequencies, 8), 0, (double)best * 1.001);
        }
    }

    [Fact]
    public void Table_AnyFrequencies_RoundTrips() =>
        Gen.Select(Counts, Gen.Int[8, 14], Gen.Int[0, 7]).SampleRepeatably(
            (counts, precision, mantissa) =>
            {
                var frequencies = new ushort[counts.Length];
                if (!FrequencyNormalizer.TryNormalize(counts, precision, mantissa, frequencies))
                    return;
                var writer = new BitWriter();
                FrequencyTableCode.Write(writer, frequencies, FrequencyNormalizer.MostFrequent(counts), precision, mantissa);
                byte[] bytes = writer.ToArray();
                var reader = new BitReader(bytes, ContainerError.FrequencyTable);
                FrequencyTable table = FrequencyTableCode.Read(ref reader, counts.Length, precision, mantissa);
                Assert.Equal(frequencies, table.Frequencies.ToArray());
                Assert.Equal(bytes.Length, reader.Finish());
            },
            iter: 2000);

    [Fact]
    public void Stream_ExtremeFrequenciesAndLengths_RoundTrips()
    {
        foreach (int length in (int[])[2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 127, 129, 1000])
        {
            foreach (int rare in (int[])[1, length / 2])
            {
                // The rare symbol first, last and in between; the plan is made for a far longer text, so its frequency is 1.
                foreach (int place in (int[])[0, length - 1, length / 2])
                {
                    var symbols = new byte[length];
                    symbols[place] = 1;
                    RansPlan plan = RansPlan.Create([1_000_000_000, rare], 14)!;
                    byte[] stream = RansEncoder.Encode(symbols, plan);
                    var back = new byte[length];
                    Assert.Equal(stream.Length, RansDecoder.Decode(stream, 2, 0, back));
                    Assert.Equal(symbols, back);
                }
            }
        }
    }

    [Fact]
    public void FixedPointLog2_EveryValue_IsExactToItsLastBit()
    {
        for (int value = 1; value <= 1 << 14; value++)
            Assert.InRange(FixedPointLog2.Of(value) - (Math.Log2(value) * 65536), -1.5, 0.001);
    }

    private static long[] MakeCounts(int size, int magnitude, int absent, ulong seed)
    {
        var random = new XorShift(seed);
        var counts = new long[size];
        for (int i = 0; i < size; i++)
            counts[i] = random.Next(10) < absent ? 0 : 1 + (random.Next(magnitude) >> random.Next(12));
        counts[0] = Math.Max(counts[0], 1);
        counts[^1] = Math.Max(counts[^1], 1);
        return counts;
    }
}
