using System.IO.Compression;
using System.Numerics;

namespace NeuralCompression.Codec;

/// <summary>Rounds weights to a uniform grid where that costs little error for many bits: to the levels that minimise error + strength x bits.</summary>
/// <remarks>
/// <para>Minimises the sum over i of h_i (w_i - step q_i)^2 + strength x bits(q_i). The candidates for q_i are the two levels around w_i and zero. Grid and limits stay what they are, so a reader needs to know nothing of it.</para>
/// <para>
/// bits(q_i) is the price of q_i given all other symbols: log-odds of being non-zero from how often its row and its column are (what the contexts of the coders see; one frequency for the
/// whole tensor at <see cref="CompressionLevel.Fastest"/>), and the frequency of q_i among the non-zeros. Starting from the nearest levels, each weight is decided in turn, three times over.
/// A weight alone in its row or column is dear, one in a busy row cheap. Deterministic.
/// </para>
/// <para>Source: entropy-constrained quantisation (Chou, Lookabaugh and Gray, 1989), with the contexts of this project's coders.</para>
/// </remarks>
public static class RateDistortionQuantizer
{
    private const int Sweeps = 3;

    /// <summary>Rounds float32 weights to 8-bit symbols.</summary>
    /// <param name="values">Weights; shape <c>[...]</c> row-major, weight units, finite.</param>
    /// <param name="sensitivities">What an error of each weight costs, error units / weight units^2, at least 0; shape of <paramref name="values"/>, or empty for 1.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements: says what rows and columns are.</param>
    /// <param name="step">Distance between two levels; weight units, finite and positive.</param>
    /// <param name="minSymbol">The smallest symbol, dimensionless, range <c>[-128, maxSymbol]</c>.</param>
    /// <param name="maxSymbol">The largest symbol, dimensionless, range <c>[minSymbol, 127]</c>.</param>
    /// <param name="strength">Error that a saved bit may cost; error units / bit, range <c>[0, ∞]</c>. 0 rounds to the nearest level, infinity makes everything zero where zero is a level.</param>
    /// <param name="level">The level the file will be saved at.</param>
    /// <param name="symbols">Receives the symbols; shape of <paramref name="values"/> or longer, dimensionless.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step, a limit, the strength or the level is out of range.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="symbols"/> is too short, the shape or the sensitivities do not have as many elements as there are values, a sensitivity is negative or NaN, or a value is NaN.
    /// </exception>
    /// <remarks>Source: this project.</remarks>
    public static void Quantize(
        ReadOnlySpan<float> values, ReadOnlySpan<float> sensitivities, ReadOnlySpan<long> shape, double step, int minSymbol, int maxSymbol, double strength, CompressionLevel level, Span<sbyte> symbols)
    {
        UniformQuantizer.Quantize(values, step, minSymbol, maxSymbol, symbols);
        Run(values, sensitivities, shape, step, minSymbol, maxSymbol, strength, level, symbols[..values.Length]);
    }

    /// <summary>Rounds float32 weights to 16-bit symbols.</summary>
    /// <inheritdoc cref="Quantize(ReadOnlySpan{float}, ReadOnlySpan{float}, ReadOnlySpan{long}, double, int, int, double, CompressionLevel, Span{sbyte})"/>
    public static void Quantize(
        ReadOnlySpan<float> values, ReadOnlySpan<float> sensitivities, ReadOnlySpan<long> shape, double step, int minSymbol, int maxSymbol, double strength, CompressionLevel level, Span<short> symbols)
    {
        UniformQuantizer.Quantize(values, step, minSymbol, maxSymbol, symbols);
        Run(values, sensitivities, shape, step, minSymbol, maxSymbol, strength, level, symbols[..values.Length]);
    }

    /// <summary>Rounds float64 weights to 8-bit symbols.</summary>
    /// <inheritdoc cref="Quantize(ReadOnlySpan{float}, ReadOnlySpan{float}, ReadOnlySpan{long}, double, int, int, double, CompressionLevel, Span{sbyte})"/>
    public static void Quantize(
        ReadOnlySpan<double> values, ReadOnlySpan<double> sensitivities, ReadOnlySpan<long> shape, double step, int minSymbol, int maxSymbol, double strength, CompressionLevel level, Span<sbyte> symbols)
    {
        UniformQuantizer.Quantize(values, step, minSymbol, maxSymbol, symbols);
        Run(values, sensitivities, shape, step, minSymbol, maxSymbol, strength, level, symbols[..values.Length]);
    }

