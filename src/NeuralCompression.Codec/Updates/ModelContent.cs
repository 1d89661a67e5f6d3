namespace NeuralCompression.Codec.Updates;

/// <summary>What a model holds, in however many files it stands.</summary>
internal sealed class ModelContent : IDisposable
{
    private readonly Dictionary<string, int> positions;
    private readonly IDisposable? owned;

    internal ModelContent(CompressedModelReader model)
        : this(model.Tensors, model.Metadata, null)
    {
    }

    private ModelContent(IReadOnlyList<CompressedTensorInfo> tensors, IReadOnlyDictionary<string, string> metadata, IDisposable? owned)
    {
        (Tensors, Metadata, this.owned) = (tensors, metadata, owned);
        positions = new Dictionary<string, int>(tensors.Count, StringComparer.Ordinal);
        for (int i = 0; i < tensors.Count; i++)
            positions.Add(tensors[i].Name, i);
    }

    /// <summary>In order; of a set those of its shards, one after the other.</summary>
    internal IReadOnlyList<CompressedTensorInfo> Tensors { get; }

    internal IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a model, or a set by its manifest, which only its name tells.</summary>
    internal static ModelContent Open(string path, DecodeLimits limits)
    {
        if (CompressedModelSet.IsManifest(path))
        {
            CompressedModelSet set = CompressedModelSet.Open(path, limits);
            return new ModelContent(set.Tensors, set.Metadata, set);
        }

        CompressedModelReader model = CompressedModelReader.Open(path, limits);
        return new ModelContent(model.Tensors, model.Metadata, model);
    }

    /// <summary>The position of a tensor; -1 where there is none of that name.</summary>
    internal int PositionOf(string name) => positions.GetValueOrDefault(name, -1);

    /// <summary>Closes what <see cref="Open"/> opened.</summary>
    public void Dispose() => owned?.Dispose();
}
