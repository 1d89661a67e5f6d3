using NeuralCompression.Sessions;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression;

/// <summary>One compressed tensor of a <see cref="CompressionSession"/>: a view that stays current as training goes on.</summary>
public sealed class CompressedWeight
{
    private readonly SessionWeight _weight;

    internal CompressedWeight(SessionWeight weight) => _weight = weight;

    /// <summary>The parameter's name in the module.</summary>
    public string Name => _weight.Name;

    /// <summary>The module's parameter, which holds g · m(θ) outside steps.</summary>
    public Parameter Parameter => _weight.Parameter;

    /// <summary>Raw parameters θ; shape of <see cref="Parameter"/>; owned by the session.</summary>
    public Parameter Raw => _weight.Theta;

    /// <summary>Gain g now; weight units, range (0, ∞).</summary>
    public double Gain => _weight.Gain;

    /// <summary>Fraction of seed weights clipped when the session was made, in [0, 1].</summary>
    public double ClippedFraction => _weight.ClippedFraction;

    /// <summary>
    /// Relative strength s of the compression term for each weight, which becomes Σ s|m| / ‖m‖₂: a weight that costs more bits, by where it is, should have to be worth more. Null (the default) is 1 everywhere.
    /// </summary>
    /// <value>Shape of <see cref="Parameter"/> or one that broadcasts to it; dimensionless, range [0, ∞). Copied when set, and settable between steps; the getter's tensor belongs to the session.</value>
    /// <exception cref="ArgumentException">Set: the shape does not fit, or a value is negative or not finite.</exception>
    /// <remarks>
    /// <para>Saved with the session's state.</para>
    /// <para>Source: docs/training.md, "The objective"; reweighting after Candès, Wakin, Boyd, "Enhancing sparsity by reweighted l1 minimization" (2008).</para>
    /// </remarks>
    public Tensor? Strength
    {
        get => _weight.Strength;
        set
        {
            if (value is not null && (value.detach().ge(0).logical_and(value.isfinite()).all().item<bool>() is false))
            {
                throw new ArgumentException("A strength is negative or not finite.", nameof(value));
            }

            try
            {
                _weight.SetStrength(value);
            }
            catch (System.Runtime.InteropServices.ExternalException e)
            {
                throw new ArgumentException($"The strengths do not have, and do not broadcast to, the shape of '{Name}'.", nameof(value), e);
            }
        }
    }

    /// <summary>Fraction of the weights that quantise to zero now, in [0, 1].</summary>
    public double Sparsity => _weight.Quantize().Sparsity;

    /// <summary>How unequal the non-zero weights are now: the coefficient of variation (standard deviation over mean) of |m(θ)| over the entries with |m(θ)| ≥ <see cref="QuantizationOptions.NoiseLevel"/>.</summary>
    /// <value>Dimensionless, in [0, ∞); 0 where all of them are equal, as at a critical point of the loss, and where there are none.</value>
    /// <remarks>Source: docs/training.md, "Why a bounded mapping".</remarks>
    public double SurvivorVariation => _weight.SurvivorVariation();
}
