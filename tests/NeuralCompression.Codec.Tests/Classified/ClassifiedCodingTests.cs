using System.IO.Compression;
using System.Runtime.Intrinsics.X86;
using CsCheck;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.Tests.Kernels;
using NeuralCompression.Codec.WeightCoding.Classified;
using NeuralCompression.Codec.WeightCoding.Classified.Kernels;

namespace NeuralCompression.Codec.Tests.Classified;

/// <summary>Tables chosen by row, column and neighbours: every kernel decodes what the encoder wrote, and structure makes files smaller.</summary>
public sealed class ClassifiedCodingTests
{
    private static readonly Gen<(long[] Shape, sbyte[] Symbols)> Tensors =
        from shape in Gen.OneOfConst<long[]>([1, 900], [900, 1], [900], [3, 5, 3, 3], [67, 70], [70, 67], [33, 64], [64, 128], [31, 3, 5, 5], [10, 500], [300, 40], [2, 4001], [260, 260], [40, 2000])
        from most in Gen.OneOfConst(1, 2, 7, 40, 126)
        from seed in Gen.ULong
        select (shape, Samples.Structured((int)shape[0], (int)(shape.Aggregate(1L, (a, b) => a * b) / shape[0]), seed, most));

    public static TheoryData<string> Kernels => [.. ClassifiedKernels.All.Where(kernel => kernel.IsSupported).Select(kernel => kernel.Name)];

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Decode_EveryKernel_GivesTheSymbols(string name)
    {
        DecodeColumns kernel = ClassifiedKernels.All.Single(kernel => kernel.Name == name).Decode;
        int coded = 0;
        Tensors.SampleRepeatably(
            tensor =>
            {
                (long[] shape, sbyte[] symbols) = tensor;
                // Every number of lanes: they follow from the weights and the length that is to be beaten.
                foreach (long limit in (long[])[200, 2000, 20_000, 100_000_000])
                {
                    if (Encode(symbols, shape, limit) is not byte[] payload)
                        continue;
                    int lanes = payload[0] & 3;
                    if (lanes < 2 && name != "scalar")
                        continue;
                    coded++;
                    using var guarded = new GuardedMemory(payload.Length);
                    payload.CopyTo(guarded.Span);
                    var decoded = new sbyte[symbols.Length];
                    ClassifiedReader.Decode(guarded.Span, shape, symbols.Min(), symbols.Max(), decoded, kernel);
                    Assert.Equal(symbols, decoded);
                }
            },
            iter: 60);
        Assert.True(coded > 50);
    }

    [Fact]
    public void Kernels_OnThisMachine_AreThoseItShouldHave()
    {
        string? expected = Environment.GetEnvironmentVariable("NC_EXPECT_ISA");
        if (expected is null)
            return;
        string[] wanted = expected switch
        {
            // Older AVX-512 has no permutations of bytes.
            "avx512" when !Avx512Vbmi2.IsSupported => ["scalar", "avx2"],
            "avx512" => ["scalar", "avx2", "avx512"],
            "avx2" => ["scalar", "avx2"],
            _ => ["scalar"],
        };
        Assert.Equal(wanted, ClassifiedKernels.All.Where(kernel => kernel.IsSupported).Select(kernel => kernel.Name));
    }

