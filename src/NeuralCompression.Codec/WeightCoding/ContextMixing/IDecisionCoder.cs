namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>What becomes of a decision: it is written, read, or only priced.</summary>
internal interface IDecisionCoder
{
    /// <summary>True when the decisions come from the coder and not from the caller.</summary>
    public static abstract bool Decodes { get; }

    /// <summary>Codes one decision.</summary>
    /// <param name="bit">0 or 1; ignored when <see cref="Decodes"/>.</param>
    /// <param name="probability">Of a one; 1 to 65,535, in 1/65,536.</param>
    /// <returns>The decision.</returns>
    public int Code(int bit, int probability);
}
