using NeuralCompression.Codec;
using static TorchSharp.torch;

namespace NeuralCompression.Interop;

/// <summary>Tensors to symbols and back: fetches the memory, the codec does the arithmetic.</summary>
internal static class WeightQuantization
{
    // QuantizationOptions.AutomaticBits.
    private const int FewestBits = 4;
    private const int MostBits = 16;
    private const double AutomaticError = 0.02;

    /// <summary>Step of a tensor's grid in weight units: g · 2a, in the precision in which the decoder multiplies.</summary>
    public static double Step(double gain, QuantizationOptions options, ScalarType dtype) =>
        dtype == ScalarType.Float64 ? gain * options.StepSize : (float)(gain * options.StepSize);

    public static QuantizedTensor Quantize(Tensor weights, double gain, QuantizationOptions options, RoundingRate rate = default)
    {
        double step = Step(gain, options, weights.dtype);
        return Quantize(weights, step, step, options.MinSymbol, options.MaxSymbol, TypeOf(weights), rate);
    }

    /// <summary>Rounds values to multiples of one step and stores the symbols on a grid of another: m in units of 2a, its weights in units of g · 2a.</summary>
    /// <param name="values">The values.</param>
    /// <param name="step">Distance of two levels of the values.</param>
    /// <param name="gridStep">Distance of two levels of the stored grid.</param>
    /// <param name="minSymbol">The smallest symbol.</param>
    /// <param name="maxSymbol">The largest symbol.</param>
    /// <param name="elementType">What the file decodes to.</param>
    /// <param name="rate">What bits are worth; the default rounds to the nearest level.</param>
    /// <param name="sensitivities">What an error of each value costs; null for 1.</param>
    public static QuantizedTensor Quantize(
        Tensor values, double step, double gridStep, int minSymbol, int maxSymbol, ElementType elementType, RoundingRate rate = default, Tensor? sensitivities = null)
    {
        if (!float.IsNormal((float)gridStep))
        {
            throw new ArgumentException($"The step {gridStep} of its grid does not fit a float32 number.", nameof(gridStep));
        }

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        bool wide = values.dtype == ScalarType.Float64;
        var type = wide ? ScalarType.Float64 : ScalarType.Float32;
        var dense = values.detach().to(type).cpu().contiguous();
        var costs = sensitivities?.detach().to(type).cpu().contiguous();
        var grid = QuantizationGrid.Uniform(gridStep);
        if (minSymbol >= sbyte.MinValue && maxSymbol <= sbyte.MaxValue)
        {
            var symbols = new sbyte[dense.numel()];
            if (wide)
            {
                RateDistortionQuantizer.Quantize(Span<double>(dense), Span<double>(costs), values.shape, step, minSymbol, maxSymbol, rate.Strength, rate.Level, symbols);
            }
            else
            {
                RateDistortionQuantizer.Quantize(Span<float>(dense), Span<float>(costs), values.shape, step, minSymbol, maxSymbol, rate.Strength, rate.Level, symbols);
            }

            return QuantizedTensor.FromSymbols(symbols, values.shape, grid, elementType);
        }
        else
        {
            var symbols = new short[dense.numel()];
            if (wide)
            {
                RateDistortionQuantizer.Quantize(Span<double>(dense), Span<double>(costs), values.shape, step, minSymbol, maxSymbol, rate.Strength, rate.Level, symbols);
            }
            else
            {
                RateDistortionQuantizer.Quantize(Span<float>(dense), Span<float>(costs), values.shape, step, minSymbol, maxSymbol, rate.Strength, rate.Level, symbols);
            }

            return QuantizedTensor.FromSymbols(symbols, values.shape, grid, elementType);
        }
    }

    private static ReadOnlySpan<T> Span<T>(Tensor? tensor)
        where T : unmanaged => tensor is null ? default : TensorMemory.Span<T>(tensor);

    private static ElementType TypeOf(Tensor tensor) =>
        TorchTypes.TryFrom(tensor.dtype, out var elementType)
            ? elementType
            : throw new ArgumentException($"Tensors of type {tensor.dtype} cannot be stored.", nameof(tensor));

    /// <summary>Smallest gain whose range covers the weights; 1 for all zeros.</summary>
    public static double FitGain(Tensor weights, QuantizationOptions options)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (weights.numel() == 0)
        {
            return 1;
        }

