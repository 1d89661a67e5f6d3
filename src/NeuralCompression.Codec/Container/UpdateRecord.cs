namespace NeuralCompression.Codec.Container;

/// <summary>What an update says about the model it makes. Source: docs/format.md, section 18.</summary>
internal sealed class UpdateRecord
{
    /// <summary>Stands for the grid of the base's tensor; told apart from every other grid as an object.</summary>
    internal static readonly QuantizationGrid GridOfBase = QuantizationGrid.Uniform(1);

    /// <summary>The digest of the model that is changed.</summary>
    internal required byte[] BaseDigest { get; init; }

    /// <summary>The first bytes of the digest of the model that comes of it.</summary>
    internal required byte[] ResultDigest { get; init; }

    /// <summary>True where the new model has the texts of the base; the update then has none.</summary>
    internal bool HasMetadataOfBase { get; init; }

    /// <summary>The tensors of the new model, in order.</summary>
    internal required IReadOnlyList<UpdateStep> Steps { get; init; }

    /// <summary>Where the record starts in the file; bytes.</summary>
    internal long Offset { get; init; }
}

/// <summary>One tensor of the new model.</summary>
/// <param name="Operation">Where it comes from.</param>
/// <param name="Base">The position of the base's tensor that has its name; -1 where it has a name of its own.</param>
/// <param name="Name">Its own name, or null.</param>
/// <param name="Target">The position of an alias's target in the new model.</param>
internal readonly record struct UpdateStep(UpdateOperation Operation, int Base, string? Name = null, int Target = 0);
