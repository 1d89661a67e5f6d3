namespace NeuralCompression;

/// <summary>Which noise, and how wide.</summary>
/// <param name="Seed">The user's seed.</param>
/// <param name="Draw">Which draw: a step's number, fresh at every step.</param>
/// <param name="Tensor">Which tensor of the model.</param>
/// <param name="Amplitude">Half the width of the noise.</param>
internal readonly record struct NoiseSource(ulong Seed, ulong Draw, int Tensor, double Amplitude);
