namespace NeuralCompression;

/// <summary>What the structured forms of the loss measure.</summary>
public enum GroupMeasure
{
    /// <summary>The sum over the groups of each group's own ratio: every group becomes sparse by itself, none is emptied.</summary>
    Elements,

    /// <summary>The ratio of the vector of the groups' L2 norms: whole groups become zero.</summary>
    Norms,
}
