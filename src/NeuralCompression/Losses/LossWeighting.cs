namespace NeuralCompression;

/// <summary>Strength of the term per tensor.</summary>
public enum LossWeighting
{
    /// <summary>The same strength for every tensor.</summary>
    Equal,

    /// <summary>Strength proportional to the tensor's own ratio, held constant in the gradient, so that one more non-zero costs the same in every tensor.</summary>
    Rate,
}
