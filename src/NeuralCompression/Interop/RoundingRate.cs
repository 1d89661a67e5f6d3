using System.IO.Compression;

namespace NeuralCompression.Interop;

/// <summary>What rate-distortion rounding trades: error units that a bit is worth, and the level whose prices count.</summary>
internal readonly record struct RoundingRate(double Strength, CompressionLevel Level);
