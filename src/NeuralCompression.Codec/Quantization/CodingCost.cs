using System.IO.Compression;
using System.Numerics;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec;

/// <summary>Estimates what a tensor will cost in a file without coding it: for a byte meter in training.</summary>
/// <remarks>Within 1 % or 40 bytes of the payload the static coder writes. Source: docs/format.md, section 5.3.</remarks>
public static class CodingCost
{
    /// <summary>Estimates from counts.</summary>
    /// <param name="symbolCounts">How often each symbol occurs, from the smallest to the largest; shape <c>[levels]</c>, elements, at most 256 of them.</param>
    /// <returns>The payload; bytes.</returns>
    /// <exception cref="ArgumentException">There are more than 256 counts, or one is negative.</exception>
    /// <remarks>Source: docs/format.md, section 5.3.</remarks>
    public static long EstimateBytes(ReadOnlySpan<long> symbolCounts)
    {
        if (symbolCounts.Length > RansConstants.MaxAlphabet)
            throw new ArgumentException("At most 256 counts; give the symbols themselves for more.", nameof(symbolCounts));
        if (symbolCounts.ContainsAnyInRange(long.MinValue, -1))
            throw new ArgumentException("A count is negative.", nameof(symbolCounts));
        int first = symbolCounts.IndexOfAnyExcept(0L);
        if (first < 0)
            return 0;
        int last = symbolCounts.LastIndexOfAnyExcept(0L);
        if (first == last)
            return 0;
        long length = 0;
        foreach (long count in symbolCounts)
            length += count;
        return Estimate(symbolCounts[first..(last + 1)], 0, length);
    }

    /// <summary>Estimates from symbols.</summary>
    /// <param name="symbols">Symbols; shape <c>[...]</c>, dimensionless.</param>
    /// <returns>The payload; bytes.</returns>
    /// <remarks>Throws nothing. Source: docs/format.md, section 5.3.</remarks>
    public static long EstimateBytes(ReadOnlySpan<sbyte> symbols)
    {
        (int min, int max) = SymbolRange.Of(symbols);
        return EstimateSymbols(symbols, min, max);
    }

    /// <summary>Estimates from symbols.</summary>
    /// <param name="symbols">Symbols; shape <c>[...]</c>, dimensionless.</param>
    /// <returns>The payload; bytes.</returns>
    /// <remarks>Throws nothing. Source: docs/format.md, section 5.3.</remarks>
    public static long EstimateBytes(ReadOnlySpan<short> symbols)
    {
        (int min, int max) = SymbolRange.Of(symbols);
        return EstimateSymbols(symbols, min, max);
    }

    private static long EstimateSymbols<T>(ReadOnlySpan<T> symbols, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        if (min == max)
            return 0;
        ReadOnlySpan<long> counts = SymbolCoder.CountTokens(symbols, min, max, out long bypassBits);
        int first = counts.IndexOfAnyExcept(0L);
        int last = counts.LastIndexOfAnyExcept(0L);
        bool wide = max - min >= RansConstants.MaxAlphabet;
        return Estimate(counts[first..(last + 1)], (bypassBits / 8) + (wide ? 2 : 0), SymbolCoder.RawLength(symbols.Length, min, max));
    }

    private static long Estimate(ReadOnlySpan<long> counts, long extraBytes, long rawLength)
    {
        RansPlan? plan = RansPlan.Create(counts, SymbolCoder.MaxPrecision(CompressionLevel.Optimal));
        return plan is null ? rawLength : Math.Min(rawLength, plan.EstimatedBytes + extraBytes);
    }
}
