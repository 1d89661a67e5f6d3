using NeuralCompression.Codec;
using static TorchSharp.torch;

namespace NeuralCompression.Interop;

/// <summary>torch's scalar types as the codec's element types.</summary>
internal static class TorchTypes
{
    public static bool TryFrom(ScalarType type, out ElementType elementType)
    {
        (bool known, elementType) = type switch
        {
            ScalarType.Float32 => (true, ElementType.Float32),
            ScalarType.Float16 => (true, ElementType.Float16),
            ScalarType.BFloat16 => (true, ElementType.BFloat16),
            ScalarType.Float64 => (true, ElementType.Float64),
            ScalarType.Int8 => (true, ElementType.Int8),
            ScalarType.Byte => (true, ElementType.UInt8),
            ScalarType.Int16 => (true, ElementType.Int16),
            ScalarType.Int32 => (true, ElementType.Int32),
            ScalarType.Int64 => (true, ElementType.Int64),
            ScalarType.Bool => (true, ElementType.Bool),
            _ => (false, default),
        };
        return known;
    }

    public static ScalarType ToScalarType(ElementType type) => type switch
    {
        ElementType.Float32 => ScalarType.Float32,
        ElementType.Float16 => ScalarType.Float16,
        ElementType.BFloat16 => ScalarType.BFloat16,
        ElementType.Float64 => ScalarType.Float64,
        ElementType.Int8 => ScalarType.Int8,
        ElementType.UInt8 => ScalarType.Byte,
        ElementType.Int16 => ScalarType.Int16,
        ElementType.Int32 => ScalarType.Int32,
        ElementType.Int64 => ScalarType.Int64,
        ElementType.Bool => ScalarType.Bool,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type."),
    };

    public static bool IsFloating(ScalarType type) =>
        type is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64;

    /// <summary>False for types torch may have but TorchSharp has not.</summary>
    public static bool IsKnown(ElementType type) => type <= ElementType.Bool;

    public static bool IsFloating(ElementType type) => IsFloating(ToScalarType(type));
}
