using System.Runtime.InteropServices;

namespace NeuralCompression.Codec;

/// <summary>The rule that turns integer symbols into weights; stored in the file bit for bit.</summary>
/// <remarks>
/// <para>Immutable and thread-safe. Two grids are equal when every stored bit is equal.</para>
/// <para>Source: docs/format.md, section 4.4.</para>
/// </remarks>
public sealed class QuantizationGrid : IEquatable<QuantizationGrid>
{
    private readonly float[] values;

    private QuantizationGrid(QuantizationGridKind kind, double stepSize, float[] values, int axis, int firstSymbol)
    {
        Kind = kind;
        StepSize = stepSize;
        this.values = values;
        Axis = axis;
        FirstSymbol = firstSymbol;
    }

    /// <summary>Which rule this is.</summary>
    public QuantizationGridKind Kind { get; }

    /// <summary>Distance between two levels of a uniform grid; weight units, range <c>(0, ∞)</c>; NaN for the other kinds.</summary>
    public double StepSize { get; }

    /// <summary>The step sizes of a per-channel grid; shape <c>[channels]</c>, weight units; empty for the other kinds.</summary>
    public ReadOnlySpan<float> StepSizes => Kind == QuantizationGridKind.PerChannel ? values : [];

    /// <summary>The axis of a per-channel grid, dimensionless, range <c>[0, rank)</c>; 0 for the other kinds.</summary>
    public int Axis { get; }

    /// <summary>The values of a codebook; shape <c>[levels]</c>, weight units; empty for the other kinds.</summary>
    public ReadOnlySpan<float> Values => Kind == QuantizationGridKind.Codebook ? values : [];

    /// <summary>The symbol that stands for the first value of a codebook, dimensionless; 0 for the other kinds.</summary>
    public int FirstSymbol { get; }

    /// <summary>Makes a grid with one step size.</summary>
    /// <param name="stepSize">Distance between two levels; weight units, finite, range <c>(0, ∞)</c>. Stored in 4 bytes when it is a float32 value, else in 8.</param>
    /// <returns>The grid value = <paramref name="stepSize"/> x symbol.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="stepSize"/> is not finite or not positive.</exception>
    /// <remarks>Source: docs/format.md, section 4.4.</remarks>
    public static QuantizationGrid Uniform(double stepSize)
    {
        if (!IsStep(stepSize))
            throw new ArgumentOutOfRangeException(nameof(stepSize), stepSize, "A step size must be finite and greater than zero.");
        return new(QuantizationGridKind.Uniform, stepSize, [], 0, 0);
    }

    /// <summary>Makes a grid with one step size per index of an axis.</summary>
    /// <param name="stepSizes">Step sizes; shape <c>[channels]</c>, weight units, each finite and positive. Copied.</param>
    /// <param name="axis">The axis the channels run along, dimensionless, at least 0; the tensor must have this axis, of length <c>channels</c>.</param>
    /// <returns>The grid value = step size of the channel x symbol.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="axis"/> is negative, or a step size is not finite or not positive.</exception>
    /// <remarks>Source: docs/format.md, section 4.4.</remarks>
    public static QuantizationGrid PerChannel(ReadOnlySpan<float> stepSizes, int axis = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(axis);
        for (int i = 0; i < stepSizes.Length; i++)
        {
            if (!IsStep(stepSizes[i]))
                throw new ArgumentOutOfRangeException(nameof(stepSizes), stepSizes[i], FormattableString.Invariant($"Step size {i} must be finite and greater than zero."));
        }

        return new(QuantizationGridKind.PerChannel, double.NaN, stepSizes.ToArray(), axis, 0);
    }

