using System.Numerics;
using System.Numerics.Tensors;

namespace NeuralCompression.Codec.WeightCoding;

internal static class SymbolRange
{
    /// <summary>The smallest and the largest symbol; 0 and 0 when there are none.</summary>
    internal static (int Min, int Max) Of(ReadOnlySpan<sbyte> symbols)
    {
        if (symbols.Length < Vector<sbyte>.Count)
            return symbols.IsEmpty ? (0, 0) : (TensorPrimitives.Min(symbols), TensorPrimitives.Max(symbols));

        // Both in one pass; the last vector overlaps the one before it.
        Vector<sbyte> min = new(symbols[^Vector<sbyte>.Count..]);
        Vector<sbyte> max = min;
        for (; symbols.Length >= Vector<sbyte>.Count; symbols = symbols[Vector<sbyte>.Count..])
        {
            Vector<sbyte> next = new(symbols);
            min = Vector.Min(min, next);
            max = Vector.Max(max, next);
        }

        Span<sbyte> lanes = stackalloc sbyte[2 * Vector<sbyte>.Count];
        min.CopyTo(lanes);
        max.CopyTo(lanes[Vector<sbyte>.Count..]);
        return (TensorPrimitives.Min<sbyte>(lanes), TensorPrimitives.Max<sbyte>(lanes));
    }

    /// <summary>The smallest and the largest symbol; 0 and 0 when there are none.</summary>
    internal static (int Min, int Max) Of(ReadOnlySpan<short> symbols) =>
        symbols.IsEmpty ? (0, 0) : (TensorPrimitives.Min(symbols), TensorPrimitives.Max(symbols));

    /// <summary>True when every symbol of the range fits in 8 bits.</summary>
    internal static bool IsNarrow(int min, int max) => min >= sbyte.MinValue && max <= sbyte.MaxValue;
}
