using System.IO.Compression;
using System.Numerics;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec;

/// <summary>Estimates what a tensor will cost in a file without writing it: for a byte meter in training.</summary>
/// <remarks>Without a level: within 1 % or 40 bytes of the payload the static coder writes. Source: docs/format.md, section 5.</remarks>
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
        return EstimateStatic(symbols, min, max);
    }

    /// <summary>Estimates from symbols.</summary>
    /// <param name="symbols">Symbols; shape <c>[...]</c>, dimensionless.</param>
    /// <returns>The payload; bytes.</returns>
    /// <remarks>Throws nothing. Source: docs/format.md, section 5.3.</remarks>
    public static long EstimateBytes(ReadOnlySpan<short> symbols)
    {
        (int min, int max) = SymbolRange.Of(symbols);
        return EstimateStatic(symbols, min, max);
    }

    /// <summary>Estimates what the writer makes of symbols at a level: the cost model of every coder that level tries.</summary>
    /// <param name="symbols">Symbols; shape <c>[...]</c>, dimensionless.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements.</param>
    /// <param name="level">How hard the writer will try.</param>
    /// <returns>The payload; bytes; without the tensor's entry in the index.</returns>
    /// <exception cref="ArgumentException">The shape is negative or too long, or does not have as many elements as there are symbols.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="level"/> is not defined.</exception>
    /// <remarks>
    /// <para>Within 1 % or 40 bytes of the payload. Segments of more than 2^20 weights are sampled at <see cref="CompressionLevel.SmallestSize"/>.</para>
    /// <para>Source: docs/format.md, section 5.</para>
    /// </remarks>
    public static long EstimateBytes(ReadOnlySpan<sbyte> symbols, ReadOnlySpan<long> shape, CompressionLevel level) => EstimateAt(symbols, shape, level);

    /// <summary>Estimates what the writer makes of symbols at a level: the cost model of every coder that level tries.</summary>
    /// <inheritdoc cref="EstimateBytes(ReadOnlySpan{sbyte}, ReadOnlySpan{long}, CompressionLevel)"/>
    public static long EstimateBytes(ReadOnlySpan<short> symbols, ReadOnlySpan<long> shape, CompressionLevel level) => EstimateAt(symbols, shape, level);

    private static long EstimateAt<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, CompressionLevel level)
        where T : struct, IBinaryInteger<T>
    {
        if (!Enum.IsDefined(level))
            throw new ArgumentOutOfRangeException(nameof(level), level, "Unknown compression level.");
        var meter = new ModelMeter(level);
        meter.AddSymbols("w", symbols, shape, QuantizationGrid.Uniform(1), ElementType.Float32);
        return meter.Complete().Tensors[0].StoredBytes;
    }

    /// <summary>The static coder's payload from symbol counts.</summary>
    internal static long EstimateStatic<T>(ReadOnlySpan<T> symbols, int min, int max)
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
