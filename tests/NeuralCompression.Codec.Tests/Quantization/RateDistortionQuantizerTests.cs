using System.IO.Compression;
using CsCheck;

namespace NeuralCompression.Codec.Tests.Quantization;

public sealed class RateDistortionQuantizerTests
{
    private const double Step = 0.25;

    private static readonly Gen<(float[] Values, float[] Sensitivities, long[] Shape)> Problems =
        from rows in Gen.Int[1, 20]
        from columns in Gen.Int[1, 40]
        from values in Gen.Float[-1.2f, 1.2f].Array[rows * columns]
        from keep in Gen.Int[1, 10]
        from sensitivities in Gen.Float[0, 2].Array[rows * columns]
        select (values.Select((value, i) => i % 10 < keep ? value : value / 20).ToArray(), sensitivities, new long[] { rows, columns });

    [Fact]
    public void Quantize_NoStrength_RoundsToTheNearest() =>
        Problems.SampleRepeatably(
            problem =>
            {
                var nearest = new sbyte[problem.Values.Length];
                UniformQuantizer.Quantize(problem.Values, Step, -4, 4, nearest);
                Assert.Equal(nearest, Run(problem.Values, problem.Sensitivities, problem.Shape, 0));
            });

    [Fact]
    public void Quantize_AnyStrength_StaysWithinLimitsNearTheValueOrZero() =>
        Problems.SampleRepeatably(
            problem =>
            {
                foreach (CompressionLevel level in Enum.GetValues<CompressionLevel>())
                {
                    sbyte[] symbols = Run(problem.Values, problem.Sensitivities, problem.Shape, 0.01, level);
                    for (int i = 0; i < symbols.Length; i++)
                    {
                        double distance = Math.Abs((Math.Clamp(problem.Values[i], -1f, 1f) / Step) - symbols[i]);
                        Assert.True(symbols[i] is >= -4 and <= 4 && (symbols[i] == 0 || distance <= 1), $"{problem.Values[i]} became {symbols[i]}");
                    }

                    // All overloads decide alike.
                    var wide = new short[symbols.Length];
                    RateDistortionQuantizer.Quantize(problem.Values, problem.Sensitivities, problem.Shape, Step, -4, 4, 0.01, level, wide);
                    Assert.Equal(symbols, Array.ConvertAll(wide, symbol => (sbyte)symbol));
                    double[] values = Array.ConvertAll(problem.Values, value => (double)value);
                    double[] sensitivities = Array.ConvertAll(problem.Sensitivities, value => (double)value);
                    var narrow = new sbyte[symbols.Length];
                    RateDistortionQuantizer.Quantize(values, sensitivities, problem.Shape, Step, -4, 4, 0.01, level, narrow);
                    Assert.Equal(symbols, narrow);
                    RateDistortionQuantizer.Quantize(values, sensitivities, problem.Shape, Step, -4, 4, 0.01, level, wide);
                    Assert.Equal(symbols, Array.ConvertAll(wide, symbol => (sbyte)symbol));
                }
            },
            iter: 50);

    // Real bytes against error: rounding with prices must beat what the same bytes cost without them, dead-zone rounding with one threshold for all.
    [Theory]
    [InlineData(CompressionLevel.SmallestSize)]
    [InlineData(CompressionLevel.Optimal)]
    public void Quantize_RowsOfDifferentActivity_BeatsOneThreshold(CompressionLevel level)
    {
        (float[] values, long[] shape) = Activity();
        sbyte[] priced = Run(values, [], shape, 0.01, level);
        long bytes = CodingCost.EstimateBytes(priced, shape, level);
        double error = Error(values, priced);
        var nearest = Run(values, [], shape, 0, level);
        long all = CodingCost.EstimateBytes(nearest, shape, level);
        Assert.True(bytes < 0.9 * all, $"{bytes} of {all} bytes");

        double best = double.PositiveInfinity;
        for (double zone = 0.5; zone < 2.5; zone += 0.02)
        {
            var symbols = new sbyte[values.Length];
            for (int i = 0; i < symbols.Length; i++)
                symbols[i] = Math.Abs(values[i] / Step) <= zone ? (sbyte)0 : nearest[i];
            if (CodingCost.EstimateBytes(symbols, shape, level) <= bytes)
                best = Math.Min(best, Error(values, symbols));
        }

        Assert.True(error < best, $"{error} at {bytes} bytes, {best} with one threshold");
    }

    [Fact]
    public void Quantize_Sensitivities_SpareWhatMatters()
    {
        (float[] values, long[] shape) = Activity();
        float[] sensitivities = [.. values.Select((_, i) => i % 2 == 0 ? 100f : 0f)];
        sbyte[] symbols = Run(values, sensitivities, shape, 0.001);
        Assert.All(symbols.Where((_, i) => i % 2 == 1), symbol => Assert.Equal(0, symbol));
        sbyte[] nearest = Run(values, [], shape, 0);
        int kept = symbols.Where((symbol, i) => i % 2 == 0 && symbol == nearest[i]).Count();
        Assert.True(kept > 0.98 * values.Length / 2, $"{kept} kept");
    }

    [Fact]
    public void Quantize_InfiniteStrength_IsTheFloor()
    {
        (float[] values, long[] shape) = Activity();
        Assert.All(Run(values, [], shape, double.PositiveInfinity), symbol => Assert.Equal(0, symbol));
        var positive = new sbyte[values.Length];
        RateDistortionQuantizer.Quantize(values, [], shape, Step, 1, 4, double.PositiveInfinity, CompressionLevel.Optimal, positive);
        Assert.All(positive, symbol => Assert.Equal(1, symbol));
    }

    [Fact]
    public void Quantize_ContradictoryArguments_Throw()
    {
        float[] values = [1, 2];
        Assert.Throws<ArgumentOutOfRangeException>(() => Run(values, [], [2], -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Run(values, [], [2], double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => Run(values, [], [2], 1, (CompressionLevel)9));
        Assert.Throws<ArgumentException>(() => Run(values, [], [3], 1));
        Assert.Throws<ArgumentException>(() => Run(values, [1], [2], 1));
        Assert.Throws<ArgumentException>(() => Run(values, [1, -1], [2], 1));
        Assert.Throws<ArgumentException>(() => Run(values, [1, float.NaN], [2], 1));
        Assert.Throws<ArgumentException>(() => Run([float.NaN, 1], [], [2], 1));
        Assert.Empty(Run([], [], [0], 1));
    }

    // Half the rows hold a tenth of the weights of the others.
    private static (float[] Values, long[] Shape) Activity()
    {
        var random = new XorShift(5);
        var values = new float[100 * 200];
        for (int i = 0; i < values.Length; i++)
        {
            double spread = random.Next(100) < (i / 200 % 2 == 0 ? 20 : 2) ? 0.6 : 0.02;
            values[i] = (float)(spread * (random.Next(1001) + random.Next(1001) - 1000) / 500.0);
        }

        return (values, [100, 200]);
    }

    private static double Error(float[] values, sbyte[] symbols) =>
        values.Zip(symbols).Sum(pair => Math.Pow(Math.Clamp(pair.First, -1f, 1f) - (pair.Second * Step), 2));

    private static sbyte[] Run(float[] values, float[] sensitivities, long[] shape, double strength, CompressionLevel level = CompressionLevel.SmallestSize)
    {
        var symbols = new sbyte[values.Length];
        RateDistortionQuantizer.Quantize(values, sensitivities, shape, Step, -4, 4, strength, level, symbols);
        return symbols;
    }
}
