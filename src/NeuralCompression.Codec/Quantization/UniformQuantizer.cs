using System.Numerics;
using System.Runtime.InteropServices;

namespace NeuralCompression.Codec;

/// <summary>Rounds weights to a uniform grid: the one place where that rule lives.</summary>
/// <remarks>
/// <para>|symbol| = ceil(|value / step| - 1/2), computed in the element type of the input, then given the sign of the value and clamped: the nearest level, midpoints towards zero.</para>
/// <para>Source: design contract 0; docs/format.md, section 4.4.</para>
/// </remarks>
public static class UniformQuantizer
{
    // Values rounded at a time on the way to symbols.
    private const int BlockLength = 1024;

    /// <summary>Rounds float32 weights to 8-bit symbols.</summary>
    /// <param name="values">Weights; shape <c>[...]</c>, weight units; infinities are clamped.</param>
    /// <param name="step">Distance between two levels; weight units, finite and positive, cast to float32 once.</param>
    /// <param name="minSymbol">The smallest symbol, dimensionless, range <c>[-128, maxSymbol]</c>.</param>
    /// <param name="maxSymbol">The largest symbol, dimensionless, range <c>[minSymbol, 127]</c>.</param>
    /// <param name="symbols">Receives the symbols; shape of <paramref name="values"/> or longer, dimensionless.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step or a limit is out of range.</exception>
    /// <exception cref="ArgumentException"><paramref name="symbols"/> is too short, or a value is NaN (the message names its index).</exception>
    /// <remarks>Source: design contract 0.</remarks>
    public static void Quantize(ReadOnlySpan<float> values, double step, int minSymbol, int maxSymbol, Span<sbyte> symbols) =>
        Run(values, CheckStep((float)step, step), minSymbol, maxSymbol, sbyte.MinValue, sbyte.MaxValue, symbols);

    /// <summary>Rounds float32 weights to 16-bit symbols.</summary>
    /// <inheritdoc cref="Quantize(ReadOnlySpan{float}, double, int, int, Span{sbyte})"/>
    public static void Quantize(ReadOnlySpan<float> values, double step, int minSymbol, int maxSymbol, Span<short> symbols) =>
        Run(values, CheckStep((float)step, step), minSymbol, maxSymbol, short.MinValue, short.MaxValue, symbols);

    /// <summary>Rounds float64 weights to 8-bit symbols.</summary>
    /// <inheritdoc cref="Quantize(ReadOnlySpan{float}, double, int, int, Span{sbyte})"/>
    public static void Quantize(ReadOnlySpan<double> values, double step, int minSymbol, int maxSymbol, Span<sbyte> symbols) =>
        Run(values, CheckStep(step, step), minSymbol, maxSymbol, sbyte.MinValue, sbyte.MaxValue, symbols);

    /// <summary>Rounds float64 weights to 16-bit symbols.</summary>
    /// <inheritdoc cref="Quantize(ReadOnlySpan{float}, double, int, int, Span{sbyte})"/>
    public static void Quantize(ReadOnlySpan<double> values, double step, int minSymbol, int maxSymbol, Span<short> symbols) =>
        Run(values, CheckStep(step, step), minSymbol, maxSymbol, short.MinValue, short.MaxValue, symbols);

    /// <summary>Rounds float32 weights to symbols written as float32: multiply by the step for the value on the grid.</summary>
    /// <param name="values">Weights; shape <c>[...]</c>, weight units; infinities are clamped.</param>
    /// <param name="step">Distance between two levels; weight units, finite and positive.</param>
    /// <param name="minSymbol">The smallest symbol, dimensionless, at most <paramref name="maxSymbol"/>.</param>
    /// <param name="maxSymbol">The largest symbol, dimensionless.</param>
    /// <param name="rounded">Receives the symbols; shape of <paramref name="values"/> or longer, dimensionless; never -0. May be <paramref name="values"/> itself.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step or a limit is out of range.</exception>
    /// <exception cref="ArgumentException"><paramref name="rounded"/> is too short, or a value is NaN (the message names its index).</exception>
    /// <remarks>Vectorised, with the bits of the scalar rule. Source: design contract 0.</remarks>
    public static void Round(ReadOnlySpan<float> values, float step, int minSymbol, int maxSymbol, Span<float> rounded)
    {
        CheckStep(step, step);
        CheckLimits(minSymbol, maxSymbol, short.MinValue, short.MaxValue);
        CheckRoom(values.Length, rounded.Length, nameof(rounded));
        int i = RoundVectors(values, step, minSymbol, maxSymbol, rounded);
        for (; i < values.Length; i++)
            rounded[i] = Level(values[i], step, minSymbol, maxSymbol, i);
    }

