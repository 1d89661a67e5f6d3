namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>What is known of a weight before it is coded; each number is below the count that <see cref="NodeMixer"/> was made with.</summary>
internal struct Contexts
{
    internal int Column;
    internal int Levels;
    internal int Neighbors;
    internal int Surroundings;
    internal int Sizes;
    internal int Energy;
}
