namespace NeuralCompression.Codec;

/// <summary>Why a safetensors file was refused.</summary>
/// <remarks>
/// <para>Every <see cref="InvalidDataException"/> of <see cref="SafetensorsReader"/> carries one of these in <c>Data["NeuralCompression.Error"]</c> and the name of the tensor, where one is known, in
/// <c>Data["NeuralCompression.Tensor"]</c>.</para>
/// <para>Source: the safetensors format.</para>
/// </remarks>
public enum SafetensorsError
{
    /// <summary>The file is shorter than the eight bytes that tell the length of the header.</summary>
    TooShort = 1,

    /// <summary>The header is longer than 100,000,000 bytes, or than the file.</summary>
    HeaderLength = 2,

    /// <summary>The header does not start with an opening brace.</summary>
    HeaderStart = 3,

    /// <summary>The header is not JSON of the expected form, not UTF-8, or followed by other bytes than spaces.</summary>
    Header = 4,

    /// <summary>A key occurs twice.</summary>
    DuplicateKey = 5,

    /// <summary>The metadata is not an object of strings.</summary>
    Metadata = 6,

    /// <summary>The element type is unknown.</summary>
    ElementType = 7,

    /// <summary>The number of elements or bytes is too large, or elements do not fill whole bytes.</summary>
    Shape = 8,

    /// <summary>The range of a tensor ends before it begins, overlaps another, leaves a hole, or does not have the length that type and shape ask for.</summary>
    Offsets = 9,

    /// <summary>The file does not end with its last tensor.</summary>
    FileLength = 10,

    /// <summary>The index of a sharded model is not JSON of the expected form, names a file elsewhere, or does not agree with its files.</summary>
    Index = 11,
}
