namespace NeuralCompression.Hosting;

/// <summary>A name that <c>AddNeuralCompression</c> was called with: IOptionsMonitor gives defaults for any other, so that a misspelt name would train with the wrong options.</summary>
internal sealed record CompressionOptionsName(string Name);