    // What the search chooses leaves paths of a kernel out; hostile parameters take them all. Equal symbols, words and states of lanes that have a row, also where the words end early.
    [Theory]
    [MemberData(nameof(Kernels))]
    public void Decode_AnyParameters_AgreesWithTheScalarCode(string name)
    {
        DecodeColumns kernel = ClassifiedKernels.All.Single(kernel => kernel.Name == name).Decode;
        var random = new Random(11);
        for (int trial = 0; trial < 400; trial++)
        {
            var parameters = new ClassifiedParameters
            {
                LaneCode = random.Next(2, 4),
                PrecisionBits = random.Next(8, ClassifiedLayout.MaxPrecisionBits + 1),
                Tables = trial % 7 == 0 ? ClassifiedLayout.MaxTables : random.Next(1, 9),
                SizeShift = random.Next(8),
                HasRowClasses = true,
                HasColumnClasses = true,
                SkipsEmptyColumns = random.Next(2) == 0,
                SignOfNear = random.Next(2) == 0,
                SignOfFar = random.Next(2) == 0,
                NearWeight = random.Next(4),
                SecondWeight = random.Next(4),
                FarWeight = random.Next(4),
                SideWeight = random.Next(4),
                FarDistance = random.Next(4) == 0 ? 300 : random.Next(2, 6),
            };
            int firstSymbol = parameters.Mirrors ? -127 : -128;
            int alphabet = random.Next(2) == 0 ? 127 - firstSymbol + 1 : random.Next(2, 9);
            FrequencyTable[] tables = [.. Enumerable.Range(0, parameters.Tables).Select(_ => RandomTable(random, alphabet, parameters.PrecisionBits))];
            byte[] map = new byte[ClassifiedLayout.MapLength];
            for (int context = 0; context < ClassifiedLayout.Contexts; context++)
                map[context] = (byte)random.Next(parameters.Tables);
            byte[] columnClasses = [.. Enumerable.Range(0, 150).Select(_ => (byte)random.Next(ClassifiedLayout.Classes))];
            var words = new byte[random.Next(40_000)];
            random.NextBytes(words);
            using var guarded = new GuardedMemory(words.Length);
            words.CopyTo(guarded.Span);

            using var expected = new ClassifiedSteps(parameters, tables, map, columnClasses, firstSymbol);
            using var actual = new ClassifiedSteps(parameters, tables, map, columnClasses, firstSymbol);
            for (int lane = 0; lane < expected.Lanes; lane++)
                expected.States[lane] = actual.States[lane] = RansConstants.LowerBound + (uint)random.Next(1 << 30);
            int active = expected.Lanes - (random.Next(2) * random.Next(expected.Lanes));
            int position = 0;
            for (int row = 0; row < 3; row++)
            {
                byte[] classes = [.. Enumerable.Range(0, active).Select(_ => (byte)random.Next(1, ClassifiedLayout.Classes))];
                expected.BeginRow(classes);
                actual.BeginRow(classes);
                for (int from = 0; from < columnClasses.Length; from += ClassifiedLayout.BlockColumns)
                {
                    int to = Math.Min(from + ClassifiedLayout.BlockColumns, columnClasses.Length);
                    int done = ScalarClassified.Decode(expected, guarded.Span[position..], from, to, out int read);
                    Assert.Equal(done, kernel(actual, guarded.Span[position..], from, to, out int sameRead));
                    Assert.Equal(read, sameRead);
                    Assert.Equal(expected.Time, actual.Time);
                    Assert.Equal(expected.States[..active], actual.States[..active]);
                    for (int column = 0; column < done; column++)
                        Assert.Equal(expected.Block.AsSpan(column * expected.Lanes, active), actual.Block.AsSpan(column * actual.Lanes, active));
                    position += read;
                }

                active = Math.Max(active - 1, 1);
            }
        }

        static FrequencyTable RandomTable(Random random, int alphabet, int precision)
        {
            // Many frequencies are zero; the last two symbols present share what is left.
            var frequencies = new ushort[alphabet];
            int left = (1 << precision) - 2;
            for (int symbol = 2; symbol < alphabet; symbol++)
            {
                int frequency = random.Next(3) == 0 ? 0 : random.Next(Math.Max(1, left / 8));
                frequencies[symbol] = (ushort)frequency;
                left -= frequency;
            }

            frequencies[0] = (ushort)(1 + (left / 2));
            frequencies[1] = (ushort)(1 + left - (left / 2));
            return new FrequencyTable(frequencies, precision);
        }
    }