    /// <summary>Makes a grid of listed values.</summary>
    /// <param name="values">The value of each symbol; shape <c>[levels]</c>, weight units, finite, 1 to 65,536 of them. Copied.</param>
    /// <param name="firstSymbol">The symbol of the first value, dimensionless; all symbols must fit in a 16-bit integer.</param>
    /// <returns>The grid value = <paramref name="values"/>[symbol - <paramref name="firstSymbol"/>].</returns>
    /// <exception cref="ArgumentException"><paramref name="values"/> is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A symbol does not fit in a 16-bit integer, or a value is not finite.</exception>
    /// <remarks>Source: docs/format.md, section 4.4.</remarks>
    public static QuantizationGrid Codebook(ReadOnlySpan<float> values, int firstSymbol)
    {
        if (values.IsEmpty)
            throw new ArgumentException("A codebook needs at least one value.", nameof(values));
        if (firstSymbol < short.MinValue || firstSymbol + (long)values.Length - 1 > short.MaxValue)
            throw new ArgumentOutOfRangeException(nameof(firstSymbol), firstSymbol, "The symbols of a codebook must fit in a 16-bit integer.");
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
                throw new ArgumentOutOfRangeException(nameof(values), values[i], FormattableString.Invariant($"Codebook value {i} must be finite."));
        }

        return new(QuantizationGridKind.Codebook, double.NaN, values.ToArray(), 0, firstSymbol);
    }

    internal static bool IsStep(double stepSize) => double.IsFinite(stepSize) && stepSize > 0;

    /// <summary>Throws unless a tensor of this shape with symbols in this range can use this grid. <paramref name="reason"/> tells why not.</summary>
    internal bool Fits(ReadOnlySpan<long> shape, int minSymbol, int maxSymbol, out string? reason)
    {
        reason = null;
        if (Kind == QuantizationGridKind.PerChannel)
        {
            if (Axis >= shape.Length)
                reason = FormattableString.Invariant($"The grid's axis {Axis} is not an axis of a tensor of rank {shape.Length}.");
            else if (shape[Axis] != values.Length)
                reason = FormattableString.Invariant($"The grid has {values.Length} step sizes but axis {Axis} has length {shape[Axis]}.");
        }
        else if (Kind == QuantizationGridKind.Codebook && (minSymbol < FirstSymbol || maxSymbol >= FirstSymbol + values.Length))
        {
            reason = FormattableString.Invariant($"Symbols {minSymbol} to {maxSymbol} leave the codebook's {FirstSymbol} to {FirstSymbol + values.Length - 1}.");
        }

        return reason is null;
    }

    /// <summary>Compares every stored bit.</summary>
    /// <param name="other">The grid to compare with; may be null.</param>
    /// <returns>True when both decode every symbol to the same bits.</returns>
    /// <remarks>Throws nothing. Source: docs/format.md, section 4.4.</remarks>
    public bool Equals(QuantizationGrid? other) =>
        other is not null && Kind == other.Kind && Axis == other.Axis && FirstSymbol == other.FirstSymbol
        && BitConverter.DoubleToInt64Bits(StepSize) == BitConverter.DoubleToInt64Bits(other.StepSize)
        && MemoryMarshal.AsBytes<float>(values).SequenceEqual(MemoryMarshal.AsBytes<float>(other.values));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as QuantizationGrid);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.Add(Kind);
        hash.Add(StepSize);
        hash.Add(Axis);
        hash.Add(FirstSymbol);
        hash.AddBytes(MemoryMarshal.AsBytes<float>(values));
        return hash.ToHashCode();
    }

    /// <summary>Compares every stored bit.</summary>
    /// <param name="left">A grid or null.</param>
    /// <param name="right">A grid or null.</param>
    /// <returns>True when both are null or equal.</returns>
    public static bool operator ==(QuantizationGrid? left, QuantizationGrid? right) => left is null ? right is null : left.Equals(right);

    /// <summary>Compares every stored bit.</summary>
    /// <param name="left">A grid or null.</param>
    /// <param name="right">A grid or null.</param>
    /// <returns>True when they differ.</returns>
    public static bool operator !=(QuantizationGrid? left, QuantizationGrid? right) => !(left == right);

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        QuantizationGridKind.Uniform => FormattableString.Invariant($"uniform, step {StepSize:R}"),
        QuantizationGridKind.PerChannel => FormattableString.Invariant($"per channel, {values.Length} steps along axis {Axis}"),
        _ => FormattableString.Invariant($"codebook of {values.Length} values, first symbol {FirstSymbol}"),
    };
}
