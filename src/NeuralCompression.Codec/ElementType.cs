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
}
