namespace NeuralCompression.Codec;

/// <summary>Why a file of TorchSharp's was refused.</summary>
/// <remarks>
/// <para>Every <see cref="InvalidDataException"/> of <see cref="TorchSharpReader"/> carries one of these in <c>Data["NeuralCompression.Error"]</c> and the name of the tensor, where one is known, in
/// <c>Data["NeuralCompression.Tensor"]</c>.</para>
/// <para>Source: TorchSharp's format.</para>
/// </remarks>
public enum TorchSharpError
{
    /// <summary>The file ends before its last tensor.</summary>
    Truncated = 1,

    /// <summary>A number does not fit 63 bits.</summary>
    Number = 2,

    /// <summary>A name is empty, longer than 65,536 bytes or not UTF-8.</summary>
    Name = 3,

    /// <summary>Two tensors have one name.</summary>
    DuplicateName = 4,

    /// <summary>The element type is unknown, or is complex128 or a quantised type, which this library does not take.</summary>
    ElementType = 5,

    /// <summary>A tensor has more than 64 axes or too many elements.</summary>
    Shape = 6,

    /// <summary>The file does not end with its last tensor.</summary>
    FileLength = 7,

    /// <summary>There are more than 262,144 tensors.</summary>
    TensorCount = 8,
}
