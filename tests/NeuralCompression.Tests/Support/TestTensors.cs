using TorchSharp;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Support;

/// <summary>Tensors with known content, independent of torch's generator.</summary>
internal static class TestTensors
{
    /// <summary>Contiguous CPU tensor of given values.</summary>
    public static Tensor Of(double[] values, ScalarType dtype, params long[] shape)
    {
        using var flat = tensor(values, dtype: dtype);
        return flat.reshape(shape.Length == 0 ? [values.Length] : shape).clone();
    }

    /// <summary>Uniform numbers in [-1, 1), the same for a seed on every machine; none of them is zero.</summary>
    public static double[] Numbers(int seed, int count)
    {
        var random = new Random(seed);
        var values = new double[count];
        for (int i = 0; i < count; i++)
        {
            do
            {
                values[i] = (2 * random.NextDouble()) - 1;
            }
            while (values[i] == 0);
        }

        return values;
    }

    public static Tensor Random(int seed, ScalarType dtype, params long[] shape) =>
        Of(Numbers(seed, (int)shape.Aggregate(1L, (a, b) => a * b)), dtype, shape);

    /// <summary>The same values with other strides: a transposed view of a transposed copy.</summary>
    public static Tensor Strided(Tensor matrix)
    {
        using var transposed = matrix.detach().t();
        using var copy = transposed.contiguous().clone();
        return copy.t();
    }

    public static double[] Values(Tensor tensor)
    {
        using var wide = tensor.detach().to(ScalarType.Float64).contiguous();
        return wide.data<double>().ToArray();
    }

    /// <summary>Raw bytes in logical order, so that equality means equality of bits.</summary>
    public static byte[] Bits(Tensor tensor)
    {
        using var dense = tensor.detach().contiguous();
        return dense.bytes.ToArray();
    }

    public static double Value(Tensor scalar)
    {
        using var wide = scalar.detach().to(ScalarType.Float64);
        return wide.item<double>();
    }

    public static void AssertSameBits(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.dtype, actual.dtype);
        Assert.Equal(expected.shape, actual.shape);
        Assert.Equal(Bits(expected), Bits(actual));
    }

    /// <summary>|actual - expected| within absolute + relative * |expected|, element by element.</summary>
    public static void AssertClose(IReadOnlyList<double> expected, IReadOnlyList<double> actual, double relative, double absolute)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            double tolerance = absolute + (relative * Math.Abs(expected[i]));
            Assert.True(
                Math.Abs(expected[i] - actual[i]) <= tolerance,
                $"Element {i}: expected {expected[i]:R}, got {actual[i]:R}, tolerance {tolerance:R}.");
        }
    }

    /// <summary>Unit roundoff of a type: half the distance from 1 to the next number.</summary>
    public static double Roundoff(ScalarType dtype) => dtype switch
    {
        ScalarType.Float16 => Math.Pow(2, -11),
        ScalarType.BFloat16 => Math.Pow(2, -8),
        ScalarType.Float32 => Math.Pow(2, -24),
        _ => Math.Pow(2, -53),
    };
}
