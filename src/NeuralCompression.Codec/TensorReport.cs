namespace NeuralCompression.Codec;

/// <summary>What one tensor cost in a finished file.</summary>
/// <remarks>Source: docs/format.md, section 4.</remarks>
public sealed class TensorReport
{
    private readonly long[] shape;

    internal TensorReport(string name, long[] shape, ElementType elementType, long length, long storedBytes, string coding, string? aliasOf)
    {
        Name = name;
        this.shape = shape;
        ElementType = elementType;
        Length = length;
        StoredBytes = storedBytes;
        Coding = coding;
        AliasOf = aliasOf;
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>The lengths of the axes, slowest first; shape <c>[rank]</c>, elements.</summary>
    public ReadOnlySpan<long> Shape => shape;

    /// <summary>What the values decode to.</summary>
    public ElementType ElementType { get; }

    /// <summary>How many elements there are; elements.</summary>
    public long Length { get; }

    /// <summary>Elements x bytes of an element; bytes; 0 for an alias.</summary>
    public long OriginalBytes => AliasOf is null ? Length * ElementType.Size() : 0;

    /// <summary>The length of the payload in the file; bytes; 0 for an alias.</summary>
    public long StoredBytes { get; }

    /// <summary>The name of the coding that was smallest.</summary>
    public string Coding { get; }

    /// <summary>The tensor an alias stands for; null otherwise.</summary>
    public string? AliasOf { get; }

    /// <summary>8 x stored bytes / elements; bits/weight; 0 for an empty tensor.</summary>
    public double BitsPerElement => Length == 0 ? 0 : 8.0 * StoredBytes / Length;
}
