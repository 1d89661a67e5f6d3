namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>What the encoder chose for a tensor; the head of its payload. Source: docs/format.md, section 5.6.</summary>
/// <param name="Columns">Weights of a row: the distance to the weight above.</param>
/// <param name="Period">Distance inside a row to a related weight: the size of a kernel, or the width of an image.</param>
/// <param name="Scale">The mean magnitude: twice this is its logarithm.</param>
/// <param name="Center">What is subtracted from every symbol.</param>
internal readonly record struct MixingParameters(int Columns, int Period, byte Scale, int Center);
