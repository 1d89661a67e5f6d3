using System.Buffers.Binary;
using System.IO.Compression;

namespace NeuralCompression.Codec.Tests.Quantization;

/// <summary>Every way to turn symbols into values gives what docs/format.md, section 4.4, says: the product in binary64, rounded to binary32, and that to 16 bits.</summary>
public sealed class DequantizerTests
{
    // Channels of 1 to 5,000 neighbours: below and above every length at which the code goes another way.
    public static TheoryData<long[], int> Shapes => new()
    {
        { [7, 300], 0 },
        { [300, 7], 1 },
        { [3, 1000], 1 },
        { [5, 11, 3, 3], 1 },
        { [5, 11, 3, 3], 3 },
        { [9, 8, 7], 0 },
        { [4, 65], 0 },
        { [2, 1024], 0 },
        { [3, 5000], 0 },
        { [2000], 0 },
        { [1, 700], 0 },
        { [1, 2100], -1 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Decode_EveryTypeAndPiece_IsTheDefinition(long[] shape, int axis)
    {
        int length = (int)shape.Aggregate(1L, (product, axisLength) => product * axisLength);
        sbyte[] symbols = [.. Samples.Sparse(length, 90, 60).Select((symbol, i) => (sbyte)(i % 50 == 7 ? 127 : i % 50 == 8 ? -128 : symbol))];

        // Steps of every size, such that products become infinite, subnormal and ties of 16 bits.
        float[] steps = [.. Enumerable.Range(0, axis < 0 ? 1 : (int)shape[axis]).Select(i => (i % 5) switch { 0 => 0.1f + (i * 0.013f), 1 => 1.00390625f, 2 => 1e-43f, 3 => 3e38f, _ => 600f })];
        QuantizationGrid grid = axis < 0 ? QuantizationGrid.Uniform(0.1) : QuantizationGrid.PerChannel(steps, axis);
        long inner = axis < 0 ? long.MaxValue : shape[(axis + 1)..].Aggregate(1L, (product, axisLength) => product * axisLength);
        foreach (ElementType type in new[] { ElementType.Float32, ElementType.Float16, ElementType.BFloat16, ElementType.Float64 })
        {
            var tensor = QuantizedTensor.FromSymbols(symbols, shape, grid, type);
            double[] expected = [.. symbols.Select((symbol, i) => Rounded((axis < 0 ? 0.1 : steps[i / inner % steps.Length]) * symbol, type))];
            float[] singles = Array.ConvertAll(expected, value => (float)value);
            using CompressedModelReader reader = Samples.Open(Samples.Write(writer => writer.Add("w", tensor), CompressionLevel.Fastest));
            foreach (int start in new[] { 0, 1, 13, length / 2, length - 1 })
            {
                var floats = new float[length - start];
                var doubles = new double[length - start];
                byte[] bytes = new byte[(length - start) * (type == ElementType.Float32 ? 4 : type == ElementType.Float64 ? 8 : 2)];
                reader.Decode(reader["w"], start, floats);
                reader.Decode(reader["w"], start, doubles);
                reader.DecodeBytes(reader["w"], start, bytes);
                Assert.Equal(Bits(singles.AsSpan(start)), Bits(floats));
                Assert.Equal(Bits(expected.AsSpan(start)), Bits(doubles));
                for (int i = 0; i < floats.Length; i++)
                    Assert.Equal(BitConverter.DoubleToInt64Bits(expected[start + i]), BitConverter.DoubleToInt64Bits(Element(bytes, i, type)));
            }

            var own = new float[length];
            tensor.Dequantize(own);
            Assert.Equal(Bits(singles), Bits(own));
        }
    }

    private static int[] Bits(ReadOnlySpan<float> values) => Array.ConvertAll(values.ToArray(), BitConverter.SingleToInt32Bits);

    private static long[] Bits(ReadOnlySpan<double> values) => Array.ConvertAll(values.ToArray(), BitConverter.DoubleToInt64Bits);

    private static double Rounded(double product, ElementType type) => type switch
    {
        ElementType.Float64 => product,
        ElementType.Float32 => (float)product,
        ElementType.Float16 => (double)(Half)(float)product,
        _ => NearestBFloat16((float)product),
    };

    // By the distances to the numbers of 16 bits on either side; a tie to the even one.
    private static double NearestBFloat16(float value)
    {
        if (float.IsInfinity(value))
            return value;
        uint low = BitConverter.SingleToUInt32Bits(value) & 0xFFFF0000;
        uint high = low + 0x10000;
        double below = Math.Abs(value - (double)BitConverter.UInt32BitsToSingle(low));
        float above = BitConverter.UInt32BitsToSingle(high);
        double over = float.IsInfinity(above) ? Math.Pow(2, 128) - Math.Abs((double)value) : Math.Abs(above - (double)value);
        bool takeLow = below < over || (below == over && (low & 0x10000) == 0);
        return BitConverter.UInt32BitsToSingle(takeLow ? low : high);
    }

    private static double Element(byte[] bytes, int i, ElementType type) => type switch
    {
        ElementType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(4 * i)),
        ElementType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(bytes.AsSpan(8 * i)),
        ElementType.Float16 => (double)BinaryPrimitives.ReadHalfLittleEndian(bytes.AsSpan(2 * i)),
        _ => BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(2 * i)) << 16),
    };
}
