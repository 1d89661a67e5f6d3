namespace NeuralCompression.Codec.Updates;

/// <summary>Takes the model that an update makes, into one file or several.</summary>
internal interface IModelWriter : IDisposable
{
    /// <summary>Whether the next tensor may go into a file of its own; otherwise it follows the one before it.</summary>
    public bool MayDivide { set; }

    public CompressedTensorWriter BeginTensor(string name, ElementType type, ReadOnlySpan<long> shape);

    public CompressedTensorWriter BeginTensor(string name, ReadOnlySpan<long> shape, QuantizationGrid grid, ElementType elementType);

    public void AddAlias(string name, string target);

    public void AddMetadata(string key, string value);

    public CompressionReport Complete(CancellationToken cancellationToken);
}
