using NeuralCompression.Sessions;
using TorchSharp.Modules;

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

    /// <summary>Fraction of the weights that quantise to zero now, in [0, 1].</summary>
    public double Sparsity => _weight.Quantize().Sparsity;
}
