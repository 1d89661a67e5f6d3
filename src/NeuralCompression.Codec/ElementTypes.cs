namespace NeuralCompression.Codec;

/// <summary>Facts about <see cref="ElementType"/> the coders need.</summary>
internal static class ElementTypes
{
    /// <summary>How many element types format version 1 knows.</summary>
    internal const int Count = 16;

    internal static bool IsDefined(ElementType type) => (int)type < Count;

    /// <summary>Bytes of one element.</summary>
    internal static int Size(this ElementType type) => type switch
    {
        ElementType.Float32 or ElementType.Int32 or ElementType.UInt32 => 4,
        ElementType.Float16 or ElementType.BFloat16 or ElementType.Int16 or ElementType.UInt16 => 2,
        ElementType.Float64 or ElementType.Int64 or ElementType.UInt64 => 8,
        ElementType.Int8 or ElementType.UInt8 or ElementType.Bool or ElementType.Float8E4M3 or ElementType.Float8E5M2 or ElementType.Float8E8M0 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type."),
    };

    /// <summary>True for the floating-point types a grid decodes to; those of 8 bits are stored without loss only.</summary>
    internal static bool IsFloatingPoint(this ElementType type) => type <= ElementType.Float64;
}
