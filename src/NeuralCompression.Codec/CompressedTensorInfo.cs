using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec;

/// <summary>What the index of a file says about one tensor.</summary>
/// <remarks>Immutable, thread-safe; belongs to the reader that made it. Source: docs/format.md, section 4.</remarks>
public sealed class CompressedTensorInfo
{
    internal CompressedTensorInfo(TensorEntry entry, CompressedModelReader owner, CompressedTensorInfo? target)
    {
        Entry = target?.Entry ?? entry;
        Name = entry.Name;
        AliasOf = target?.Name;
        Owner = owner;
        MinSymbol = target?.MinSymbol ?? entry.MinSymbol;
        MaxSymbol = target?.MaxSymbol ?? entry.MaxSymbol;
        StoredBytes = target?.StoredBytes ?? entry.PayloadLength;
        Coding = target?.Coding ?? entry.CodingName;
    }

    internal TensorEntry Entry { get; }

    internal CompressedModelReader Owner { get; }

    /// <summary>The name, unchanged from the state dictionary.</summary>
    public string Name { get; }

    /// <summary>The lengths of the axes, slowest first; shape <c>[rank]</c>, elements; empty for a scalar.</summary>
    public ReadOnlySpan<long> Shape => Entry.Shape;

    /// <summary>What the values decode to.</summary>
    public ElementType ElementType => Entry.ElementType;

    /// <summary>How many elements there are; elements, range <c>[0, 2^63)</c>.</summary>
    public long Length => Entry.Length;

    /// <summary>The rule that turns symbols into weights; null for a tensor stored without loss.</summary>
    public QuantizationGrid? Grid => Entry.Grid;

    /// <summary>True when the tensor was stored as symbols and a grid.</summary>
    public bool IsQuantized => Entry.Grid is not null;

    /// <summary>The name of the tensor this one shares its payload with; null for a tensor with its own.</summary>
    public string? AliasOf { get; }

    /// <summary>The length of the payload, that of all segments, in the file; bytes; that of the target for an alias.</summary>
    public long StoredBytes { get; }

    /// <summary>Elements x bytes of an element; bytes.</summary>
    public long DecodedBytes => Entry.Length * Entry.ElementType.Size();

    /// <summary>The name of the coding, as in section 5 of docs/format.md, for people to read; where segments differ, all names joined by plus signs.</summary>
    public string Coding { get; }

    /// <summary>How many segments there are, each decoded on its own; at least 1.</summary>
    public int SegmentCount => Entry.Segments.Count;

    /// <summary>How many elements every segment but the last has; elements. Reading in pieces is fastest in multiples of this.</summary>
    public long SegmentLength => Entry.SegmentLength;

    /// <summary>The smallest symbol the index declares; 0 for a tensor stored without loss.</summary>
    public int MinSymbol { get; }

    /// <summary>The largest symbol the index declares; 0 for a tensor stored without loss.</summary>
    public int MaxSymbol { get; }

    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant($"{Name} {TensorShape.Format(Shape)} {ElementType} {Coding} {StoredBytes} bytes");
}
