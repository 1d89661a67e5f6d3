using System.IO.Compression;
using CsCheck;
using NeuralCompression.Codec.Tests.Reference;
using NeuralCompression.Codec.WeightCoding.ContextMixing;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.Tests.ContextMixing;

public sealed class ContextMixingTests
{
    /// <summary>Times <c>NCM_MUTATIONS</c>, a run by hand: that many mutations instead of a few thousand.</summary>
    private static readonly int Mutations = int.TryParse(Environment.GetEnvironmentVariable("NCM_MUTATIONS"), out int count) ? count : 3000;

    private static readonly Gen<(int[] Symbols, long[] Shape)> Tensors =
        from rows in Gen.Int[1, 40]
        from columns in Gen.Int[1, 60]
        from kernel in Gen.Int[1, 9]
        from low in Gen.OneOfConst(-32_768, -300, -128, -7, -1, 0, 3)
        from width in Gen.OneOfConst(1, 2, 15, 255, 35_000)
        from zeros in Gen.OneOfConst(0, 50, 95, 100)
        from symbols in Gen.Select(Gen.Int[0, 99], Gen.Int[low, Math.Min(low + width, 32_767)], (dice, symbol) => dice < zeros && low <= 0 ? 0 : symbol).Array[rows * columns * kernel]
        select (symbols, kernel > 1 ? new long[] { rows, columns, kernel } : columns > 1 ? [rows, columns] : [rows]);

    [Fact]
    public void EncodeThenDecode_AnyTensor_GivesTheSameSymbols() => Tensors.SampleRepeatably(
        tensor =>
        {
            short[] symbols = Array.ConvertAll(tensor.Symbols, symbol => (short)symbol);
            (int min, int max) = (symbols.Min(), symbols.Max());
            if (min == max)
                return;
            byte[] payload = ContextMixingCoder.Encode<short>(symbols, tensor.Shape, min, max);
            Assert.Equal(symbols, Decode<short>(payload, tensor.Shape, min, max, symbols.Length));
            Assert.Equal(payload, ContextMixingCoder.Encode<short>(symbols, tensor.Shape, min, max));
            (int[] reference, int end) = ReferenceContextMixing.Decode(payload, 0, payload.Length, tensor.Shape, symbols.Length, min, max);
            Assert.Equal(payload.Length, end);
            Assert.Equal(tensor.Symbols, reference);

            if (min < sbyte.MinValue || max > sbyte.MaxValue)
                return;
            sbyte[] narrow = Array.ConvertAll(symbols, symbol => (sbyte)symbol);
            Assert.Equal(payload, ContextMixingCoder.Encode<sbyte>(narrow, tensor.Shape, min, max));
            Assert.Equal(narrow, Decode<sbyte>(payload, tensor.Shape, min, max, narrow.Length));
        },
        iter: 150);

    [Fact]
    public void Counter_NearEitherEnd_NeverGoesPastTheEnd()
    {
        for (int seen = 0; seen <= 255; seen++)
        {
            int count = (Counter.Fresh & Counter.CountMask) + (seen * Counter.CountStep);
            for (int distance = 0; distance < 64; distance++)
            {
                int low = ((Counter.Low + distance) << Counter.CountBits) | count;
                Counter.Move(ref low, 0, Counter.Limit);
                Assert.InRange((int)((uint)low >> Counter.CountBits), Counter.Low, Counter.Low + distance);

                int high = ((Counter.High - distance) << Counter.CountBits) | count;
                Counter.Move(ref high, 1, Counter.Limit);
                Assert.InRange((int)((uint)high >> Counter.CountBits), Counter.High - distance, Counter.High);
            }
        }
    }