    /// <summary>Rounds float64 weights to symbols written as float64: multiply by the step for the value on the grid.</summary>
    /// <inheritdoc cref="Round(ReadOnlySpan{float}, float, int, int, Span{float})"/>
    public static void Round(ReadOnlySpan<double> values, double step, int minSymbol, int maxSymbol, Span<double> rounded)
    {
        CheckStep(step, step);
        CheckLimits(minSymbol, maxSymbol, short.MinValue, short.MaxValue);
        CheckRoom(values.Length, rounded.Length, nameof(rounded));
        int i = RoundVectors(values, step, minSymbol, maxSymbol, rounded);
        for (; i < values.Length; i++)
            rounded[i] = Level(values[i], step, minSymbol, maxSymbol, i);
    }

    /// <summary>The rule itself, one value.</summary>
    internal static T Level<T>(T value, T step, int minSymbol, int maxSymbol, int index, string values = "values")
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        if (T.IsNaN(value))
            throw new ArgumentException(FormattableString.Invariant($"Value {index} is NaN."), nameof(values));
        T level = T.Ceiling(T.Abs(value / step) - T.CreateTruncating(0.5));
        if (value < T.Zero)
            level = -level;
        level = T.Min(T.Max(level, T.CreateTruncating(minSymbol)), T.CreateTruncating(maxSymbol));
        return level + T.Zero;
    }

    private static void Run<T, TSymbol>(ReadOnlySpan<T> values, T step, int minSymbol, int maxSymbol, int lowest, int highest, Span<TSymbol> symbols)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        CheckLimits(minSymbol, maxSymbol, lowest, highest);
        CheckRoom(values.Length, symbols.Length, nameof(symbols));
        Span<T> levels = stackalloc T[BlockLength];
        for (int start = 0; start < values.Length; start += BlockLength)
        {
            int end = Math.Min(start + BlockLength, values.Length);
            int rounded = RoundVectors(values[start..end], step, minSymbol, maxSymbol, levels);
            for (int i = 0; i < rounded; i++)
                symbols[start + i] = TSymbol.CreateTruncating(levels[i]);
            for (int i = start + rounded; i < end; i++)
                symbols[i] = TSymbol.CreateTruncating(Level(values[i], step, minSymbol, maxSymbol, i));
        }
    }

    // The rule for whole vectors; how many values it was done for: all but the last few, or those before a NaN.
    private static int RoundVectors<T>(ReadOnlySpan<T> values, T step, int minSymbol, int maxSymbol, Span<T> rounded)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (!Vector.IsHardwareAccelerated)
            return 0;
        ref T source = ref MemoryMarshal.GetReference(values);
        ref T target = ref MemoryMarshal.GetReference(rounded[..values.Length]);
        var divisor = new Vector<T>(step);
        var min = new Vector<T>(T.CreateTruncating(minSymbol));
        var max = new Vector<T>(T.CreateTruncating(maxSymbol));
        var half = new Vector<T>(T.CreateTruncating(0.5));
        int i = 0;
        for (; i <= values.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            var value = Vector.LoadUnsafe(ref source, (nuint)i);
            if (!Vector.EqualsAll(value, value))
                break;

            // There is no NaN here, and adding 0 makes zeros of both signs one: the native minimum and maximum do.
            Vector<T> level = Ceiling(Vector.Abs(value / divisor) - half);
            level = Vector.ConditionalSelect(Vector.LessThan(value, Vector<T>.Zero), -level, level);
            (Vector.MinNative(Vector.MaxNative(level, min), max) + Vector<T>.Zero).StoreUnsafe(ref target, (nuint)i);
        }

        return i;
    }

    private static Vector<T> Ceiling<T>(Vector<T> values)
        where T : unmanaged => typeof(T) == typeof(float) ? Vector.Ceiling(values.As<T, float>()).As<float, T>() : Vector.Ceiling(values.As<T, double>()).As<double, T>();

    private static T CheckStep<T>(T cast, double step)
        where T : struct, IBinaryFloatingPointIeee754<T> =>
        T.IsFinite(cast) && cast > T.Zero
            ? cast
            : throw new ArgumentOutOfRangeException(nameof(step), step, "A step size must be finite and greater than zero in the element type of the values.");

    private static void CheckLimits(int minSymbol, int maxSymbol, int lowest, int highest)
    {
        if (minSymbol < lowest || minSymbol > maxSymbol)
            throw new ArgumentOutOfRangeException(nameof(minSymbol), minSymbol, FormattableString.Invariant($"The smallest symbol must lie between {lowest} and the largest."));
        if (maxSymbol > highest)
            throw new ArgumentOutOfRangeException(nameof(maxSymbol), maxSymbol, FormattableString.Invariant($"The largest symbol must be at most {highest}."));
    }

    private static void CheckRoom(int needed, int room, string parameter)
    {
        if (room < needed)
            throw new ArgumentException(FormattableString.Invariant($"There is room for {room} symbols but there are {needed} values."), parameter);
    }
}
