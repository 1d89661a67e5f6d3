namespace NeuralCompression.Codec;

/// <summary>What a file of another program's, safetensors or TorchSharp's, says about one tensor.</summary>
/// <remarks>Immutable. Source: this project.</remarks>
public sealed class TensorDescription
{
    private readonly long[] shape;

    /// <summary>Describes a tensor that is to be written.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">The type of its elements.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements; none for a scalar. Copied.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="type"/> is not defined.</exception>
    /// <exception cref="ArgumentException">The elements do not fill whole bytes, or are too many.</exception>
    /// <remarks>Source: this project.</remarks>
    public TensorDescription(string name, InterchangeType type, ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!InterchangeTypes.IsDefined(type))
            throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type.");
        if (!type.TryByteLength(shape, out long bytes))
            throw new ArgumentException($"A tensor {TensorShape.Format(shape)} of {type.Name()} has a negative axis, 2^63 bytes or more, or parts of bytes.", nameof(shape));
        Name = name;
        Type = type;
        this.shape = shape.ToArray();
        ByteLength = bytes;
    }

    internal TensorDescription(string name, InterchangeType type, long[] shape, long start, long byteLength)
    {
        Name = name;
        Type = type;
        this.shape = shape;
        Start = start;
        ByteLength = byteLength;
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>The type of the elements.</summary>
    public InterchangeType Type { get; }

    /// <summary>The lengths of the axes, slowest first; shape <c>[rank]</c>, elements; empty for a scalar.</summary>
    public ReadOnlySpan<long> Shape => shape;

    /// <summary>The bytes of all elements; bytes.</summary>
    public long ByteLength { get; }

    /// <summary>Where the tensor starts; bytes from the end of the header of a safetensors file, or from the first of a file of TorchSharp's.</summary>
    internal long Start { get; }

    /// <summary>The safetensors file that holds it, for one that was read from such.</summary>
    internal SafetensorsFile? File { get; init; }

    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant($"{Name} {TensorShape.Format(Shape)} {Type.Name()} {ByteLength} bytes");
}
