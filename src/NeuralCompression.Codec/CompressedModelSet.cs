using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec;

/// <summary>Reads a model that is stored in several files, shards, from its manifest.</summary>
/// <remarks>
/// <para>Opening reads the manifest and the index of every shard and compares the lengths; <see cref="Verify"/> compares the digests. Decoding is safe on many threads at once.
/// A manifest is taken for hostile, as files are: it can name files beside itself only.</para>
/// <para>Source: docs/format.md, section 16.</para>
/// </remarks>
public sealed class CompressedModelSet : IDisposable
{
    private readonly string folder;
    private readonly List<CompressedModelShard> shards = [];
    private readonly List<CompressedTensorInfo> tensors = [];
    private readonly Dictionary<string, CompressedTensorInfo> names = new(StringComparer.Ordinal);

    private CompressedModelSet(string folder) => this.folder = folder;

    /// <summary>The shards in the order of the manifest.</summary>
    public IReadOnlyList<CompressedModelShard> Shards => shards;

    /// <summary>The tensors of all shards in order, aliases included.</summary>
    public IReadOnlyList<CompressedTensorInfo> Tensors => tensors;

    /// <summary>Finds a tensor by its exact name.</summary>
    /// <param name="name">The name.</param>
    /// <returns>What the index of its shard says about it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="KeyNotFoundException">There is no such tensor.</exception>
    public CompressedTensorInfo this[string name] =>
        TryGet(name, out CompressedTensorInfo? info) ? info : throw new KeyNotFoundException($"The set has no tensor '{name}'.");

    /// <summary>Opens a set.</summary>
    /// <param name="manifestPath">The manifest; the shards lie beside it.</param>
    /// <param name="limits">What to accept at most: of each shard, and of tensors and decoded bytes also of all together; default <see cref="DecodeLimits.Default"/>.</param>
    /// <returns>The set; dispose it.</returns>
    /// <exception cref="ArgumentException"><paramref name="manifestPath"/> is null or empty.</exception>
    /// <exception cref="InvalidDataException">The manifest or a shard is damaged or over a limit, or a shard does not have the length the manifest tells.</exception>
    /// <exception cref="NotSupportedException">The manifest or a shard has a newer format.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    /// <remarks>Source: docs/format.md, section 16.</remarks>
    public static CompressedModelSet Open(string manifestPath, DecodeLimits? limits = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(manifestPath);
        limits ??= DecodeLimits.Default;
        string path = Path.GetFullPath(manifestPath);
        var set = new CompressedModelSet(Path.GetDirectoryName(path) ?? throw new ArgumentException("The path names no file.", nameof(manifestPath)));
        try
        {
            foreach (ShardEntry entry in SetManifest.Read(path, limits))
                set.Add(entry, limits);
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>Finds a tensor by its exact name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="info">What the index of its shard says about it; null on failure.</param>
    /// <returns>True when there is such a tensor.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    public bool TryGet(string name, [NotNullWhen(true)] out CompressedTensorInfo? info)
    {
        ArgumentNullException.ThrowIfNull(name);
        return names.TryGetValue(name, out info);
    }

    /// <summary>Gives the reader that decodes a tensor.</summary>
    /// <param name="tensor">A tensor of this set.</param>
    /// <returns>The reader of its shard; not to be disposed.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this set.</exception>
    public CompressedModelReader ReaderOf(CompressedTensorInfo tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return shards.Exists(shard => ReferenceEquals(shard.Reader, tensor.Owner)) ? tensor.Owner : throw new ArgumentException("The tensor belongs to another set or reader.", nameof(tensor));
    }

    /// <summary>Reads every shard from its first byte to its last and compares its SHA-256 with the manifest.</summary>
    /// <param name="progress">Is told how many bytes have been read, rising; bytes; default null, nobody.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidDataException">A shard is not the one the manifest means.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A shard cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A shard may not be read.</exception>
    /// <remarks>Source: docs/format.md, section 16.</remarks>
    public void Verify(IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        byte[] buffer = new byte[1 << 17];
        long total = 0;
        foreach (CompressedModelShard shard in shards)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            using var file = new FileStream(Path.Combine(folder, shard.FileName), FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            int read;
            while ((read = file.Read(buffer)) > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                hash.AppendData(buffer, 0, read);
                total += read;
                progress?.Report(total);
            }

            if (Convert.ToHexStringLower(hash.GetHashAndReset()) != shard.Sha256)
                throw Invalid.Data(ContainerError.PayloadChecksum, $"The digest of the shard '{shard.FileName}' is wrong.", 0);
        }
    }

    /// <summary>Closes every shard. Decoding after this throws.</summary>
    public void Dispose()
    {
        foreach (CompressedModelShard shard in shards)
            shard.Reader.Dispose();
    }

    private void Add(ShardEntry entry, DecodeLimits limits)
    {
        string path = Path.Combine(folder, entry.FileName);
        long length = new FileInfo(path).Length;
        if (length != entry.Length)
        {
            throw Invalid.Data(
                length < entry.Length ? ContainerError.Truncated : ContainerError.TrailingBytes,
                FormattableString.Invariant($"The shard '{entry.FileName}' has {length} bytes; the manifest says {entry.Length}."),
                Math.Min(length, entry.Length));
        }

        var shard = new CompressedModelShard(entry, CompressedModelReader.Open(path, limits));
        shards.Add(shard);
        foreach (CompressedTensorInfo tensor in shard.Reader.Tensors)
        {
            if (!names.TryAdd(tensor.Name, tensor))
            {
                InvalidDataException exception = Invalid.Data(ContainerError.DuplicateName, "Two tensors of a set have the same name.", 0);
                exception.Data[Invalid.TensorKey] = tensor.Name;
                throw exception;
            }

            tensors.Add(tensor);
        }

        if (tensors.Count > limits.MaxTensors)
            throw Invalid.Limit(nameof(DecodeLimits.MaxTensors), FormattableString.Invariant($"The set has more tensors than the limit of {limits.MaxTensors}."), 0);
        UInt128 decoded = 0;
        foreach (CompressedTensorInfo tensor in tensors)
            decoded += (UInt128)(ulong)tensor.DecodedBytes;
        if (decoded > (UInt128)(ulong)limits.MaxDecodedBytes)
            throw Invalid.Limit(nameof(DecodeLimits.MaxDecodedBytes), FormattableString.Invariant($"The set decodes to more than the limit of {limits.MaxDecodedBytes} bytes."), 0);
    }
}