    [Fact]
    public void Counter_ManyDecisions_FollowsTheirMean()
    {
        int counter = Counter.Fresh;
        var random = new XorShift(12);
        for (int i = 0; i < 20_000; i++)
            Counter.Move(ref counter, random.Next(10) == 0 ? 1 : 0, Counter.LongLimit);
        Assert.InRange(Counter.Probability(counter) / 65_536.0, 0.08, 0.12);
        Assert.Equal(Counter.LongLimit, counter & Counter.CountMask);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5000)]
    [InlineData(600_000)]
    public void EncodeThenDecode_OneAxis_GivesTheSameSymbols(int length)
    {
        sbyte[] symbols = Samples.Sparse(length, 1, 200);
        symbols[0] = 1;
        byte[] payload = ContextMixingCoder.Encode<sbyte>(symbols, [length], -7, 7);
        Assert.Equal(symbols, Decode<sbyte>(payload, [length], -7, 7, length));
    }

    [Fact]
    public void EncodeThenDecode_RowsLongerThanABlock_GivesTheSameSymbols()
    {
        sbyte[] symbols = Samples.Sparse(3 * 300_000, 2, 250);
        long[] shape = [3, 100_000, 3];
        byte[] payload = ContextMixingCoder.Encode<sbyte>(symbols, shape, -7, 7);
        Assert.Equal(symbols, Decode<sbyte>(payload, shape, -7, 7, symbols.Length));
    }

    [Theory]
    [InlineData(7)]
    [InlineData(8)]
    public void EncodeThenDecode_SeveralBlocksOfFewWeights_EqualsTheReference(int rows)
    {
        // Two pairs of rows make a block; one row and all but a few columns are empty.
        const int Columns = 1 << 17;
        var random = new XorShift(13);
        var symbols = new sbyte[rows * Columns];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 5; row != 2 && column < Columns; column += 500)
                symbols[(row * Columns) + column] = (sbyte)(random.Next(9) - 4);
        }

        long[] shape = [rows, Columns];
        byte[] payload = ContextMixingCoder.Encode<sbyte>(symbols, shape, -4, 4);
        Assert.Equal(symbols, Decode<sbyte>(payload, shape, -4, 4, symbols.Length));
        (int[] reference, int end) = ReferenceContextMixing.Decode(payload, 0, payload.Length, shape, symbols.Length, -4, 4);
        Assert.Equal(payload.Length, end);
        Assert.Equal(symbols, Array.ConvertAll(reference, symbol => (sbyte)symbol));
    }

    [Fact]
    public void Encode_SameSymbols_GivesTheRecordedBytes()
    {
        // Guards the format: these bytes come from the model of format version 1 and never change.
        sbyte[] symbols = Samples.Sparse(40 * 54, 3, 180);
        byte[] payload = ContextMixingCoder.Encode<sbyte>(symbols, [40, 6, 3, 3], -7, 7);
        Assert.Equal(RecordedHash, Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(payload))[..16]);
    }

    [Fact]
    public void Encode_StructuredTensors_IsFarBelowTheStaticCoder()
    {
        // Scales by row and column, a third of the rows dead, and an image row of 28.
        var random = new XorShift(4);
        var symbols = new sbyte[100 * 784];
        for (int i = 0; i < symbols.Length; i++)
        {
            int row = i / 784;
            int x = i % 784 % 28;
            int y = i % 784 / 28;
            bool alive = row % 3 != 0 && x is > 4 and < 23 && y is > 4 and < 23 && ((x / 4) + (y / 4) + row) % 3 == 0;
            symbols[i] = alive && random.Next(3) == 0 ? (sbyte)(random.Next(2) == 0 ? 1 : -1) : (sbyte)0;
        }

        byte[] smallest = Write(symbols, [100, 784], CompressionLevel.SmallestSize);
        Assert.InRange(smallest.Length, 1, CodingCost.EstimateBytes(symbols) * 7 / 10);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(128)]
    [InlineData(240)]
    public void Encode_IndependentSymbols_CostsLittleMoreThanTheirEntropy(int zerosOf256)
    {
        sbyte[] symbols = Samples.Sparse(200_000, 5, zerosOf256);
        double entropy = symbols.GroupBy(symbol => symbol).Sum(group => -group.Count() * Math.Log2(group.Count() / (double)symbols.Length)) / 8;
        byte[] payload = ContextMixingCoder.Encode<sbyte>(symbols, [400, 500], -7, 7);
        Assert.InRange(payload.Length, entropy * 0.99, entropy * 1.01 + 40);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(100)]
    [InlineData(300)]
    public void Encode_FewSymbolsOfABell_CostsLittleMoreThanTheDistribution(int length)
    {
        sbyte[] symbols = Bell(length);
        byte[] payload = ContextMixingCoder.Encode<sbyte>(symbols, [length], symbols.Min(), symbols.Max());
        Assert.Equal(BellModel.Flag, payload[0]);
        Assert.Equal(symbols, Decode<sbyte>(payload, [length], symbols.Min(), symbols.Max(), length));
        Assert.Equal(Array.ConvertAll(symbols, symbol => (int)symbol), ReferenceContextMixing.Decode(payload, 0, payload.Length, [length], length, symbols.Min(), symbols.Max()).Symbols);

        // The sum of 12 uniform numbers deviates by sigma = 25: log2(sigma sqrt(2 pi e)) bits, and 8 bytes of head and state.
        double entropy = length * Math.Log2(25 * Math.Sqrt(2 * Math.PI * Math.E)) / 8;
        Assert.InRange(payload.Length, entropy * 0.9, (entropy * 1.04) + 8);
    }

    [Theory]
    [InlineData(short.MinValue, short.MaxValue)]
    [InlineData(-5, 5)]
    public void Bell_AnyParameters_DecodesWhatItCodes(int min, int max)
    {
        // The fitted parameters are only the best ones: a decoder takes all.
        var random = new XorShift(11);
        for (int width = 0; width < 128; width += 9)
        {
            foreach (int center in new[] { short.MinValue, -1, 0, 3, short.MaxValue })
            {
                var symbols = new short[40];
                foreach (ref short symbol in symbols.AsSpan())
                    symbol = (short)(min + random.Next(max - min + 1));
                byte[] payload = ContextMixingCoder.EncodeBell(symbols, new BellModel(center, width), min, max);
                Assert.Equal(symbols, Decode<short>(payload, [40], min, max, 40));
                Assert.Equal(Array.ConvertAll(symbols, symbol => (int)symbol), ReferenceContextMixing.Decode(payload, 0, payload.Length, [40], 40, min, max).Symbols);
            }
        }
    }

    [Fact]
    public void Decode_MutatedPayloads_GivesSymbolsInRangeOrInvalidData()
    {
        var random = new XorShift(6);
        (byte[] Payload, long[] Shape, int Min, int Max, int Length)[] victims = [.. Victims()];
        for (int i = 0; i < Mutations; i++)
        {
            (byte[] valid, long[] shape, int min, int max, int length) = victims[i % victims.Length];
            byte[] payload = [.. valid];
            for (int change = random.Next(3); change >= 0; change--)
                payload[random.Next(random.Next(4) == 0 ? Math.Min(4, payload.Length) : payload.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0)
                payload = payload[..random.Next(payload.Length)];
            try
            {
                foreach (short symbol in Decode<short>(payload, shape, min, max, length))
                    Assert.InRange(symbol, min, max);
            }
            catch (InvalidDataException)
            {
            }
        }
    }

    [Fact]
    public void Counter_AnyState_VectorsEqualScalar()
    {
        Gen<int> counters =
            from probability in Gen.OneOf(Gen.Int[Counter.Low, Counter.High], Gen.Int[Counter.Low, 40], Gen.Int[Counter.High - 40, Counter.High])
            from seen in Gen.Int[0, 1020]
            select (probability << Counter.CountBits) | ((Counter.Fresh & Counter.CountMask) + (seen * Counter.CountStep));
        Gen.Select(counters.Array[8], Gen.Int[0, 1].Array[8], Gen.Int[-1, 0].Array[8], Gen.OneOfConst(Counter.Limit, Counter.ShortLimit, Counter.LongLimit)).SampleRepeatably(
            (before, bits, masks, limit) =>
            {
                Vector256<int> vector = Vector256.Create(before);
                Vector256<int> logOdds = Counter.Stretch(vector);
                Vector256<int> moved = Counter.Move(vector, Vector256.Create(Array.ConvertAll(bits, Counter.Target)), Vector256.Create(masks), limit);
                for (int i = 0; i < before.Length; i++)
                {
                    Assert.Equal(Counter.Stretch(before[i]), logOdds[i]);
                    int after = before[i];
                    if (masks[i] != 0)
                        Counter.Move(ref after, bits[i], limit);
                    Assert.Equal(after, moved[i]);
                }
            });
    }

    [Fact]
    public void Mixing_AnyNumbers_VectorsEqualScalar() => Gen.Select(Gen.Int[-65_535, 65_535].Array[4], Gen.Int[0, 147_456].Array[4], Gen.Int[-2560, 2560].Array[8], Gen.Int[-170_000, 170_000].Array[8]).SampleRepeatably(
        (differences, paces, logOdds, errors) =>
        {
            Vector128<int> pace = Vector128.Create(paces);
            Vector128<int> error = Mixing.Error(Vector128.Create(differences), pace);
            Vector128<int> slowing = Mixing.Slowing(pace);
            for (int i = 0; i < paces.Length; i++)
            {
                Assert.Equal(Mixing.Error(differences[i], paces[i]), error[i]);
                Assert.Equal(Mixing.Slowing(paces[i]), slowing[i]);
            }

            Vector256<int> steps = Mixing.Step(Vector256.Create(logOdds), Vector256.Create(errors));
            for (int i = 0; i < logOdds.Length; i++)
                Assert.Equal(Mixing.Step(logOdds[i], errors[i]), steps[i]);
        });

    [Fact]
    public void Tables_StretchAndSquash_AreNearTheirFunctions()
    {
        // A logarithm that is linear between powers of two is up to 0.0861 too small.
        for (int probability = Counter.Low; probability <= Counter.High; probability += 1 + (probability / 999))
        {
            double exact = Math.Log2(probability / ((1 << 20) - 1.0 - probability));
            Assert.InRange((Counter.Stretch(probability << Counter.CountBits) / 128.0) - exact, -0.095, 0.087);
        }

        for (int logOdds = -Logistic.Limit; logOdds <= Logistic.Limit; logOdds++)
            Assert.InRange(Logistic.Probability(logOdds) - Math.Clamp(65_536 / (1 + Math.Exp(-logOdds / 256.0)), 1, 65_535), -0.51, 0.51);
    }

    private static sbyte[] Bell(int length)
    {
        var random = new XorShift(10);
        var symbols = new sbyte[length];
        for (int i = 0; i < length; i++)
        {
            int sum = 0;
            for (int j = 0; j < 12; j++)
                sum += random.Next(1000);
            symbols[i] = (sbyte)Math.Clamp(20 + ((sum - 6000) / 40), -128, 127);
        }

        return symbols;
    }

    private static T[] Decode<T>(byte[] payload, long[] shape, int min, int max, int length)
        where T : struct, System.Numerics.IBinaryInteger<T>
    {
        var symbols = new T[length];
        ContextMixingCoder.Decode<T>(payload, shape, min, max, symbols);
        return symbols;
    }

    private static byte[] Write(sbyte[] symbols, long[] shape, CompressionLevel level) =>
        Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, shape, QuantizationGrid.Uniform(0.5))), level);

    private static IEnumerable<(byte[] Payload, long[] Shape, int Min, int Max, int Length)> Victims()
    {
        sbyte[] sparse = Samples.Sparse(20 * 30, 7, 230);
        sparse.AsSpan(60, 90).Clear();
        yield return (ContextMixingCoder.Encode<sbyte>(sparse, [20, 30], -7, 7), [20, 30], -7, 7, sparse.Length);
        sbyte[] dense = Samples.Sparse(8 * 45, 8, 20);
        yield return (ContextMixingCoder.Encode<sbyte>(dense, [8, 5, 3, 3], -7, 7), [8, 5, 3, 3], -7, 7, dense.Length);
        sbyte[] bell = Bell(200);
        yield return (ContextMixingCoder.Encode<sbyte>(bell, [200], bell.Min(), bell.Max()), [200], bell.Min(), bell.Max(), bell.Length);
        var random = new XorShift(9);
        var wide = new short[300];
        foreach (ref short symbol in wide.AsSpan())
            symbol = (short)(random.Next(40_000) - 10_000);
        yield return (ContextMixingCoder.Encode<short>(wide, [300], -10_000, 30_000), [300], -10_000, 30_000, wide.Length);
        foreach (ref short symbol in wide.AsSpan())
            symbol = (short)(5 + random.Next(16));
        yield return (ContextMixingCoder.Encode<short>(wide, [300], 5, 20), [300], 5, 20, wide.Length);
    }

    private const string RecordedHash = "50E427700C49907C";
}