    [Theory]
    [InlineData(-128, 127)]
    [InlineData(1, 9)]
    [InlineData(-9, -1)]
    [InlineData(0, 1)]
    public void RoundTrip_Ranges_GiveTheSymbols(int min, int max)
    {
        sbyte[] symbols = Array.ConvertAll(Samples.Structured(50, 60, 9, 40), symbol => (sbyte)Math.Clamp(4 * symbol, min, max));
        symbols[7] = (sbyte)min;
        symbols[8] = (sbyte)max;
        byte[]? payload = Encode(symbols, [50, 60], 100_000);
        Assert.NotNull(payload);
        var decoded = new sbyte[symbols.Length];
        ClassifiedReader.Decode(payload, [50, 60], min, max, decoded);
        Assert.Equal(symbols, decoded);
    }

    [Fact]
    public void Write_StructuredTensor_IsMuchSmallerThanWithOneTable()
    {
        var tensor = QuantizedTensor.FromSymbols(Samples.Structured(200, 300, 5, 3), [200, 300], QuantizationGrid.Uniform(1));
        int one = Samples.Write(writer => writer.Add("w", tensor), CompressionLevel.Fastest).Length;
        int several = Samples.Write(writer => writer.Add("w", tensor)).Length;
        Assert.InRange(several, one / 3, one * 85 / 100);
    }

    [Fact]
    public void Write_16BitSymbolsOfNarrowRange_AreTheSamePayload()
    {
        sbyte[] symbols = Samples.Structured(60, 60, 6, 7);
        byte[] narrow = Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, [60, 60], QuantizationGrid.Uniform(1))));
        byte[] wide = Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(Array.ConvertAll(symbols, symbol => (short)symbol), [60, 60], QuantizationGrid.Uniform(1))));
        Assert.Equal(narrow, wide);
        using var reader = Samples.Open(wide);
        Assert.Equal("classified-rans", reader.Tensors[0].Coding);
        var decoded = new short[symbols.Length];
        reader.DecodeSymbols(reader.Tensors[0], decoded);
        Assert.Equal(Array.ConvertAll(symbols, symbol => (short)symbol), decoded);
    }

    [Fact]
    public void Decode_EveryTruncation_IsRefused()
    {
        sbyte[] symbols = Samples.Structured(67, 70, 70, 40);
        byte[] payload = Encode(symbols, [67, 70], 100_000)!;
        var decoded = new sbyte[symbols.Length];
        for (int length = 0; length < payload.Length; length++)
            Assert.Throws<InvalidDataException>(() => ClassifiedReader.Decode(payload.AsSpan(0, length), [67, 70], symbols.Min(), symbols.Max(), decoded));
        Assert.Throws<InvalidDataException>(() => ClassifiedReader.Decode([.. payload, 0, 0], [67, 70], symbols.Min(), symbols.Max(), decoded));
    }

    [Fact]
    public void Probability_EveryPairOfCounts_IsTheQuotient()
    {
        for (int zeros = 0; zeros < 255; zeros++)
        {
            var counter = default(DecisionCounter);
            for (int i = 0; i < zeros; i++)
                counter.Add(0);
            for (int ones = 0; zeros + ones < 255; ones++)
            {
                Assert.Equal(((2 * ones) + 1) * 65_536 / (2 * (zeros + ones + 1)), counter.Probability);
                counter.Add(1);
            }
        }
    }

    // What the golden file "classified-signs" is for.
    [Theory]
    [InlineData(160, 40, 73, 3, false)]
    [InlineData(2, 4800, 74, 5, true)]
    public void Write_SignsThatRepeat_AreMirroredAndLongRowsCut(int rows, int columns, ulong seed, int most, bool cut)
    {
        byte[] payload = Encode(Samples.Signed(rows, columns, seed, most), [rows, columns], 100_000)!;
        var bits = new BitReader(payload, ContainerError.EntropyStream);
        ClassifiedParameters parameters = ClassifiedParameters.Read(ref bits);
        Assert.True(parameters.Mirrors);
        Assert.Equal(cut, parameters.RowLength != 0);
    }

    private static byte[]? Encode(sbyte[] symbols, long[] shape, long limit)
    {
        byte[]? payload = symbols.Min() == symbols.Max() ? null : ClassifiedEncoder.TryEncode(symbols, shape, symbols.Min(), symbols.Max(), limit);
        return payload;
    }
}
