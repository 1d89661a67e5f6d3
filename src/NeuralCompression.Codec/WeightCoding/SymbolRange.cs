using System.Numerics.Tensors;

namespace NeuralCompression.Codec.WeightCoding;

internal static class SymbolRange
{
    /// <summary>The smallest and the largest symbol; 0 and 0 when there are none.</summary>
    internal static (int Min, int Max) Of(ReadOnlySpan<sbyte> symbols) =>
        symbols.IsEmpty ? (0, 0) : (TensorPrimitives.Min(symbols), TensorPrimitives.Max(symbols));

    /// <summary>The smallest and the largest symbol; 0 and 0 when there are none.</summary>
    internal static (int Min, int Max) Of(ReadOnlySpan<short> symbols) =>
        symbols.IsEmpty ? (0, 0) : (TensorPrimitives.Min(symbols), TensorPrimitives.Max(symbols));

    /// <summary>True when every symbol of the range fits in 8 bits.</summary>
    internal static bool IsNarrow(int min, int max) => min >= sbyte.MinValue && max <= sbyte.MaxValue;
}
