using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec;

/// <summary>A tensor of integer symbols and the grid that turns them into weights: what the writer stores and a quantiser makes.</summary>
/// <remarks>
/// <para>Keeps the memory it was given without copying; the caller must not change it while the tensor is used. Thread-safe for reading.</para>
/// <para>Source: docs/format.md, section 4.</para>
/// </remarks>
public sealed class QuantizedTensor
{
    private readonly long[] shape;
    private readonly ReadOnlyMemory<sbyte> narrow;
    private readonly ReadOnlyMemory<short> wide;
    private readonly bool isNarrow;

    private QuantizedTensor(ReadOnlyMemory<sbyte> narrow, ReadOnlyMemory<short> wide, bool isNarrow, ReadOnlySpan<long> shape, QuantizationGrid grid, ElementType elementType)
    {
        ArgumentNullException.ThrowIfNull(grid);
        int length = isNarrow ? narrow.Length : wide.Length;
        if (!ElementTypes.IsDefined(elementType) || !elementType.IsFloatingPoint())
            throw new ArgumentOutOfRangeException(nameof(elementType), elementType, "Symbols decode to a floating-point type.");
        long elements = TensorShape.Count(shape, nameof(shape));
        if (elements != length)
            throw new ArgumentException(FormattableString.Invariant($"The shape has {elements} elements but {length} symbols were given."), nameof(shape));

        (MinSymbol, MaxSymbol) = isNarrow ? SymbolRange.Of(narrow.Span) : SymbolRange.Of(wide.Span);
        if (length > 0 && !grid.Fits(shape, MinSymbol, MaxSymbol, out string? reason))
            throw new ArgumentException(reason, nameof(grid));
        if (length == 0 && !grid.Fits(shape, grid.FirstSymbol, grid.FirstSymbol, out reason))
            throw new ArgumentException(reason, nameof(grid));

        this.narrow = narrow;
        this.wide = wide;
        this.isNarrow = isNarrow;
        this.shape = shape.ToArray();
        Grid = grid;
        ElementType = elementType;
        Length = length;
    }

    /// <summary>The lengths of the axes, slowest first; shape <c>[rank]</c>, elements; empty for a scalar.</summary>
    public ReadOnlySpan<long> Shape => shape;

    /// <summary>How many symbols there are; elements, range <c>[0, 2^31)</c>.</summary>
    public int Length { get; }

    /// <summary>The rule that turns symbols into weights.</summary>
    public QuantizationGrid Grid { get; }

    /// <summary>What the values decode to.</summary>
    public ElementType ElementType { get; }

    /// <summary>The smallest symbol; 0 for an empty tensor.</summary>
    public int MinSymbol { get; }

    /// <summary>The largest symbol; 0 for an empty tensor.</summary>
    public int MaxSymbol { get; }

    /// <summary>The share of symbols that are zero; fraction, range <c>[0, 1]</c>; 0 for an empty tensor. Counted at each call.</summary>
    public double Sparsity
    {
        get
        {
            if (Length == 0)
                return 0;
            int zeros = isNarrow ? narrow.Span.Count((sbyte)0) : wide.Span.Count((short)0);
            return zeros / (double)Length;
        }
    }

    /// <summary>Wraps 8-bit symbols.</summary>
    /// <param name="symbols">Symbols; shape <c>[...]</c> row-major, dimensionless. Kept, not copied.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them. Copied.</param>
    /// <param name="grid">The rule that turns symbols into weights.</param>
    /// <param name="elementType">What the values decode to: a floating-point type; default float32.</param>
    /// <returns>The tensor.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="grid"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="elementType"/> is not a floating-point type.</exception>
    /// <exception cref="ArgumentException">The shape is negative or too long, does not have as many elements as there are symbols, or does not suit the grid.</exception>
    /// <remarks>Source: docs/format.md, section 4.</remarks>
    public static QuantizedTensor FromSymbols(ReadOnlyMemory<sbyte> symbols, ReadOnlySpan<long> shape, QuantizationGrid grid, ElementType elementType = ElementType.Float32) =>
        new(symbols, default, true, shape, grid, elementType);

    /// <summary>Wraps 16-bit symbols.</summary>
    /// <param name="symbols">Symbols; shape <c>[...]</c> row-major, dimensionless. Kept, not copied.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them. Copied.</param>
    /// <param name="grid">The rule that turns symbols into weights.</param>
    /// <param name="elementType">What the values decode to: a floating-point type; default float32.</param>
    /// <returns>The tensor.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="grid"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="elementType"/> is not a floating-point type.</exception>
    /// <exception cref="ArgumentException">The shape is negative or too long, does not have as many elements as there are symbols, or does not suit the grid.</exception>
    /// <remarks>Source: docs/format.md, section 4.</remarks>
    public static QuantizedTensor FromSymbols(ReadOnlyMemory<short> symbols, ReadOnlySpan<long> shape, QuantizationGrid grid, ElementType elementType = ElementType.Float32) =>
        new(default, symbols, false, shape, grid, elementType);

    /// <summary>Gives the symbols if they are stored in 8 bits each.</summary>
    /// <param name="symbols">The symbols as given, shape <c>[Length]</c>, dimensionless; empty on failure.</param>
    /// <returns>True when the tensor was made from 8-bit symbols.</returns>
    /// <remarks>Throws nothing. Source: docs/format.md, section 4.</remarks>
    public bool TryGetSymbols(out ReadOnlyMemory<sbyte> symbols)
    {
        symbols = narrow;
        return isNarrow;
    }

    /// <summary>Gives the symbols if they are stored in 16 bits each.</summary>
    /// <param name="symbols">The symbols as given, shape <c>[Length]</c>, dimensionless; empty on failure.</param>
    /// <returns>True when the tensor was made from 16-bit symbols.</returns>
    /// <remarks>Throws nothing. Source: docs/format.md, section 4.</remarks>
    public bool TryGetSymbols(out ReadOnlyMemory<short> symbols)
    {
        symbols = wide;
        return !isNarrow;
    }

    /// <summary>Computes the values exactly as a reader of the file would.</summary>
    /// <param name="destination">Receives the values; shape <c>[Length]</c> or longer, weight units. The rest is left alone.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    /// <remarks>Values of <see cref="ElementType.Float64"/> are rounded to float32. Source: docs/format.md, section 4.4.</remarks>
    public void Dequantize(Span<float> destination)
    {
        Require(destination.Length);
        if (isNarrow)
            Dequantizer.Run(narrow.Span, 0, shape, Grid, ElementType, destination);
        else
            Dequantizer.Run(wide.Span, 0, shape, Grid, ElementType, destination);
    }

    /// <summary>Computes the values exactly as a reader of the file would.</summary>
    /// <param name="destination">Receives the values; shape <c>[Length]</c> or longer, weight units. The rest is left alone.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    /// <remarks>Values of the narrower types are widened exactly. Source: docs/format.md, section 4.4.</remarks>
    public void Dequantize(Span<double> destination)
    {
        Require(destination.Length);
        if (isNarrow)
            Dequantizer.Run(narrow.Span, 0, shape, Grid, ElementType, destination);
        else
            Dequantizer.Run(wide.Span, 0, shape, Grid, ElementType, destination);
    }

    private void Require(int length, string destination = "destination")
    {
        if (length < Length)
            throw new ArgumentException(FormattableString.Invariant($"The destination holds {length} elements but the tensor has {Length}."), nameof(destination));
    }
}
