namespace NeuralCompression.Codec;

/// <summary>Why a file was refused.</summary>
/// <remarks>
/// <para>Every <see cref="InvalidDataException"/> of the reader carries one of these in <c>Data["NeuralCompression.Error"]</c>, the name of the tensor
/// (where one is known) in <c>Data["NeuralCompression.Tensor"]</c> and the offset in the file, in bytes, in <c>Data["NeuralCompression.Offset"]</c>.</para>
/// <para>Source: docs/format.md, section 10.</para>
/// </remarks>
public enum ContainerError
{
    /// <summary>The file does not start with the magic number, or its version is 0.</summary>
    NotAContainer = 1,

    /// <summary>A reserved bit is set.</summary>
    ReservedBits = 2,

    /// <summary>The file ends before what its header or index declares.</summary>
    Truncated = 3,

    /// <summary>The file goes on after its last payload.</summary>
    TrailingBytes = 4,

    /// <summary>A variable-length integer has more bytes than it needs, or more than 64 bits.</summary>
    Integer = 5,

    /// <summary>The checksum of header and index is wrong.</summary>
    IndexChecksum = 6,

    /// <summary>The index ends inside a descriptor or goes on after the last one.</summary>
    IndexLength = 7,

    /// <summary>The file asks for more than <see cref="DecodeLimits"/> allows; <c>Data["NeuralCompression.Limit"]</c> names the property.</summary>
    LimitExceeded = 8,

    /// <summary>A name is empty, not UTF-8, or shares more bytes with the name before it than that has.</summary>
    Name = 9,

    /// <summary>Two tensors have one name.</summary>
    DuplicateName = 10,

    /// <summary>The element type is not one that a grid can decode to.</summary>
    ElementType = 11,

    /// <summary>The product of the axis lengths does not fit in 63 bits.</summary>
    Shape = 12,

    /// <summary>The grid is unknown, does not suit the shape, or has a step size or value that is not allowed.</summary>
    Grid = 13,

    /// <summary>The coding is unknown or not allowed for the tensor.</summary>
    Coding = 14,

    /// <summary>The symbol range does not fit in 16 bits, or leaves the codebook.</summary>
    SymbolRange = 15,

    /// <summary>An alias names a later tensor, itself, or another alias.</summary>
    AliasTarget = 16,

    /// <summary>The payload length is not possible for the coding and the number of elements.</summary>
    PayloadLength = 17,

    /// <summary>A padding byte or bit is not zero.</summary>
    Padding = 18,

    /// <summary>The checksum of a payload is wrong.</summary>
    PayloadChecksum = 19,

    /// <summary>A frequency table is malformed or not in canonical form.</summary>
    FrequencyTable = 20,

    /// <summary>The entropy-coded data ends early, goes on too long, or leaves the coder in a state no encoder produces.</summary>
    EntropyStream = 21,

    /// <summary>A symbol lies outside the range the index declares.</summary>
    SymbolValue = 22,

    /// <summary>A byte plane has an unknown mode or an impossible length.</summary>
    Plane = 23,

    /// <summary>A tensor is cut into segments of an impossible length, or is not cut although it is longer than a segment may be.</summary>
    Segments = 24,

    /// <summary>The metadata has no entry, its keys do not ascend, or it is not UTF-8.</summary>
    Metadata = 25,
}
