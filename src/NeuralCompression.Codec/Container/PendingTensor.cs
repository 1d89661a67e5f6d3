using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Container;

/// <summary>A tensor on its way into a file: what is known before its last segment is coded.</summary>
internal sealed class PendingTensor
{
    private readonly List<SegmentEntry> segments = [];
    private ReadOnlyMemory<byte> constant;
    private bool isConstant = true;

    internal required string Name { get; init; }

    internal int AliasTarget { get; init; } = -1;

    internal ElementType ElementType { get; init; }

    internal long[] Shape { get; init; } = [];

    internal long Length { get; init; }

    internal QuantizationGrid? Grid { get; init; }

    internal long SegmentLength { get; init; }

    /// <summary>Takes the next segment, in order.</summary>
    internal void Add(SegmentEntry segment, ReadOnlyMemory<byte> payload)
    {
        segments.Add(segment);
        isConstant &= segment.Coding == Coding.Constant;
        if (!isConstant)
            return;
        if (segments.Count == 1)
            constant = payload;
        isConstant = segment.MinSymbol == segments[0].MinSymbol && payload.Span.SequenceEqual(constant.Span);
    }

    /// <summary>The descriptor; a tensor whose segments are all constant and equal is not cut.</summary>
    internal TensorEntry ToEntry() => new()
    {
        Name = Name,
        AliasTarget = AliasTarget,
        ElementType = ElementType,
        Shape = Shape,
        Length = Length,
        Grid = Grid,
        SegmentLength = isConstant ? Length : SegmentLength,
        Segments = isConstant && segments.Count > 1 ? [Whole(segments[0])] : segments,
    };

    private SegmentEntry Whole(SegmentEntry first) => new()
    {
        Start = 0,
        Length = Length,
        Coding = first.Coding,
        MinSymbol = first.MinSymbol,
        MaxSymbol = first.MaxSymbol,
        PayloadLength = first.PayloadLength,
        PayloadChecksum = first.PayloadChecksum,
        PayloadOffset = first.PayloadOffset,
    };
}
