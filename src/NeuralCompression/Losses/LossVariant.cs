namespace NeuralCompression;

/// <summary>The measure of (missing) sparsity of one tensor.</summary>
public enum LossVariant
{
    /// <summary>R = L1/L2, between 1 and √n; √k at a tensor with k equal non-zeros. Source: claim 4.</summary>
    Ratio,

    /// <summary>R², between 1 and n; k at a tensor with k equal non-zeros, so one more non-zero costs 1 everywhere.</summary>
    SquaredRatio,
}
