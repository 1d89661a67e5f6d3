using System.Buffers;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>A part of a long text that is evenly spread over it: counting all of it takes half as long as coding it.</summary>
/// <remarks>
/// A table made from n counted symbols or groups costs about (tokens - 1) / (2 n ln 2) bits for each more than the best one: at 2^19 symbols and 256 tokens, 4e-4 bits; in pairs, 7e-4.
/// </remarks>
internal static class SymbolSample
{
    /// <summary>Symbols of a sample, at least.</summary>
    internal const int MinLength = 1 << 19;

    /// <summary>One symbol in this many is taken at most: from here on other things take the time.</summary>
    private const int MaxWeight = 8;

    /// <summary>Symbols taken side by side: a cache line, and whole groups.</summary>
    private const int RunLength = 64;

    /// <summary>How many symbols of the text each of the sample stands for; 1 where the text is too short for one.</summary>
    internal static int WeightFor(int length)
    {
        int weight = 1;
        while (weight < MaxWeight && length / (2 * weight) >= MinLength)
            weight *= 2;
        return weight;
    }

    /// <summary>Takes one run of every <paramref name="weight"/> into rented memory.</summary>
    /// <param name="text">The text.</param>
    /// <param name="weight">From <see cref="WeightFor"/>.</param>
    /// <param name="length">Symbols of the sample.</param>
    /// <returns>The sample, to be returned to the shared pool.</returns>
    internal static byte[] Rent(ReadOnlySpan<byte> text, int weight, out int length)
    {
        int runs = text.Length / (RunLength * weight);
        length = runs * RunLength;
        byte[] sample = ArrayPool<byte>.Shared.Rent(length);
        for (int run = 0; run < runs; run++)
        {
            // Which of the runs is taken follows a multiplicative hash: a rule with a short period could keep step with the rows of a matrix and see some columns only.
            uint place = (((uint)run * 0x9E3779B1) >> 16) % (uint)weight;
            text.Slice(((run * weight) + (int)place) * RunLength, RunLength).CopyTo(sample.AsSpan(run * RunLength));
        }

        return sample;
    }
}
