namespace NeuralCompression.Codec;

/// <summary>Facts about <see cref="InterchangeType"/>: one row for each, in its order.</summary>
internal static class InterchangeTypes
{
    // The name in a safetensors file, the bits of an element, and the type of the container that holds the same bits.
    private static readonly (string Name, int Bits, ElementType? Element)[] Rows =
    [
        ("BOOL", 8, ElementType.Bool),
        ("F4", 4, null),
        ("F6_E2M3", 6, null),
        ("F6_E3M2", 6, null),
        ("U8", 8, ElementType.UInt8),
        ("I8", 8, ElementType.Int8),
        ("F8_E5M2", 8, ElementType.Float8E5M2),
        ("F8_E4M3", 8, ElementType.Float8E4M3),
        ("F8_E8M0", 8, ElementType.Float8E8M0),
        ("F8_E4M3FNUZ", 8, null),
        ("F8_E5M2FNUZ", 8, null),
        ("I16", 16, ElementType.Int16),
        ("U16", 16, ElementType.UInt16),
        ("F16", 16, ElementType.Float16),
        ("BF16", 16, ElementType.BFloat16),
        ("I32", 32, ElementType.Int32),
        ("U32", 32, ElementType.UInt32),
        ("F32", 32, ElementType.Float32),
        ("C64", 64, null),
        ("F64", 64, ElementType.Float64),
        ("I64", 64, ElementType.Int64),
        ("U64", 64, ElementType.UInt64),
    ];

    internal static bool IsDefined(InterchangeType type) => (uint)type < (uint)Rows.Length;

    internal static string Name(this InterchangeType type) => Rows[(int)type].Name;

    internal static int Bits(this InterchangeType type) => Rows[(int)type].Bits;

    /// <summary>The type of the container with the same bits; null where it has none.</summary>
    internal static ElementType? ToElementType(this InterchangeType type) => Rows[(int)type].Element;

    internal static InterchangeType Of(ElementType type) => (InterchangeType)Array.FindIndex(Rows, row => row.Element == type);

    internal static bool TryParse(string name, out InterchangeType type)
    {
        int index = Array.FindIndex(Rows, row => row.Name == name);
        type = (InterchangeType)Math.Max(index, 0);
        return index >= 0;
    }

    /// <summary>The bytes of a tensor; false where they are 2^63 or more, or do not fill whole bytes.</summary>
    internal static bool TryByteLength(this InterchangeType type, ReadOnlySpan<long> shape, out long bytes)
    {
        bytes = 0;
        if (!TensorShape.TryCount(shape, out long elements))
            return false;
        Int128 bits = (Int128)elements * type.Bits();
        bytes = (long)Int128.Min(bits / 8, long.MaxValue);
        return bits % 8 == 0 && bits / 8 <= long.MaxValue;
    }
}
