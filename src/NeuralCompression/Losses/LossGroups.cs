namespace NeuralCompression;

/// <summary>How a weight tensor is cut into groups for the structured forms of the loss. A tensor without the dimensions a choice needs counts as a whole.</summary>
public enum LossGroups
{
    /// <summary>The whole tensor is one vector. Source: claim 4.</summary>
    WholeTensor,

    /// <summary>One group for each index of the first dimension: a unit of a linear layer, a filter of a convolution, a token of an embedding.</summary>
    Rows,

    /// <summary>One group for each index of the second dimension: an input of a linear layer, an input channel of a convolution.</summary>
    Columns,

    /// <summary>One group for each pair of indices of the first two dimensions: the spatial kernels of a convolution. Needs three dimensions.</summary>
    Kernels,
}
