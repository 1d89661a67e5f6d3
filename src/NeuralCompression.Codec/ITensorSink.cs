namespace NeuralCompression.Codec;

/// <summary>Takes the tensors of a model in the order of the file: writes them, or only prices them.</summary>
internal interface ITensorSink
{
    public void Add(string name, QuantizedTensor tensor);

    public void Add(string name, ElementType type, ReadOnlySpan<long> shape, ReadOnlySpan<byte> littleEndianBytes);

    public void AddAlias(string name, string target);

    public CompressionReport Complete();
}
