using System.IO.Compression;
using System.Numerics.Tensors;

namespace NeuralCompression.Codec;

/// <summary>Quantises the finished weights of one tensor, without data and without training.</summary>
internal static class PostTrainingQuantizer
{
    // A step is chosen from this many, evenly from the one that covers the largest weight down to a tenth of it. With 8 bits and more covering all is best to within a percent.
    private const int StepCandidates = 46;
    private const int MaxSearchedBits = 8;

    /// <summary>Weights of a group looked at to choose its step.</summary>
    private const int SampleLength = 1 << 14;

    /// <summary>Groups of weights that share a step: the channels of the first axis, or all.</summary>
    internal static int GroupCount(ReadOnlySpan<long> shape, bool perChannel) => perChannel && shape.Length > 0 ? (int)shape[0] : 1;

    /// <summary>For each group the step with the smallest squared error at 2^bits - 1 levels; 1 where all weights are 0.</summary>
    internal static float[] StepsForBits(ReadOnlySpan<float> values, int groups, int bits)
    {
        var steps = new float[groups];
        int length = values.Length / groups;
        for (int group = 0; group < groups; group++)
            steps[group] = StepForBits(values.Slice(group * length, length), (1 << (bits - 1)) - 1, bits <= MaxSearchedBits);
        return steps;
    }

    /// <summary>For each group a multiple of its root mean square, but no less than 16-bit symbols can hold; 1 where all weights are 0.</summary>
    internal static float[] RelativeSteps(ReadOnlySpan<float> values, int groups, double multiple)
    {
        var steps = new float[groups];
        int length = values.Length / groups;
        for (int group = 0; group < groups; group++)
        {
            ReadOnlySpan<float> part = values.Slice(group * length, length);
            double squares = 0;
            foreach (float value in part)
                squares += (double)value * value;
            double least = (double)Largest(part) / short.MaxValue;
            steps[group] = AsStep(Math.Max(multiple * Math.Sqrt(squares / length), least));
        }

        return steps;
    }

    /// <summary>Rounds every weight to the grid of its group.</summary>
    /// <exception cref="ArgumentException">A symbol would not fit in 16 bits.</exception>
    internal static QuantizedTensor Quantize(ReadOnlySpan<float> values, ReadOnlySpan<long> shape, float[] steps, int? bits, double rateDistortion, CompressionLevel level, ElementType type)
    {
        // With every group divided by its step, one grid of step 1 serves all, also for the prices of rounding.
        var scaled = new float[values.Length];
        int length = values.Length / steps.Length;
        for (int group = 0; group < steps.Length; group++)
            TensorPrimitives.Divide(values.Slice(group * length, length), steps[group], scaled.AsSpan(group * length, length));
        float largest = Largest(scaled);
        int limit = bits is int width ? (1 << (width - 1)) - 1 : short.MaxValue;
        if (bits is null && largest >= limit + 0.5f)
            throw new ArgumentException(FormattableString.Invariant($"A weight of {largest * steps[0]} is {largest} steps from zero, but symbols end at {limit}: take a larger step, at least {largest * steps[0] / limit}."), nameof(steps));
        QuantizationGrid grid = steps.Length == 1 ? QuantizationGrid.Uniform(steps[0]) : QuantizationGrid.PerChannel(steps);
        if (largest < sbyte.MaxValue || limit <= sbyte.MaxValue)
        {
            var narrow = new sbyte[scaled.Length];
            int most = Math.Min(limit, sbyte.MaxValue);
            RateDistortionQuantizer.Quantize(scaled, [], shape, 1, -most, most, rateDistortion, level, narrow);
            return QuantizedTensor.FromSymbols(narrow, shape, grid, type);
        }

        var wide = new short[scaled.Length];
        RateDistortionQuantizer.Quantize(scaled, [], shape, 1, -limit, limit, rateDistortion, level, wide);
        return QuantizedTensor.FromSymbols(wide, shape, grid, type);
    }

    private static float StepForBits(ReadOnlySpan<float> values, int limit, bool isSearched)
    {
        float largest = Largest(values);
        float best = AsStep((double)largest / limit);
        if (!isSearched || largest == 0)
            return best;

        // Evenly spread: a run could be one row that is unlike the others.
        var sample = new float[Math.Min(values.Length, SampleLength)];
        for (int i = 0; i < sample.Length; i++)
            sample[i] = values[(int)((long)i * values.Length / sample.Length)];
        double least = double.PositiveInfinity;
        float cover = best;
        for (int candidate = 0; candidate < StepCandidates; candidate++)
        {
            float step = AsStep(cover * (1 - (0.9 * candidate / (StepCandidates - 1))));
            double error = 0;
            foreach (float value in sample)
            {
                float rest = value - (step * Math.Clamp(MathF.Round(value / step), -limit, limit));
                error += (double)rest * rest;
            }

            if (error < least)
                (best, least) = (step, error);
        }

        return best;
    }

    // Keeps the sign of the value with the largest magnitude.
    private static float Largest(ReadOnlySpan<float> values) => Math.Abs(TensorPrimitives.MaxMagnitude(values));

    // The smallest normal number instead of one that rounds to zero.
    private static float AsStep(double step) => step > 0 ? Math.Max((float)step, 1.17549435e-38f) : 1;
}
