namespace NeuralCompression.Codec;

/// <summary>A model of another program's, as <see cref="SafetensorsConverter"/> reads it.</summary>
internal interface ITensorSource
{
    public IReadOnlyList<SafetensorsTensor> Tensors { get; }

    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The bytes of all tensors.</summary>
    public long ByteLength { get; }

    /// <summary>Reads a part of a tensor, from a byte of it on.</summary>
    public void Read(SafetensorsTensor tensor, long start, Span<byte> destination);
}
