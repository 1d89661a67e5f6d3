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

    /// <summary>Elements of every segment but the last; the tensor's length where it is not cut.</summary>
    internal long SegmentLength { get; init; }

    /// <summary>The segments in order, at least one; none for an alias.</summary>
    internal IReadOnlyList<SegmentEntry> Segments { get; init; } = [];

    internal int MinSymbol => Segments.Min(segment => segment.MinSymbol);

    internal int MaxSymbol => Segments.Max(segment => segment.MaxSymbol);

    /// <summary>The bytes of all payloads, which lie side by side.</summary>
    internal long PayloadLength => Segments.Sum(segment => segment.PayloadLength);

    internal long PayloadOffset => Segments[0].PayloadOffset;

    internal string CodingName => string.Join('+', Segments.Select(segment => segment.Coding).Distinct().Order().Select(coding => coding.Name()));

    /// <summary>The segment that holds an element.</summary>
    internal int SegmentOf(long element) => SegmentLength == 0 ? 0 : (int)(element / SegmentLength);
}