    /// <summary>Rounds float64 weights to 16-bit symbols.</summary>
    /// <inheritdoc cref="Quantize(ReadOnlySpan{float}, ReadOnlySpan{float}, ReadOnlySpan{long}, double, int, int, double, CompressionLevel, Span{sbyte})"/>
    public static void Quantize(
        ReadOnlySpan<double> values, ReadOnlySpan<double> sensitivities, ReadOnlySpan<long> shape, double step, int minSymbol, int maxSymbol, double strength, CompressionLevel level, Span<short> symbols)
    {
        UniformQuantizer.Quantize(values, step, minSymbol, maxSymbol, symbols);
        Run(values, sensitivities, shape, step, minSymbol, maxSymbol, strength, level, symbols[..values.Length]);
    }

    private static void Run<T, TSymbol>(
        ReadOnlySpan<T> values, ReadOnlySpan<T> sensitivities, ReadOnlySpan<long> shape, double step, int minSymbol, int maxSymbol, double strength, CompressionLevel level, Span<TSymbol> symbols)
        where T : struct, IBinaryFloatingPointIeee754<T>
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        Check(values, sensitivities, shape, strength, level);
        if (strength == 0 || values.IsEmpty || level == CompressionLevel.NoCompression)
            return;
        bool hasZero = minSymbol <= 0 && maxSymbol >= 0;
        if (double.IsPositiveInfinity(strength))
        {
            symbols.Fill(TSymbol.CreateTruncating(Math.Clamp(0, minSymbol, maxSymbol)));
            return;
        }

        var prices = new SymbolPrices(shape, values.Length, minSymbol, maxSymbol, hasContexts: level != CompressionLevel.Fastest);
        for (int sweep = 0; sweep < Sweeps; sweep++)
        {
            prices.Count<TSymbol>(symbols);
            bool changed = false;
            for (int i = 0; i < symbols.Length; i++)
            {
                int now = int.CreateTruncating(symbols[i]);

                // Zero is the cheapest level of a sparse tensor, and here the nearest too, or chosen in an earlier sweep.
                if (now == 0 && hasZero && prices.ZeroIsCheapest)
                    continue;
                double value = double.CreateTruncating(values[i]) / step;
                double weight = (sensitivities.IsEmpty ? 1 : double.CreateTruncating(sensitivities[i])) * step * step;
                prices.Select(i, now);
                int below = (int)Math.Clamp(Math.Floor(value), minSymbol, maxSymbol);
                int best = below;
                double cost = Cost(below);
                Try(Math.Min(below + 1, maxSymbol));
                if (hasZero)
                    Try(0);
                if (best != now)
                {
                    symbols[i] = TSymbol.CreateTruncating(best);
                    prices.Change(now, best);
                    changed = true;
                }

                void Try(int candidate)
                {
                    double other = Cost(candidate);
                    if (other < cost)
                        (best, cost) = (candidate, other);
                }

                double Cost(int candidate) => (weight * (value - candidate) * (value - candidate)) + (strength * prices.Bits(candidate));
            }

            if (!changed)
                break;
        }
    }

    private static void Check<T>(ReadOnlySpan<T> values, ReadOnlySpan<T> sensitivities, ReadOnlySpan<long> shape, double strength, CompressionLevel level)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        if (double.IsNaN(strength) || strength < 0)
            throw new ArgumentOutOfRangeException(nameof(strength), strength, "A strength must be at least 0.");
        if (!Enum.IsDefined(level))
            throw new ArgumentOutOfRangeException(nameof(level), level, "Unknown compression level.");
        long elements = TensorShape.Count(shape, nameof(shape));
        if (elements != values.Length)
            throw new ArgumentException(FormattableString.Invariant($"The shape has {elements} elements but there are {values.Length} values."), nameof(shape));
        if (!sensitivities.IsEmpty && sensitivities.Length != values.Length)
            throw new ArgumentException(FormattableString.Invariant($"There are {sensitivities.Length} sensitivities but {values.Length} values."), nameof(sensitivities));
        foreach (T sensitivity in sensitivities)
        {
            if (!(sensitivity >= T.Zero))
                throw new ArgumentException("A sensitivity is negative or NaN.", nameof(sensitivities));
        }
    }
}
