using static TorchSharp.torch;

namespace NeuralCompression;

/// <summary>Raw parameters and gain a tensor starts with: its weights are Gain · m(Raw).</summary>
public sealed class InitializedWeights : IDisposable
{
    internal InitializedWeights(Tensor raw, double gain, double clippedFraction)
    {
        Raw = raw;
        Gain = gain;
        ClippedFraction = clippedFraction;
    }

    /// <summary>Raw parameters θ, all in the mapping's non-saturated region; shape of the weights; owned by this object, outside every dispose scope.</summary>
    public Tensor Raw { get; }

    /// <summary>Gain g of the tensor; weight units, range (0, ∞).</summary>
    public double Gain { get; }

    /// <summary>Fraction of the seed weights that were clipped, in [0, 1]; 0 for a random start and for a seed quantile of 1.</summary>
    public double ClippedFraction { get; }

    /// <summary>Releases the raw parameters.</summary>
    public void Dispose() => Raw.Dispose();
}
