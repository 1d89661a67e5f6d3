using System.Numerics;
using System.Numerics.Tensors;
using NeuralCompression.Codec;
using NeuralCompression.Interop;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression;

/// <summary>
/// Adds uniform noise of the quantiser's width to weights while training, and quantises them afterwards with the same noise level and limits.
/// </summary>
/// <remarks>
/// <para>In training mode <see cref="Perturb"/> returns w + g · n with n uniform in [−s · a, s · a]; a is <see cref="QuantizationOptions.NoiseLevel"/>, s is <see cref="Scale"/>, g the tensor's gain. In evaluation
/// mode (<c>eval()</c>) it returns the weights unchanged. <see cref="Quantize"/> clamps w / g to the limits and rounds it to multiples of 2a, midpoints towards zero, so that zero is always a level.</para>
/// <para>Seeded: the n-th call draws the same noise for a tensor of the same length on every machine, device and thread count. <see cref="Draws"/> can be stored and set to resume.</para>
/// <para>Works without a session and without the other pieces. Not thread-safe. Holds no parameters.</para>
/// <para>Source: claims 8, 9 and 10.</para>
/// </remarks>
public sealed class NoiseInjectionQuantizer : nn.Module<Tensor, Tensor>
{
    private readonly QuantizationOptions _quantization;
    private readonly NoiseOptions _noise;

    /// <summary>Makes the quantizer.</summary>
    /// <param name="quantization">Noise level and limits; copied. Null takes the defaults.</param>
    /// <param name="noise">Scale, target and seed of the noise; copied. Null takes the defaults.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">An option is out of its range.</exception>
    public NoiseInjectionQuantizer(QuantizationOptions? quantization = null, NoiseOptions? noise = null)
        : base(nameof(NoiseInjectionQuantizer))
    {
        _quantization = (quantization ?? new QuantizationOptions()).Copy();
        _noise = (noise ?? new NoiseOptions()).Copy();
        var failures = _quantization.Validate();
        failures.Include(_noise.Validate());
        failures.ThrowIfAny(typeof(QuantizationOptions));
        Scale = _noise.Scale;
    }

    /// <summary>Schedule factor s of the noise; fraction, range [0, 1]. Settable at any time.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value lies outside [0, 1].</exception>
    public double Scale
    {
        get;
        set => field = value is >= 0 and <= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "The noise scale must lie in [0, 1].");
    }

    /// <summary>Number of draws so far; set it to continue where another run stopped.</summary>
    public ulong Draws { get; set; }

    /// <summary>The weights with fresh noise; <see cref="Perturb"/> with gain 1.</summary>
    /// <param name="weights">See <see cref="Perturb"/>.</param>
    /// <returns>See <see cref="Perturb"/>.</returns>
    public override Tensor forward(Tensor weights) => Perturb(weights);

    /// <summary>The weights with fresh noise in training mode, unchanged in evaluation mode.</summary>
    /// <param name="weights">Weights; shape <c>[…]</c>, any floating-point type, device and strides, weight units. Not modified.</param>
    /// <param name="gain">Gain g of the tensor: the noise is g · n; weight units, range (0, ∞), default 1.</param>
    /// <returns>A new tensor; shape and type of <paramref name="weights"/>, gradient 1 with respect to them; the caller owns it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="weights"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="weights"/> is not of a floating-point type.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="gain"/> is not positive and finite.</exception>
    public Tensor Perturb(Tensor weights, double gain = 1)
    {
        ThrowUnlessWeights(weights, gain);
        if (!training || Scale == 0)
        {
            return weights.alias();
        }

        using var scope = NewDisposeScope();
        Tensor noise;
        using (no_grad())
        {
            noise = Draw(weights, gain);
            if (_noise.Target == NoiseTarget.NonZeroWeights)
            {
                // Rounds to zero exactly where |w| <= g a, or on a side where the range has no room.
                double threshold = gain * _quantization.NoiseLevel;
                var wide = weights.detach().to(noise.dtype);
                var below = _quantization.MinSymbol < 0 ? wide.lt(-threshold) : zeros_like(wide, ScalarType.Bool);
                var above = _quantization.MaxSymbol > 0 ? wide.gt(threshold) : zeros_like(wide, ScalarType.Bool);
                noise = noise.mul(below.logical_or(above).to(noise.dtype));
            }

            noise = noise.to(weights.dtype);
        }

        return weights.add(noise).MoveToOuterDisposeScope();
    }

    /// <summary>A gain for weights that were not trained with one.</summary>
    /// <param name="weights">Weights; shape <c>[…]</c>, floating point, finite. Not modified.</param>
    /// <param name="fit">What the gain shall do; default <see cref="GainFit.Range"/>.</param>
    /// <returns>Gain; weight units, range (0, ∞); 1 for all zeros.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="weights"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="fit"/> is unknown.</exception>
    /// <exception cref="ArgumentException">A weight is not finite, or lies on a side where the range has no room.</exception>
    public double FitGain(Tensor weights, GainFit fit = GainFit.Range)
    {
        ThrowUnlessWeights(weights, gain: 1);
        return fit switch
        {
            GainFit.Range => WeightQuantization.FitGain(weights, _quantization),
            GainFit.SquaredError => WeightQuantization.BestGain(weights, _quantization),
            _ => throw new ArgumentOutOfRangeException(nameof(fit), fit, "Unknown fit."),
        };
    }

    /// <summary>The weights clamped to the limits and rounded to the grid.</summary>
    /// <param name="weights">Weights; shape <c>[…]</c>, any floating-point type, device and strides, weight units, no NaN. Not modified.</param>
    /// <param name="gain">Gain g of the tensor; weight units, range (0, ∞), default 1. <see cref="FitGain"/> finds one for weights that were not trained with one.</param>
    /// <returns>Symbols on the uniform grid of step g · 2a; the error of a weight within [gL, gU] is at most g · a.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="weights"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="weights"/> is not of a floating-point type, or holds a NaN.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="gain"/> is not positive and finite.</exception>
    public QuantizedTensor Quantize(Tensor weights, double gain = 1)
    {
        ThrowUnlessWeights(weights, gain);
        return WeightQuantization.Quantize(weights, gain, _quantization);
    }

    private static void ThrowUnlessWeights(Tensor weights, double gain)
    {
        ArgumentNullException.ThrowIfNull(weights);
        if (!TorchTypes.IsFloating(weights.dtype))
        {
            throw new ArgumentException($"The weights must be floating point, not {weights.dtype}.", nameof(weights));
        }

        if (!(double.IsFinite(gain) && gain > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(gain), gain, "The gain must be positive and finite.");
        }
    }

    // Drawn on the CPU, in the tensor's logical order, so that device and strides do not matter.
    private Tensor Draw(Tensor weights, double gain)
    {
        var type = weights.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        var noise = empty(weights.shape, type);
        double amplitude = Scale * gain * _quantization.NoiseLevel;
        if (type == ScalarType.Float64)
        {
            Fill(TensorMemory.Span<double>(noise), amplitude);
        }
        else
        {
            Fill(TensorMemory.Span<float>(noise), amplitude);
        }

        Draws++;
        return noise.to(weights.device);
    }

    private void Fill<T>(Span<T> noise, double amplitude)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int i = 0; i < noise.Length; i += UniformNoise.BlockLength)
        {
            UniformNoise.Fill(_noise.Seed, Draws, tensor: 0, i, amplitude, noise.Slice(i, Math.Min(UniformNoise.BlockLength, noise.Length - i)));
        }
    }
}
