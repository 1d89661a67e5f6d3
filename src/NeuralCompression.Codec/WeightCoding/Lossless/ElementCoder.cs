using System.IO.Compression;

namespace NeuralCompression.Codec.WeightCoding.Lossless;

/// <summary>Codes tensors without loss. Source: docs/format.md, sections 5.1, 5.2 and 5.5.</summary>
internal static class ElementCoder
{
    internal static EncodedTensor Encode(ReadOnlySpan<byte> elements, ElementType type, CompressionLevel level)
    {
        int size = type.Size();
        if (elements.Length > 0 && elements[size..].SequenceEqual(elements[..^size]))
            return new(Coding.Constant, elements[..size].ToArray());
        if (level != CompressionLevel.NoCompression && elements.Length > 0 && ElementEncoder.Encode(elements, type, level) is EncodedTensor coded)
            return coded;
        return new(Coding.Raw, elements.ToArray());
    }

    internal static void Decode(Coding coding, ReadOnlySpan<byte> payload, ElementType type, Span<byte> elements)
    {
        switch (coding)
        {
            case Coding.Raw:
                payload.CopyTo(elements);
                break;
            case Coding.Constant:
                for (int offset = 0; offset < elements.Length; offset += payload.Length)
                    payload.CopyTo(elements[offset..]);
                break;
            default:
                using (var reader = new ElementReader(payload, type, elements.Length / type.Size()))
                    reader.Read(elements);
                break;
        }
    }
}
