using System.Diagnostics;
using System.IO.Compression;
using NeuralCompression.Codec;

namespace DecodeOnly;

/// <summary>The speed of <see cref="CompressionLevel.Fastest"/> on 16,777,216 independent ternary weights, 95 % zeros.</summary>
internal static class DecodingSpeed
{
    private const int Weights = 1 << 24;
    private const int Runs = 9;

    /// <summary>The median of nine runs, after one to warm up.</summary>
    /// <returns>Weights per second.</returns>
    internal static double Measure()
    {
        using var file = new MemoryStream();
        using (var writer = CompressedModelWriter.Create(file, CompressionLevel.Fastest, leaveOpen: true))
        {
            writer.Add("weights", QuantizedTensor.FromSymbols(Ternary(), [4096, 4096], QuantizationGrid.Uniform(1)));
            writer.Complete();
        }

        file.Position = 0;
        using var reader = CompressedModelReader.Open(file);
        var symbols = new sbyte[Weights];
        var seconds = new double[Runs];
        reader.DecodeSymbols(reader.Tensors[0], symbols);
        for (int i = 0; i < Runs; i++)
        {
            long start = Stopwatch.GetTimestamp();
            reader.DecodeSymbols(reader.Tensors[0], symbols);
            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        Array.Sort(seconds);
        return Weights / seconds[Runs / 2];
    }

    private static sbyte[] Ternary()
    {
        var symbols = new sbyte[Weights];
        uint state = 1;
        foreach (ref sbyte symbol in symbols.AsSpan())
        {
            // Marsaglia's xorshift, shifts 13, 17, 5.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            symbol = (sbyte)(state % 40 == 0 ? 1 : state % 40 == 1 ? -1 : 0);
        }

        return symbols;
    }
}
