using System.Globalization;

namespace NeuralCompression.Codec;

/// <summary>
/// How a tensor of another program's file stands in a compressed one: as it is, or flattened in another type with a text that says what it was. Source: docs/format.md, section 17.
/// </summary>
internal static class ForeignTensor
{
    internal const string KeyPrefix = "ncm.tensor.";

    /// <summary>Type and shape to store; the text is null where they say everything.</summary>
    internal static (ElementType Type, long[] Shape, string? Text) ToStored(TensorDescription tensor)
    {
        if (tensor.Type.ToElementType() is ElementType same && tensor.Shape.Length <= TensorShape.MaxRank)
            return (same, tensor.Shape.ToArray(), null);
        ElementType type = tensor.Type == InterchangeType.C64 ? ElementType.Float32 : tensor.Type.ToElementType() ?? ElementType.UInt8;
        string axes = string.Join(',', tensor.Shape.ToArray().Select(length => length.ToString(CultureInfo.InvariantCulture)));
        return (type, [tensor.ByteLength / type.Size()], $"{tensor.Type.Name()} {axes}");
    }

    /// <summary>What a stored tensor is in such a file.</summary>
    internal static TensorDescription FromStored(CompressedTensorInfo info, IReadOnlyDictionary<string, string> metadata)
    {
        if (!metadata.TryGetValue(KeyPrefix + info.Name, out string? text))
            return new TensorDescription(info.Name, InterchangeTypes.Of(info.ElementType), info.Shape);
        if (!info.IsQuantized && TryParse(text, out InterchangeType type, out long[] shape) && type.TryByteLength(shape, out long bytes) && bytes == info.DecodedBytes)
            return new TensorDescription(info.Name, type, shape);
        InvalidDataException exception = Invalid.Data(ContainerError.Metadata, $"The metadata says that the tensor '{info.Name}' is '{text}', which it cannot be.");
        exception.Data[Invalid.TensorKey] = info.Name;
        throw exception;
    }

    private static bool TryParse(string text, out InterchangeType type, out long[] shape)
    {
        shape = [];
        int space = text.IndexOf(' ', StringComparison.Ordinal);
        type = default;
        if (space < 0 || !InterchangeTypes.TryParse(text[..space], out type))
            return false;
        string[] axes = text[(space + 1)..].Split(',');
        if (axes is [""])
            return true;
        shape = new long[axes.Length];
        for (int i = 0; i < shape.Length; i++)
        {
            if (!long.TryParse(axes[i], NumberStyles.None, CultureInfo.InvariantCulture, out shape[i]))
                return false;
        }

        return true;
    }
}
