namespace NeuralCompression;

/// <summary>What the raw parameters start from.</summary>
public enum StartingPoint
{
    /// <summary>The module's present weights (claims 13 and 14): the network computes the same function as before.</summary>
    SeedWeights,

    /// <summary>Random weights of the layer's usual spread, drawn for the mapping (claims 11 and 12).</summary>
    Random,
}
