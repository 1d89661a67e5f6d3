namespace NeuralCompression;

/// <summary>What <see cref="CompressionSession.Refit"/> did.</summary>
/// <param name="ClippedFraction">Fraction of the compressed weights that did not fit the new range and were cut to it, in [0, 1].</param>
/// <param name="OptimizerCarried">Whether the optimizer's running means were rescaled to the new θ; false where there was no optimizer, or one whose state this library does not know, which should then be made anew.</param>
/// <remarks>Source: this project.</remarks>
public sealed record RefitReport(double ClippedFraction, bool OptimizerCarried);
