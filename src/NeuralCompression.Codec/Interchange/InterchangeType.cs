namespace NeuralCompression.Codec;

/// <summary>The element types of other programs' files: those of safetensors, which include TorchSharp's. Compressed models have <see cref="ElementType"/>.</summary>
/// <remarks>Source: the safetensors format, whose names these are in .NET casing.</remarks>
public enum InterchangeType
{
    /// <summary>BOOL: a truth value; 1 byte.</summary>
    Bool,

    /// <summary>F4: E2M1, two elements in a byte; 4 bits.</summary>
    F4,

    /// <summary>F6_E2M3: four elements in three bytes; 6 bits.</summary>
    F6E2M3,

    /// <summary>F6_E3M2: four elements in three bytes; 6 bits.</summary>
    F6E3M2,

    /// <summary>U8: unsigned integer; 1 byte.</summary>
    U8,

    /// <summary>I8: signed integer; 1 byte.</summary>
    I8,

    /// <summary>F8_E5M2: the upper half of an IEEE 754 binary16; 1 byte.</summary>
    F8E5M2,

    /// <summary>F8_E4M3: 8-bit float without infinities; 1 byte.</summary>
    F8E4M3,

    /// <summary>F8_E8M0: a power of two; 1 byte.</summary>
    F8E8M0,

    /// <summary>F8_E4M3FNUZ: 8-bit float, bias 8, no negative zero; 1 byte.</summary>
    F8E4M3Fnuz,

    /// <summary>F8_E5M2FNUZ: 8-bit float, bias 16, no negative zero; 1 byte.</summary>
    F8E5M2Fnuz,

    /// <summary>I16: signed integer; 2 bytes.</summary>
    I16,

    /// <summary>U16: unsigned integer; 2 bytes.</summary>
    U16,

    /// <summary>F16: IEEE 754 binary16; 2 bytes.</summary>
    F16,

    /// <summary>BF16: the upper half of an IEEE 754 binary32; 2 bytes.</summary>
    BF16,

    /// <summary>I32: signed integer; 4 bytes.</summary>
    I32,

    /// <summary>U32: unsigned integer; 4 bytes.</summary>
    U32,

    /// <summary>F32: IEEE 754 binary32; 4 bytes.</summary>
    F32,

    /// <summary>C64: two binary32, real and imaginary part; 8 bytes.</summary>
    C64,

    /// <summary>F64: IEEE 754 binary64; 8 bytes.</summary>
    F64,

    /// <summary>I64: signed integer; 8 bytes.</summary>
    I64,

    /// <summary>U64: unsigned integer; 8 bytes.</summary>
    U64,
}
