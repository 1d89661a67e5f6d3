namespace NeuralCompression;

/// <summary>
/// The normal distribution cut to an interval, as the distribution of raw parameters; its spread parameter σ is solved for the spread of the mapped values.
/// </summary>
internal sealed class TruncatedNormal(double lower, double upper, double center)
{
    // Simpson's rule over the interval; the integrands are smooth, so 512 pieces give about 1e-10.
    private const int Pieces = 512;
    private const int Bisections = 100;

    // Beyond this multiple of the interval's width the density is flat to 1e-6.
    private const double FlatSigma = 1000;

    // Smallest σ looked for, as a multiple of the interval's width; far below any useful occupancy.
    private const double SmallestSigma = 1e-9;

    private const double CutSigmas = 10;

    /// <summary>Largest standard deviation of m(θ) that the interval allows: that of a uniform θ.</summary>
    public double LargestMappedSpread(WeightMapping mapping) => MappedSpread(mapping, FlatSigma * (upper - lower));

    /// <summary>Standard deviation of m(θ) for a given σ.</summary>
    public double MappedSpread(WeightMapping mapping, double sigma)
    {
        // Only where the density is not negligible (exp(-50)), so that a small sigma is resolved as well as a large one.
        double from = Math.Max(lower, center - (CutSigmas * sigma));
        double width = (Math.Min(upper, center + (CutSigmas * sigma)) - from) / Pieces;
        double middle = mapping.Map(center);
        double mass = 0, mean = 0, square = 0;
        for (int i = 0; i <= Pieces; i++)
        {
            double theta = from + (i * width);
            double z = (theta - center) / sigma;
            double weight = Math.Exp(-0.5 * z * z) * (i is 0 or Pieces ? 1 : i % 2 == 1 ? 4 : 2);
            double m = mapping.Map(theta) - middle;
            mass += weight;
            mean += weight * m;
            square += weight * m * m;
        }

        mean /= mass;
        return Math.Sqrt(Math.Max(0, (square / mass) - (mean * mean)));
    }

    /// <summary>σ for which m(θ) has a given standard deviation below <see cref="LargestMappedSpread"/>.</summary>
    public double SolveSigma(WeightMapping mapping, double spread)
    {
        double low = Math.Log(SmallestSigma * (upper - lower));
        double high = Math.Log(FlatSigma * (upper - lower));
        for (int i = 0; i < Bisections; i++)
        {
            double middle = (low + high) / 2;
            (low, high) = MappedSpread(mapping, Math.Exp(middle)) < spread ? (middle, high) : (low, middle);
        }

        return Math.Exp((low + high) / 2);
    }

    /// <summary>Draws values: from the normal by Box and Muller's formula where σ is small, else from the uniform, both cut by rejection.</summary>
    public void Fill(ulong seed, int tensor, double sigma, Span<double> values)
    {
        var random = new UniformStream(seed, tensor);
        bool narrow = sigma < (upper - lower) / 2;
        int i = 0;
        while (i < values.Length)
        {
            double u = random.Next();
            double v = random.Next();
            if (!narrow)
            {
                double theta = lower + ((upper - lower) * u);
                double z = (theta - center) / sigma;
                if (v < Math.Exp(-0.5 * z * z))
                {
                    values[i++] = theta;
                }

                continue;
            }

            double radius = Math.Sqrt(-2 * Math.Log(1 - u)) * sigma;
            foreach (double theta in (ReadOnlySpan<double>)[center + (radius * Math.Cos(2 * Math.PI * v)), center + (radius * Math.Sin(2 * Math.PI * v))])
            {
                if (theta >= lower && theta <= upper && i < values.Length)
                {
                    values[i++] = theta;
                }
            }
        }
    }

    // Numbers in [0, 1) in sequence, 53 bits each.
    private sealed class UniformStream(ulong seed, int tensor)
    {
        // Apart from the noise of the same seed, whose streams are its draw numbers.
        private const ulong InitializationStream = ulong.MaxValue;

        private readonly uint[] _buffer = new uint[1024];
        private int _next = 1024;
        private ulong _block = (ulong)(uint)tensor << 40;

        public double Next()
        {
            if (_next == _buffer.Length)
            {
                Philox.Fill(seed, InitializationStream, _block, _buffer);
                _block += (ulong)(_buffer.Length / Philox.BlockLength);
                _next = 0;
            }

            ulong bits = ((ulong)_buffer[_next] << 32) | _buffer[_next + 1];
            _next += 2;
            return (bits >> 11) * (1.0 / (1ul << 53));
        }
    }
}
