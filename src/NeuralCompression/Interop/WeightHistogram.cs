namespace NeuralCompression.Interop;

/// <summary>Weights in bins of equal width between the smallest and the largest, with the sum and the sum of squares of each bin.</summary>
internal sealed class WeightHistogram
{
    private readonly double[] _counts;
    private readonly double[] _sums;
    private readonly double[] _squares;

    public WeightHistogram(ReadOnlySpan<float> weights, int bins)
    {
        (_counts, _sums, _squares) = (new double[bins], new double[bins], new double[bins]);
        if (weights.IsEmpty)
        {
            return;
        }

        float lowest = System.Numerics.Tensors.TensorPrimitives.Min(weights);
        double width = ((double)System.Numerics.Tensors.TensorPrimitives.Max(weights) - lowest) / bins;
        double scale = width > 0 ? 1 / width : 0;
        foreach (float weight in weights)
        {
            int bin = Math.Min((int)((weight - lowest) * scale), bins - 1);
            _counts[bin]++;
            _sums[bin] += weight;
            _squares[bin] += (double)weight * weight;
        }
    }

    /// <summary>Squared error of rounding to multiples of a step; all weights of a bin get the level of their mean.</summary>
    public double SquaredError(double step, int minSymbol, int maxSymbol)
    {
        double error = 0;
        for (int i = 0; i < _counts.Length; i++)
        {
            if (_counts[i] > 0)
            {
                double level = step * Math.Clamp(Math.Round(_sums[i] / _counts[i] / step), minSymbol, maxSymbol);
                error += _squares[i] - (2 * level * _sums[i]) + (level * level * _counts[i]);
            }
        }

        return error;
    }
}
