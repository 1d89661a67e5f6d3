using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Container;

/// <summary>One run of elements that is decoded on its own: what the index says about it, and where it is. A tensor that is not cut is one segment.</summary>
internal sealed class SegmentEntry
{
    /// <summary>The index of its first element in the tensor.</summary>
    internal required long Start { get; init; }

    /// <summary>How many elements it has.</summary>
    internal required long Length { get; init; }

    internal required Coding Coding { get; init; }

    internal int MinSymbol { get; init; }

    internal int MaxSymbol { get; init; }

    internal long PayloadLength { get; init; }

    internal uint PayloadChecksum { get; init; }

    /// <summary>Where the payload starts: in the file for a reader, among the payloads kept so far for a writer.</summary>
    internal long PayloadOffset { get; set; }

    /// <summary>Zero bytes before the payload.</summary>
    internal int Padding { get; set; }

    /// <summary>Its place among the segments of the whole file.</summary>
    internal int Ordinal { get; set; }

    /// <summary>Bytes of the raw form: what no payload may exceed.</summary>
    internal long RawLength(ElementType type, bool quantized) =>
        quantized ? SymbolCoder.RawLength(Length, MinSymbol, MaxSymbol) : checked(Length * type.Size());

    /// <summary>The payload length where the coding leaves no choice, else -1.</summary>
    internal long ImpliedPayloadLength(ElementType type, bool quantized) => Coding switch
    {
        Coding.Raw => RawLength(type, quantized),
        Coding.Constant => quantized ? 0 : type.Size(),
        _ => -1,
    };
}
