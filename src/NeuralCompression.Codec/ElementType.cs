namespace NeuralCompression.Codec;

/// <summary>The element type of a stored tensor: what its values are once decoded.</summary>
/// <remarks>The numbers are those of the file. Source: docs/format.md, section 4.2.</remarks>
public enum ElementType : byte
{
    /// <summary>IEEE 754 binary32; 4 bytes.</summary>
    Float32 = 0,

    /// <summary>IEEE 754 binary16; 2 bytes.</summary>
    Float16 = 1,

    /// <summary>The upper half of an IEEE 754 binary32; 2 bytes. .NET has no such type, so values travel as bytes or as float32.</summary>
    BFloat16 = 2,

    /// <summary>IEEE 754 binary64; 8 bytes.</summary>
    Float64 = 3,

    /// <summary>Signed integer; 1 byte.</summary>
    Int8 = 4,

    /// <summary>Unsigned integer; 1 byte.</summary>
    UInt8 = 5,

    /// <summary>Signed integer; 2 bytes.</summary>
    Int16 = 6,

    /// <summary>Signed integer; 4 bytes.</summary>
    Int32 = 7,

    /// <summary>Signed integer; 8 bytes.</summary>
    Int64 = 8,

    /// <summary>A truth value; 1 byte, stored as it is (0 means false).</summary>
    Bool = 9,

    /// <summary>Unsigned integer; 2 bytes.</summary>
    UInt16 = 10,

    /// <summary>Unsigned integer; 4 bytes.</summary>
    UInt32 = 11,

    /// <summary>Unsigned integer; 8 bytes.</summary>
    UInt64 = 12,

    /// <summary>Floating point with 4 exponent and 3 mantissa bits, bias 7, no infinities, NaN where all seven are set (E4M3 of the Open Compute Project); 1 byte.</summary>
    Float8E4M3 = 13,

    /// <summary>The upper half of an IEEE 754 binary16: 5 exponent and 2 mantissa bits; 1 byte.</summary>
    Float8E5M2 = 14,

    /// <summary>A power of two: 8 exponent bits, bias 127, no sign, 255 is NaN; 1 byte. The scales of block formats.</summary>
    Float8E8M0 = 15,
}
