using System.IO.Compression;
using System.Numerics;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding.Classified;
using NeuralCompression.Codec.WeightCoding.ContextMixing;
using NeuralCompression.Codec.WeightCoding.Grouping;
using NeuralCompression.Codec.WeightCoding.Repeats;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>What a segment would take in a file, without its bytes.</summary>
internal readonly record struct PricedTensor(Coding Coding, long Bytes);

/// <summary>Prices the symbols of a segment as <see cref="SymbolCoder"/> would code them at a level.</summary>
/// <remarks>
/// The static coders are fast, so they are run, if there is one with the choice found before; the context-mixing model runs without its coder, with parameters found before where there are any. Segments of
/// more than <see cref="WholeLimit"/> weights are priced by a sample of their rows.
/// </remarks>
internal static class SymbolPricer
{
    /// <summary>Segments up to this are priced weight by weight: below a tenth of a second with the mixing model.</summary>
    internal const int WholeLimit = 1 << 20;

    /// <summary>Weights of a sample, in runs of whole rows.</summary>
    private const int SampleWeights = 1 << 18;
    private const int SampleRuns = 16;

    /// <summary>Where mixing saves less than one part in this many of the static coder's bytes, another coder may be the shortest.</summary>
    private const int StructureShare = 16;

    internal static PricedTensor Price<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int min, int max, CompressionLevel level, ref MixingParameters? parameters, ref ClassifiedChoice? choice)
        where T : struct, IBinaryInteger<T>
    {
        if (level != CompressionLevel.SmallestSize || min == max)
            return PriceByCoding(symbols, shape, min, max, level, ref choice);

        // SmallestSize keeps the shortest of raw, mixing, repeats, and what Optimal has. The last wins only where there is little structure to learn, and there the static coder is close.
        var best = new PricedTensor(Coding.Raw, SymbolCoder.RawLength(symbols.Length, min, max));
        long table = CodingCost.EstimateStatic(symbols, min, max);
        if (table < best.Bytes)
            best = new(Coding.StaticRans, table);
        if (symbols.Length >= GroupEncoder.MinLength && PriceByCoding(symbols, shape, min, max, CompressionLevel.Fastest, ref choice) is PricedTensor grouped && grouped.Bytes < best.Bytes)
            best = grouped;
        long mixed = PriceMixing(symbols, shape, min, max, ref parameters);
        if (symbols.Length <= BellModel.MaxLength)
            mixed = Math.Min(mixed, PriceBell(symbols, min, max));
        if (table < mixed + (mixed / StructureShare) && symbols.Length <= WholeLimit)
        {
            PricedTensor other = PriceByCoding(symbols, shape, min, max, CompressionLevel.Optimal, ref choice);
            if (other.Bytes < best.Bytes)
                best = other;
        }

        if (mixed < best.Bytes)
            best = new(Coding.ContextMixing, mixed);
        return symbols.Length <= WholeLimit && RepeatCoder.TryEncode(symbols, best.Bytes, new SymbolLiterals<T>(min, max, level), isThorough: false) is byte[] repeats
            ? new(Coding.Repeats, repeats.Length)
            : best;
    }

    private static PricedTensor PriceByCoding<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int min, int max, CompressionLevel level, ref ClassifiedChoice? choice)
        where T : struct, IBinaryInteger<T>
    {
        EncodedTensor encoded = SymbolCoder.Encode(symbols, shape, min, max, level, ref choice);
        encoded.Release();
        return new(encoded.Coding, encoded.Payload.Length);
    }

    private static long PriceMixing<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int min, int max, ref MixingParameters? parameters)
        where T : struct, IBinaryInteger<T>
    {
        int columns = ContextMixingCoder.RowLength(shape, symbols.Length);
        T[] priced = symbols.Length <= WholeLimit ? symbols.ToArray() : Sample(symbols, columns);
        bool known = parameters is MixingParameters last && last.Center >= min && last.Center <= max;
        MixingParameters found = known ? ParameterSearch.Adapt<T>(parameters!.Value, priced, columns) : ParameterSearch.Run(priced, shape, columns, min, max);
        parameters = found;
        long cost = ParameterSearch.Cost(found, priced.AsSpan(), columns, min, max);
        if (priced.Length < symbols.Length)
        {
            // The first half of the sample pays for learning, as the first part of the segment does; the second half tells what the rest costs.
            int half = priced.Length / 2 / columns * columns;
            long first = ParameterSearch.Cost(found, priced.AsSpan(0, half), columns, min, max);
            cost += (long)((cost - first) / (double)(priced.Length - half) * (symbols.Length - priced.Length));
        }

        long blocks = ((symbols.Length - 1) / (2L * columns * ContextMixingCoder.BlockPairs(columns))) + 1;
        return Bytes(cost) + ((blocks - 1) * BinaryRansConstants.StateBytes);
    }

    private static long PriceBell<T>(ReadOnlySpan<T> symbols, int min, int max)
        where T : struct, IBinaryInteger<T> => Bytes(ParameterSearch.Cost<T>(BellModel.Fit(symbols), symbols.ToArray(), min, max));

    // The last block's state starts with two bytes that tell nothing, and takes 4 to 12 bits more.
    private static long Bytes(long cost) => (cost >> (FixedPointLog2.FractionBits + 3)) + 1 + BinaryRansConstants.StateBytes - 2;

    // Runs of rows, evenly spaced from the first row on.
    private static T[] Sample<T>(ReadOnlySpan<T> symbols, int columns)
    {
        int rows = symbols.Length / columns;
        int run = Math.Max(SampleWeights / SampleRuns / columns, 1);
        int runs = Math.Clamp(SampleWeights / (run * columns), 2, SampleRuns);
        if (run * runs >= rows)
            return symbols.ToArray();
        var sample = new T[run * runs * columns];
        for (int i = 0; i < runs; i++)
        {
            int row = (int)((long)i * (rows - run) / (runs - 1));
            symbols.Slice(row * columns, run * columns).CopyTo(sample.AsSpan(i * run * columns));
        }

        return sample;
    }
}
