using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Container;

/// <summary>One descriptor of the index.</summary>
internal sealed class TensorEntry
{
    internal required string Name { get; init; }

    /// <summary>The position of the target, or -1; an alias has no other field.</summary>
    internal int AliasTarget { get; init; } = -1;

    internal ElementType ElementType { get; init; }

    internal long[] Shape { get; init; } = [];

    internal long Length { get; init; }

    internal QuantizationGrid? Grid { get; init; }

    internal int MinSymbol { get; init; }

    internal int MaxSymbol { get; init; }

    internal Coding Coding { get; init; }

    internal long PayloadLength { get; init; }

    internal uint PayloadChecksum { get; init; }

    /// <summary>Where the payload starts in the file; set by the reader and by the writer's last step.</summary>
    internal long PayloadOffset { get; set; }

    /// <summary>Bytes of the raw form: what no payload may exceed.</summary>
    internal long RawLength => Grid is null ? checked(Length * ElementType.Size()) : SymbolCoder.RawLength(Length, MinSymbol, MaxSymbol);

    /// <summary>The payload length where the coding leaves no choice, else -1.</summary>
    internal long ImpliedPayloadLength => Coding switch
    {
        Coding.Raw => RawLength,
        Coding.Constant => Grid is null ? ElementType.Size() : 0,
        _ => -1,
    };
}
