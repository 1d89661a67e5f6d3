namespace NeuralCompression.Codec;

/// <summary>A model of another program's, as <see cref="ModelConversion"/> reads it.</summary>
internal interface ITensorSource : IDisposable
{
    public IReadOnlyList<TensorDescription> Tensors { get; }

    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The bytes of all tensors.</summary>
    public long ByteLength { get; }

    /// <summary>Reads a part of a tensor, from a byte of it on.</summary>
    public void Read(TensorDescription tensor, long start, Span<byte> destination);
}
