using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec;

/// <summary>One file of a set, as the manifest tells.</summary>
/// <remarks>Immutable, thread-safe. Source: docs/format.md, section 16.</remarks>
public sealed class CompressedModelShard
{
    internal CompressedModelShard(ShardEntry entry, CompressedModelReader reader)
    {
        FileName = entry.FileName;
        Length = entry.Length;
        Sha256 = entry.Sha256;
        Reader = reader;
    }

    /// <summary>The name of the file beside the manifest.</summary>
    public string FileName { get; }

    /// <summary>The length of the file; bytes.</summary>
    public long Length { get; }

    /// <summary>The SHA-256 of the file the manifest tells, 64 lower-case hexadecimal digits; compared by <see cref="CompressedModelSet.Verify"/>.</summary>
    public string Sha256 { get; }

    /// <summary>Reads the tensors of the shard; disposed with the set.</summary>
    public CompressedModelReader Reader { get; }
}
