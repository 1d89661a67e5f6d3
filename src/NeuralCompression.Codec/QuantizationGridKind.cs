namespace NeuralCompression.Codec;

/// <summary>How symbols become values. Source: docs/format.md, section 4.4.</summary>
public enum QuantizationGridKind
{
    /// <summary>value = step size x symbol, one step size for the tensor.</summary>
    Uniform,

    /// <summary>value = step size x symbol, one step size per index of an axis.</summary>
    PerChannel,

    /// <summary>value = a listed value.</summary>
    Codebook,
}
