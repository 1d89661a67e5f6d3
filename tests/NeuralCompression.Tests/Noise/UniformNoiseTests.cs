namespace NeuralCompression.Tests.Noise;

/// <summary>
/// The noise is uniform and independent. The seed is fixed, so each test always sees the same numbers; bounds are five standard deviations of the statistic under the hypothesis (p about 6e-7 each).
/// </summary>
public sealed class UniformNoiseTests
{
    private const double Amplitude = 0.25;
    private const double Sigmas = 5;
    private static readonly double[] Sample = Draw(seed: 11, draw: 3, tensor: 2, count: 4_000_000);

    [Fact]
    public void Fill_Millions_HaveUniformMoments()
    {
        double n = Sample.Length;
        double mean = Sample.Average() / Amplitude;
        double second = Sample.Average(x => x * x) / Math.Pow(Amplitude, 2);
        double third = Sample.Average(x => x * x * x) / Math.Pow(Amplitude, 3);
        double fourth = Sample.Average(x => x * x * x * x) / Math.Pow(Amplitude, 4);

        // E x^k of the uniform on [-1, 1] is 1 / (k + 1) for even k; the variance of the mean of x^k is (1 / (2k + 1) - (E x^k)^2) / n.
        Assert.InRange(Math.Abs(mean), 0, Sigmas * Math.Sqrt(1.0 / 3 / n));
        Assert.InRange(Math.Abs(second - (1.0 / 3)), 0, Sigmas * Math.Sqrt(((1.0 / 5) - (1.0 / 9)) / n));
        Assert.InRange(Math.Abs(third), 0, Sigmas * Math.Sqrt(1.0 / 7 / n));
        Assert.InRange(Math.Abs(fourth - (1.0 / 5)), 0, Sigmas * Math.Sqrt(((1.0 / 9) - (1.0 / 25)) / n));
    }

    [Fact]
    public void Fill_Millions_StayWithinTheAmplitude()
    {
        Assert.All([Sample.Min(), Sample.Max()], x => Assert.InRange(Math.Abs(x), Amplitude * (1 - 1e-5), Amplitude));
    }

    [Fact]
    public void Fill_Millions_PassKolmogorovSmirnov()
    {
        double[] sorted = Sample[..1_000_000];
        Array.Sort(sorted);
        double n = sorted.Length;
        double distance = 0;
        for (int i = 0; i < sorted.Length; i++)
        {
            double cumulative = ((sorted[i] / Amplitude) + 1) / 2;
            distance = Math.Max(distance, Math.Max(cumulative - (i / n), ((i + 1) / n) - cumulative));
        }

        // Kolmogorov's limit law: P(sqrt(n) D > 2.5) = 2 exp(-2 * 2.5^2) = 7e-6.
        Assert.InRange(Math.Sqrt(n) * distance, 0, 2.5);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(1024)]
    public void Fill_Millions_PassChiSquare(int bins)
    {
        var counts = new double[bins];
        foreach (double x in Sample)
        {
            counts[Math.Min(bins - 1, (int)(((x / Amplitude) + 1) / 2 * bins))]++;
        }

        double expected = (double)Sample.Length / bins;
        double chiSquare = counts.Sum(c => (c - expected) * (c - expected) / expected);

        // Mean bins - 1, variance 2 (bins - 1). Too small would be as suspicious as too large.
        Assert.InRange(Math.Abs(chiSquare - (bins - 1)), 0, Sigmas * Math.Sqrt(2.0 * (bins - 1)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(16)]
    [InlineData(2048)]
    public void Fill_Millions_HaveNoSerialCorrelation(int lag)
    {
        double sum = 0;
        for (int i = lag; i < Sample.Length; i++)
        {
            sum += Sample[i] * Sample[i - lag];
        }

        Assert.InRange(Math.Abs(sum), 0, CorrelationBound(Sample.Length - lag));
    }

    [Theory]
    [InlineData(12ul, 3ul, 2)]
    [InlineData(11ul + (1ul << 32), 3ul, 2)]
    [InlineData(11ul, 4ul, 2)]
    [InlineData(11ul, 3ul + (1ul << 32), 2)]
    [InlineData(11ul, 3ul, 3)]
    [InlineData(3ul, 11ul, 2)]
    public void Fill_OtherSeedDrawOrTensor_IsUncorrelated(ulong seed, ulong draw, int tensor)
    {
        double[] other = Draw(seed, draw, tensor, 1_000_000);
        double sum = other.Zip(Sample, (a, b) => a * b).Sum();
        Assert.InRange(Math.Abs(sum), 0, CorrelationBound(other.Length));
    }

    [Fact]
    public void Fill_FloatAndDouble_AgreeWithinFloatRounding()
    {
        var narrow = new float[2048];
        var wide = new double[2048];
        UniformNoise.Fill(1, 2, 3, 4096, Amplitude, narrow);
        UniformNoise.Fill(1, 2, 3, 4096, Amplitude, wide);
        for (int i = 0; i < narrow.Length; i++)
        {
            // A 32-bit integer rounded to 24 bits, then one exact or rounded product.
            Assert.Equal(wide[i], narrow[i], 2 * Amplitude * Math.Pow(2, -24));
        }
    }

    [Fact]
    public void Fill_AnyLength_IsAPrefix()
    {
        var full = new float[UniformNoise.BlockLength];
        UniformNoise.Fill(5, 6, 7, 0, 1, full);
        foreach (int length in new[] { 0, 1, 3, 15, 16, 17, 2047 })
        {
            var part = new float[length];
            UniformNoise.Fill(5, 6, 7, 0, 1, part);
            Assert.Equal(full[..length], part);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Add_AnyLength_EqualsTheNumbersOfFill(bool selected)
    {
        var source = new NoiseSource(5, 6, 7, Amplitude);
        foreach (int length in new[] { 0, 1, 15, 16, 17, 100, UniformNoise.BlockLength })
        {
            var noise = new float[length];
            UniformNoise.Fill(5, 6, 7, 64, Amplitude, noise);
            float[] values = [.. noise.Select((_, i) => (float)Math.Sin(i))];

            // Stretches without noise longer than what one turn of the vector path draws, and single ones.
            float[] selector = [.. noise.Select((_, i) => i % 100 < 50 || i % 3 == 0 ? 0f : -1f)];
            float[] expected = [.. noise.Select((n, i) => (values[i] + (selected && selector[i] == 0 ? 0 : n)) * 0.3f)];
            var actual = new float[length];
            UniformNoise.Add(source, 64, values, selected ? selector : default(ReadOnlySpan<float>), 0.3f, actual);
            Assert.Equal(expected, actual);
            UniformNoise.AddScalar(source, 64, values, selected ? selector : default(ReadOnlySpan<float>), 0.3f, actual);
            Assert.Equal(expected, actual);
        }
    }

    // Variance of the sum of n products of two independent numbers of variance a^2/3.
    private static double CorrelationBound(long n) => Sigmas * Math.Sqrt(n) * Amplitude * Amplitude / 3;

    private static double[] Draw(ulong seed, ulong draw, int tensor, int count)
    {
        var values = new double[count];
        for (int i = 0; i < count; i += UniformNoise.BlockLength)
        {
            UniformNoise.Fill(seed, draw, tensor, i, Amplitude, values.AsSpan(i, Math.Min(UniformNoise.BlockLength, count - i)));
        }

        return values;
    }
}
