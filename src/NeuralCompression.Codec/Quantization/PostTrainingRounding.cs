using System.IO.Compression;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec;

/// <summary>Quantises the finished weights of one tensor, without training.</summary>
internal static class PostTrainingRounding
{
    // A step is chosen from this many, evenly from the one that covers the largest weight down to a tenth of it. With 8 bits and more covering all is best to within a percent.
    private const int StepCandidates = 46;
    private const int MaxSearchedBits = 8;

    /// <summary>Weights of a group looked at to choose its step.</summary>
    private const int SampleLength = 1 << 14;

    /// <summary>Chooses the steps that the options ask for and rounds every weight to them.</summary>
    /// <param name="values">The weights, finite.</param>
    /// <param name="sensitivities">What an error of each weight costs beside the others, 1 on average; empty for 1.</param>
    /// <param name="shape">Lengths of the axes, slowest first.</param>
    /// <param name="options">Bits, step or, with <paramref name="multiple"/>, a budget.</param>
    /// <param name="multiple">The step as a multiple of the root mean square, for a budget.</param>
    /// <param name="type">What the file decodes to.</param>
    /// <exception cref="ArgumentException">A symbol would not fit in 16 bits; the parameter's name is "steps".</exception>
    internal static QuantizedTensor Quantize(ReadOnlySpan<float> values, ReadOnlySpan<float> sensitivities, ReadOnlySpan<long> shape, PostTrainingOptions options, double? multiple, ElementType type)
    {
        int groups = options.PerChannel && shape.Length > 0 ? (int)shape[0] : 1;
        float[] steps = options.Bits is int bits ? StepsForBits(values, sensitivities, groups, bits)
            : multiple is double times ? RelativeSteps(values, groups, times)
            : [(float)options.StepSize!.Value];
        return Quantize(values, sensitivities, shape, steps, options.Bits, options.RateDistortion, options.Level, type);
    }

    /// <summary>For each group the step with the smallest squared error at 2^bits - 1 levels; 1 where all weights are 0.</summary>
    private static float[] StepsForBits(ReadOnlySpan<float> values, ReadOnlySpan<float> sensitivities, int groups, int bits)
    {
        var steps = new float[groups];
        int length = values.Length / groups;
        for (int group = 0; group < groups; group++)
            steps[group] = StepForBits(values.Slice(group * length, length), sensitivities.IsEmpty ? [] : sensitivities.Slice(group * length, length), (1 << (bits - 1)) - 1, bits <= MaxSearchedBits);
        return steps;
    }

    /// <summary>For each group a multiple of its root mean square, but no less than 16-bit symbols can hold; 1 where all weights are 0.</summary>
    private static float[] RelativeSteps(ReadOnlySpan<float> values, int groups, double multiple)
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

    // Rounds every weight to the grid of its group.
    private static QuantizedTensor Quantize(
        ReadOnlySpan<float> values, ReadOnlySpan<float> sensitivities, ReadOnlySpan<long> shape, float[] steps, int? bits, double rateDistortion, CompressionLevel level, ElementType type)
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
            RateDistortionQuantizer.Quantize(scaled, sensitivities, shape, 1, -most, most, rateDistortion, level, narrow);
            return QuantizedTensor.FromSymbols(narrow, shape, grid, type);
        }

        var wide = new short[scaled.Length];
        RateDistortionQuantizer.Quantize(scaled, sensitivities, shape, 1, -limit, limit, rateDistortion, level, wide);
        return QuantizedTensor.FromSymbols(wide, shape, grid, type);
    }

    private static float StepForBits(ReadOnlySpan<float> values, ReadOnlySpan<float> sensitivities, int limit, bool isSearched)
    {
        float largest = Largest(values);
        float best = AsStep((double)largest / limit);
        if (!isSearched || largest == 0)
            return best;

        values = Sample(values);
        sensitivities = Sample(sensitivities);
        double least = double.PositiveInfinity;
        float cover = best;
        for (int candidate = 0; candidate < StepCandidates; candidate++)
        {
            float step = AsStep(cover * (1 - (0.9 * candidate / (StepCandidates - 1))));
            double error = SquaredError(values, sensitivities, step, limit);
            if (error < least)
                (best, least) = (step, error);
        }

        return best;
    }

    // Evenly spread: a run could be one row that is unlike the others.
    private static ReadOnlySpan<float> Sample(ReadOnlySpan<float> values)
    {
        if (values.Length <= SampleLength)
            return values;
        var sample = new float[SampleLength];
        for (int i = 0; i < sample.Length; i++)
            sample[i] = values[(int)((long)i * values.Length / sample.Length)];
        return sample;
    }

    // Eight lanes whatever the processor has, added in one order: the step that is chosen is the same everywhere.
    private static double SquaredError(ReadOnlySpan<float> values, ReadOnlySpan<float> sensitivities, float step, int limit)
    {
        Vector256<double> lower = default;
        Vector256<double> upper = default;
        int vectors = values.Length - (values.Length % Vector256<float>.Count);
        for (int i = 0; i < vectors; i += Vector256<float>.Count)
        {
            Vector256<float> value = Vector256.Create(values[i..]);
            Vector256<float> level = Vector256.Min(Vector256.Max(Vector256.Round(value / step), Vector256.Create((float)-limit)), Vector256.Create((float)limit));
            (Vector256<double> first, Vector256<double> second) = Vector256.Widen(value - (step * level));
            first *= first;
            second *= second;
            if (!sensitivities.IsEmpty)
            {
                (Vector256<double> firstOf, Vector256<double> secondOf) = Vector256.Widen(Vector256.Create(sensitivities[i..]));
                first *= firstOf;
                second *= secondOf;
            }

            lower += first;
            upper += second;
        }

        lower += upper;
        double error = lower[0] + lower[1] + lower[2] + lower[3];
        for (int i = vectors; i < values.Length; i++)
        {
            double rest = values[i] - (step * Math.Clamp(MathF.Round(values[i] / step), -limit, limit));
            error += (sensitivities.IsEmpty ? 1 : sensitivities[i]) * rest * rest;
        }

        return error;
    }

    // Keeps the sign of the value with the largest magnitude.
    private static float Largest(ReadOnlySpan<float> values) => Math.Abs(TensorPrimitives.MaxMagnitude(values));

    // The smallest normal number instead of one that rounds to zero, the largest instead of infinity.
    private static float AsStep(double step) => step > 0 ? Math.Clamp((float)step, 1.17549435e-38f, float.MaxValue) : 1;
}
