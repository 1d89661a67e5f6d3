namespace NeuralCompression;

/// <summary>Strength of the compression term for the parameters whose name matches a pattern.</summary>
/// <param name="Pattern">The parameter's name, with <c>*</c> for any characters and <c>?</c> for one; case counts.</param>
/// <param name="Factor">What multiplies the strength; dimensionless, range [0, ∞); 0 leaves those parameters out of the term.</param>
/// <remarks>Of several patterns that match, the first counts. Source: this project.</remarks>
public sealed record LossStrength(string Pattern, double Factor);
