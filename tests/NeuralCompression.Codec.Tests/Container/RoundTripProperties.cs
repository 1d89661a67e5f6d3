using System.IO.Compression;
using CsCheck;

namespace NeuralCompression.Codec.Tests.Container;

public sealed class RoundTripProperties
{
    private static readonly CompressionLevel[] Levels = [CompressionLevel.NoCompression, CompressionLevel.Fastest, CompressionLevel.Optimal, CompressionLevel.SmallestSize];

    [Fact]
    public void Quantized_AnyTensorAndLevel_RoundTripsWithinTheSizeBound() =>
        Gen.Select(Generators.Tensor, Gen.OneOfConst(Levels)).SampleRepeatably(
            (tensor, level) =>
            {
                byte[] file = Samples.Write(writer => writer.Add("w", tensor), level);
                using var reader = Samples.Open(file);
                CompressedTensorInfo info = Assert.Single(reader.Tensors);
                Assert.Equal(tensor.Grid, info.Grid);
                Assert.Equal(tensor.Shape.ToArray(), info.Shape.ToArray());
                Assert.Equal(tensor.ElementType, info.ElementType);
                Assert.Equal((tensor.MinSymbol, tensor.MaxSymbol), (info.MinSymbol, info.MaxSymbol));

                short[] symbols = new short[tensor.Length];
                reader.DecodeSymbols(info, symbols);
                Assert.Equal(Symbols(tensor), symbols);
                var expected = new float[tensor.Length];
                var actual = new float[tensor.Length];
                tensor.Dequantize(expected);
                reader.Decode(info, actual);
                Assert.Equal(expected, actual);

                int width = tensor.MinSymbol >= sbyte.MinValue && tensor.MaxSymbol <= sbyte.MaxValue ? 1 : 2;
                Assert.InRange(info.StoredBytes, 0, (long)tensor.Length * width);
            },
            iter: 500);

    [Fact]
    public void Lossless_AnyTypeAndLevel_RoundTripsAndIsNeverLargerThanRaw() =>
        Gen.Select(Gen.Enum<ElementType>(), Gen.Int[0, 400], Gen.Int[0, 3], Gen.ULong, Gen.OneOfConst(Levels)).SampleRepeatably(
            (type, length, kind, seed, level) =>
            {
                int size = type.Size();
                byte[] bytes = new byte[length * size];
                var random = new XorShift(seed);
                foreach (ref byte value in bytes.AsSpan())
                    value = kind switch { 0 => 0, 1 => (byte)random.Next(4), 2 => (byte)random.Next(256), _ => (byte)(random.Next(10) == 0 ? random.Next(256) : 7) };
                byte[] file = Samples.Write(writer => writer.Add("w", type, [length], bytes), level);
                using var reader = Samples.Open(file);
                byte[] back = new byte[bytes.Length];
                reader.DecodeBytes(reader["w"], back);
                Assert.Equal(bytes, back);
                Assert.InRange(reader["w"].StoredBytes, 0, bytes.Length);
                Assert.InRange(file.Length, 0, bytes.Length + 40 + (level == CompressionLevel.NoCompression ? 64 : 0));
            },
            iter: 1000);

    [Fact]
    public void Float_EveryBitPatternClass_SurvivesUnchanged()
    {
        float[] values = [0f, -0f, float.NaN, BitConverter.UInt32BitsToSingle(0xFFC12345), BitConverter.UInt32BitsToSingle(0x7F800001), float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, float.MaxValue, 1f];
        var random = new XorShift(3);
        float[] repeated = [.. Enumerable.Range(0, 400).Select(i => values[random.Next(1 + (i / 40))])];
        using var reader = Samples.Open(Samples.Write(writer => writer.Add("w", [400], repeated)));
        Assert.Equal("byte-planes", reader["w"].Coding);
        float[] back = new float[400];
        reader.Decode(reader["w"], back);
        Assert.Equal(repeated.Select(BitConverter.SingleToUInt32Bits), back.Select(BitConverter.SingleToUInt32Bits));
    }

    [Fact]
    public void Decode_EveryType_ConvertsToFloatAndDouble()
    {
        (ElementType, byte[], double)[] cases =
        [
            (ElementType.Float32, BitConverter.GetBytes(1.1f), 1.1f), (ElementType.Float16, BitConverter.GetBytes((Half)1.1), (double)(Half)1.1),
            (ElementType.BFloat16, [0x80, 0xBF], -1), (ElementType.Float64, BitConverter.GetBytes(1.1), 1.1), (ElementType.Int8, [0xFF], -1), (ElementType.UInt8, [0xFF], 255),
            (ElementType.Int16, BitConverter.GetBytes((short)-300), -300), (ElementType.Int32, BitConverter.GetBytes(1 << 30), 1 << 30), (ElementType.Int64, BitConverter.GetBytes(1L << 40), 1L << 40), (ElementType.Bool, [1], 1),
        ];
        foreach ((ElementType type, byte[] bytes, double expected) in cases)
        {
            // One element is constant, two different ones are raw.
            using var reader = Samples.Open(Samples.Write(writer =>
            {
                writer.Add("one", type, [], bytes);
                writer.Add("two", type, [2], [.. bytes, .. new byte[bytes.Length]]);
            }));
            var doubles = new double[2];
            var floats = new float[2];
            reader.Decode(reader["one"], doubles.AsSpan(1));
            Assert.Equal(expected, doubles[1]);
            reader.Decode(reader["two"], doubles);
            reader.Decode(reader["two"], floats);
            Assert.Equal([expected, 0], doubles);
            Assert.Equal([(float)expected, 0], floats);
        }
    }

    [Fact]
    public void Write_SameTensorsAnyCulture_GivesTheSameBytesAndReport()
    {
        var before = Thread.CurrentThread.CurrentCulture;
        try
        {
            var culture = (System.Globalization.CultureInfo)before.Clone();
            byte[] expected = Samples.Write("grids");
            string report = Report();
            culture.NumberFormat.NumberDecimalSeparator = ",";
            culture.NumberFormat.NegativeSign = "~";
            Thread.CurrentThread.CurrentCulture = culture;
            Assert.Equal(expected, Samples.Write("grids"));
            Assert.Equal(report, Report());
            Assert.Matches(@"ratio \d+\.\d\d\n", report);
        }
        finally
        {
            Thread.CurrentThread.CurrentCulture = before;
        }

        static string Report()
        {
            using var writer = CompressedModelWriter.Create(new MemoryStream());
            writer.Add("w", QuantizedTensor.FromSymbols(Samples.Sparse(1000, 8, 220), [1000], QuantizationGrid.Uniform(0.5)));
            return writer.Complete().ToString();
        }
    }

    private static short[] Symbols(QuantizedTensor tensor)
    {
        if (tensor.TryGetSymbols(out ReadOnlyMemory<short> wide))
            return wide.ToArray();
        Assert.True(tensor.TryGetSymbols(out ReadOnlyMemory<sbyte> narrow));
        return Array.ConvertAll(narrow.ToArray(), symbol => (short)symbol);
    }
}
