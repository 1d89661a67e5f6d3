namespace NeuralCompression;

/// <summary>What happens to weights above the critical magnitude c = L2²/L1.</summary>
public enum LossGrowth
{
    /// <summary>The exact gradient: entries below c shrink, entries above c grow. The growing half needs a bounded mapping to end somewhere.</summary>
    Full,

    /// <summary>A surrogate: entries below c shrink, entries above c feel nothing.</summary>
    ShrinkOnly,
}
