using System.IO.Compression;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.WeightCoding.Repeats;

namespace NeuralCompression.Codec.WeightCoding.Lossless;

/// <summary>Codes tensors without loss. Source: docs/format.md, sections 5.1, 5.2, 5.5 and 5.9.</summary>
internal static class ElementCoder
{
    internal static EncodedTensor Encode(ReadOnlySpan<byte> elements, ElementType type, CompressionLevel level)
    {
        int size = type.Size();
        if (elements.Length > 0 && elements[size..].SequenceEqual(elements[..^size]))
            return new(Coding.Constant, elements[..size].ToArray());
        if (level == CompressionLevel.NoCompression || elements.IsEmpty)
            return new(Coding.Raw, elements.ToArray());
        EncodedTensor coded = EncodeLiterals(elements, type, level);
        if (level == CompressionLevel.Fastest || EncodeRepeats(elements, type, level, coded.Payload.Length) is not byte[] repeats)
            return coded;
        coded.Release();
        return new(Coding.Repeats, repeats);
    }

    /// <summary>Codes elements as planes or, where that is not shorter, as they are.</summary>
    internal static EncodedTensor EncodeLiterals(ReadOnlySpan<byte> elements, ElementType type, CompressionLevel level) =>
        ElementEncoder.Encode(elements, type, level) ?? new(Coding.Raw, elements.ToArray());

    private static byte[]? EncodeRepeats(ReadOnlySpan<byte> elements, ElementType type, CompressionLevel level, long limit) => type.Size() switch
    {
        1 => RepeatCoder.TryEncode(elements, limit, new ElementLiterals<byte>(type, level), level == CompressionLevel.SmallestSize),
        2 => RepeatCoder.TryEncode(MemoryMarshal.Cast<byte, ushort>(elements), limit, new ElementLiterals<ushort>(type, level), level == CompressionLevel.SmallestSize),
        4 => RepeatCoder.TryEncode(MemoryMarshal.Cast<byte, uint>(elements), limit, new ElementLiterals<uint>(type, level), level == CompressionLevel.SmallestSize),
        _ => RepeatCoder.TryEncode(MemoryMarshal.Cast<byte, ulong>(elements), limit, new ElementLiterals<ulong>(type, level), level == CompressionLevel.SmallestSize),
    };

    private static void DecodeRepeats(ReadOnlySpan<byte> payload, ElementType type, Span<byte> elements)
    {
        switch (type.Size())
        {
            case 1:
                RepeatCoder.Decode(payload, elements, new ElementLiterals<byte>(type));
                break;
            case 2:
                RepeatCoder.Decode(payload, MemoryMarshal.Cast<byte, ushort>(elements), new ElementLiterals<ushort>(type));
                break;
            case 4:
                RepeatCoder.Decode(payload, MemoryMarshal.Cast<byte, uint>(elements), new ElementLiterals<uint>(type));
                break;
            default:
                RepeatCoder.Decode(payload, MemoryMarshal.Cast<byte, ulong>(elements), new ElementLiterals<ulong>(type));
                break;
        }
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
            case Coding.Repeats:
                DecodeRepeats(payload, type, elements);
                break;
            default:
                using (var reader = new ElementReader(payload, type, elements.Length / type.Size()))
                    reader.Read(elements);
                break;
        }
    }
}
