namespace NeuralCompression;

/// <summary>What a gain found for given weights shall do.</summary>
public enum GainFit
{
    /// <summary>The smallest gain whose effective range covers the weights: nothing is clipped, and the largest weight decides.</summary>
    Range,

    /// <summary>The gain whose grid leaves the smallest squared error: a few large weights are clipped where that serves the others. The gain is found to within a sixteenth of an octave.</summary>
    SquaredError,
}