        double below = Math.Min(0, weights.detach().min().to(ScalarType.Float64).item<double>());
        double above = Math.Max(0, weights.detach().max().to(ScalarType.Float64).item<double>());
        if (!double.IsFinite(below) || !double.IsFinite(above))
        {
            throw new ArgumentException("The weights have values that are not finite.", nameof(weights));
        }

        if ((below < 0 && options.LowerLimit == 0) || (above > 0 && options.UpperLimit == 0))
        {
            throw new ArgumentException("The weights have both signs, but the weight range ends at zero; widen LowerLimit or UpperLimit.", nameof(weights));
        }

        double gain = Math.Max(below < 0 ? below / options.LowerLimit : 0, above > 0 ? above / options.UpperLimit : 0);
        return gain > 0 ? gain : 1;
    }

    // Gains are tried from the covering one down by this ratio, as far as a grid whose largest level is 1/256 of the largest weight.
    private const int GainsPerOctave = 16;
    private const int Octaves = 8;
    private const int Bins = 8192;

    /// <summary>The gain whose grid leaves the smallest squared error, to within a sixteenth of an octave; 1 for all zeros.</summary>
    /// <remarks>Errors are those of a histogram of the weights, so that a tensor is read once whatever the number of gains.</remarks>
    public static double BestGain(Tensor weights, QuantizationOptions options)
    {
        double covering = FitGain(weights, options);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var dense = weights.detach().to(ScalarType.Float32).cpu().contiguous();
        var histogram = new WeightHistogram(TensorMemory.Span<float>(dense), Bins);
        double best = covering;
        double smallest = double.PositiveInfinity;
        for (int i = 0; i <= GainsPerOctave * Octaves; i++)
        {
            double gain = covering * Math.Pow(2, -i / (double)GainsPerOctave);
            double error = histogram.SquaredError(gain * options.StepSize, options.MinSymbol, options.MaxSymbol);
            if (error < smallest && float.IsNormal((float)(gain * options.StepSize)))
            {
                (best, smallest) = (gain, error);
            }
        }

        return best;
    }

    /// <summary>Symmetric grid over a tensor's largest magnitude, for biases and norm weights; null where a grid makes no sense (all zeros, not finite, or empty).</summary>
    /// <param name="values">The values.</param>
    /// <param name="bits">Bits per value, or <see cref="QuantizationOptions.AutomaticBits"/>.</param>
    public static QuantizedTensor? QuantizeToBits(Tensor values, int bits)
    {
        if (bits != QuantizationOptions.AutomaticBits)
        {
            return QuantizeToExactly(bits, values);
        }

        for (bits = FewestBits; bits < MostBits; bits++)
        {
            if (QuantizeToExactly(bits, values) is not { } quantized || RelativeError(values, quantized) <= AutomaticError)
            {
                break;
            }
        }

        return QuantizeToExactly(bits, values);
    }

    // Root mean square of the rounding error over that of the values.
    private static double RelativeError(Tensor values, QuantizedTensor quantized)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var exact = values.detach().to(ScalarType.Float64);
        var rounded = empty_like(exact);
        WriteTo(quantized, rounded);
        return Math.Sqrt((exact.sub(rounded).square().sum() / exact.square().sum()).item<double>());
    }

    private static QuantizedTensor? QuantizeToExactly(int bits, Tensor values)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        double largest = values.numel() == 0 ? 0 : values.detach().abs().max().to(ScalarType.Float64).item<double>();
        int maxSymbol = (1 << (bits - 1)) - 1;
        double step = largest / maxSymbol;
        step = values.dtype == ScalarType.Float64 ? step : (float)step;
        return float.IsNormal((float)step) ? Quantize(values, step, step, -maxSymbol, maxSymbol, TypeOf(values)) : null;
    }

    /// <summary>The values a reader will decode, in the tensor's own type.</summary>
    public static void WriteTo(QuantizedTensor quantized, Tensor destination)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Tensor values;
        if (quantized.ElementType == ElementType.Float64)
        {
            values = empty(destination.shape, ScalarType.Float64);
            quantized.Dequantize(TensorMemory.Span<double>(values));
        }
        else
        {
            values = empty(destination.shape, ScalarType.Float32);
            quantized.Dequantize(TensorMemory.Span<float>(values));
        }

        destination.copy_(values);
    }

    /// <summary>Whether a tensor holds exactly those values.</summary>
    public static bool Holds(Tensor tensor, QuantizedTensor quantized)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var expected = empty_like(tensor, requires_grad: false);
        WriteTo(quantized, expected);
        return tensor.detach().eq(expected).all().item<bool>();
    }
}
