using System.Diagnostics.CodeAnalysis;
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
    private const string Extension = ".ncms";

    private readonly SetFiles files;
    private readonly List<CompressedModelShard> shards = [];
    private readonly List<CompressedTensorInfo> tensors = [];
    private readonly Dictionary<string, CompressedTensorInfo> names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> metadata = new(StringComparer.Ordinal);
    private UInt128 decodedBytes;

    private CompressedModelSet(SetFiles files) => this.files = files;

    /// <summary>The shards in the order of the manifest.</summary>
    public IReadOnlyList<CompressedModelShard> Shards => shards;

    /// <summary>The tensors of all shards in order, aliases included.</summary>
    public IReadOnlyList<CompressedTensorInfo> Tensors => tensors;

    /// <summary>The texts of all shards, by key; the first of equal keys.</summary>
    public IReadOnlyDictionary<string, string> Metadata => metadata;

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
    public static CompressedModelSet Open(string manifestPath, DecodeLimits? limits = null) =>
        Complete(Open(Folder(manifestPath), limits, isAsync: false, CancellationToken.None));

    /// <summary>Opens a set without blocking a thread.</summary>
    /// <param name="manifestPath">The manifest; the shards lie beside it.</param>
    /// <param name="limits">What to accept at most: of each shard, and of tensors and decoded bytes also of all together; default <see cref="DecodeLimits.Default"/>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The set; dispose it.</returns>
    /// <exception cref="ArgumentException"><paramref name="manifestPath"/> is null or empty.</exception>
    /// <exception cref="InvalidDataException">The manifest or a shard is damaged or over a limit, or a shard does not have the length the manifest tells.</exception>
    /// <exception cref="NotSupportedException">The manifest or a shard has a newer format.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    /// <remarks>Source: docs/format.md, section 16.</remarks>
    public static Task<CompressedModelSet> OpenAsync(string manifestPath, DecodeLimits? limits = null, CancellationToken cancellationToken = default) =>
        Open(Folder(manifestPath), limits, isAsync: true, cancellationToken).AsTask();

    /// <summary>Opens a set whose files are read in ranges, as from a store of objects.</summary>
    /// <param name="read">Gives bytes of a file of the set: its name, <paramref name="manifestName"/> or that of a shard; offset, bytes from the first of the file; length, bytes. May give fewer, or none, at the end
    /// of the file only. What it gives must not change while the set is used. Called on any thread, also on several at once.</param>
    /// <param name="manifestName">The name of the manifest, as the delegate is to be told.</param>
    /// <param name="limits">What to accept at most: of each shard, and of tensors and decoded bytes also of all together; default <see cref="DecodeLimits.Default"/>.</param>
    /// <returns>The set; dispose it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="read"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="manifestName"/> is null or empty.</exception>
    /// <exception cref="InvalidDataException">The manifest or a shard is damaged or over a limit.</exception>
    /// <exception cref="NotSupportedException">The manifest or a shard has a newer format.</exception>
    /// <exception cref="IOException">The delegate gave more than was asked for.</exception>
    /// <remarks>Names of shards are plain file names, never paths. That a shard goes on beyond the length the manifest tells is noticed by <see cref="Verify"/> alone. What the delegate throws passes through.
    /// Source: docs/format.md, section 16.</remarks>
    public static CompressedModelSet Open(Func<string, long, int, ReadOnlyMemory<byte>> read, string manifestName, DecodeLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(read);
        ArgumentException.ThrowIfNullOrEmpty(manifestName);
        return Complete(Open(new RangeFiles((name, offset, count, _) => new(read(name, offset, count)), manifestName, canBlock: true), limits, isAsync: false, CancellationToken.None));
    }

    /// <summary>Opens a set whose files are read in ranges, as over HTTP, without blocking a thread.</summary>
    /// <param name="read">Gives bytes of a file of the set, as for <see cref="Open(Func{string, long, int, ReadOnlyMemory{byte}}, string, DecodeLimits?)"/>.</param>
    /// <param name="manifestName">The name of the manifest, as the delegate is to be told.</param>
    /// <param name="limits">What to accept at most: of each shard, and of tensors and decoded bytes also of all together; default <see cref="DecodeLimits.Default"/>.</param>
    /// <param name="cancellationToken">Gives up; passed to the delegate.</param>
    /// <returns>The set; dispose it. Its readers decode with the asynchronous methods, and <see cref="VerifyAsync"/> takes the place of <see cref="Verify"/>; the others throw
    /// <see cref="InvalidOperationException"/> where they would have to wait for the delegate.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="read"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="manifestName"/> is null or empty.</exception>
    /// <exception cref="InvalidDataException">The manifest or a shard is damaged or over a limit.</exception>
    /// <exception cref="NotSupportedException">The manifest or a shard has a newer format.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">The delegate gave more than was asked for.</exception>
    /// <remarks>Source: docs/format.md, section 16.</remarks>
    public static Task<CompressedModelSet> OpenAsync(
        Func<string, long, int, CancellationToken, ValueTask<ReadOnlyMemory<byte>>> read,
        string manifestName,
        DecodeLimits? limits = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(read);
        ArgumentException.ThrowIfNullOrEmpty(manifestName);
        return Open(new RangeFiles(read, manifestName, canBlock: false), limits, isAsync: true, cancellationToken).AsTask();
    }

    /// <summary>Makes one set of finished models that stand in one folder, such as several processes or machines have written: writes the manifest that names them.</summary>
    /// <param name="manifestPath">The manifest to write, beside the files; the suffix <c>.ncms</c> is usual. It appears when it is whole and its set can be opened; an older one is replaced, and the files it named stay.</param>
    /// <param name="fileNames">The shards, in their order; at least one. Names of files beside the manifest, not paths.</param>
    /// <param name="limits">What to accept at most, as for <see cref="Open(string, DecodeLimits?)"/>; default <see cref="DecodeLimits.Default"/>.</param>
    /// <param name="cancellationToken">Gives up: an older manifest stays whole.</param>
    /// <exception cref="ArgumentNullException"><paramref name="fileNames"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="manifestPath"/> is null, empty, names no file or one of the shards; or there is no shard, or a name is no plain file name or occurs twice, also when case is ignored.</exception>
    /// <exception cref="InvalidDataException">A shard is damaged, over a limit, or an update; or two tensors have one name.</exception>
    /// <exception cref="NotSupportedException">A shard has a newer format.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A shard is missing or cannot be read, or the manifest not be written.</exception>
    /// <exception cref="UnauthorizedAccessException">A shard may not be read, or the folder not be written to.</exception>
    /// <remarks>The files are not moved, copied or renamed; each is read once from its first byte to its last, for its digest. Source: docs/format.md, section 16.</remarks>
    public static void Combine(string manifestPath, IReadOnlyList<string> fileNames, DecodeLimits? limits = null, CancellationToken cancellationToken = default)
    {
        FolderFiles files = Folder(manifestPath);
        ArgumentNullException.ThrowIfNull(fileNames);
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase) { Path.GetFileName(manifestPath) };
        foreach (string name in fileNames)
        {
            if (name is null || !SetManifest.IsFileName(name))
                throw new ArgumentException($"'{name}' is not the name of a file beside the manifest.", nameof(fileNames));
            if (!names.Add(name))
                throw new ArgumentException($"'{name}' occurs twice, or is the manifest.", nameof(fileNames));
        }

        if (fileNames.Count == 0)
            throw new ArgumentException("A set has at least one shard.", nameof(fileNames));
        var entries = new List<ShardEntry>();
        foreach (string name in fileNames)
        {
            var entry = new ShardEntry(name, files.LengthOf(name), "");
            ValueTask<string> digest = files.Digest(entry, static _ => { }, isAsync: false, cancellationToken);
            entries.Add(entry with { Sha256 = digest.AsTask().GetAwaiter().GetResult() });
        }

        // What cannot be opened is not named.
        Complete(OpenShards(files, entries, limits ?? DecodeLimits.Default, isAsync: false, cancellationToken)).Dispose();
        using var manifest = new AtomicFile(manifestPath);
        SetManifest.Write(manifest.Stream, entries);
        manifest.Publish();
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
    public void Verify(IProgress<long>? progress = null, CancellationToken cancellationToken = default) => Complete(VerifyCore(progress, isAsync: false, cancellationToken));

    /// <summary>Reads every shard from its first byte to its last and compares its SHA-256 with the manifest, without blocking a thread while they are read.</summary>
    /// <param name="progress">Is told how many bytes have been read, rising; bytes; default null, nobody.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Ends when all shards are compared.</returns>
    /// <exception cref="InvalidDataException">A shard is not the one the manifest means.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A shard cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A shard may not be read.</exception>
    /// <remarks>Source: docs/format.md, section 16.</remarks>
    public Task VerifyAsync(IProgress<long>? progress = null, CancellationToken cancellationToken = default) => VerifyCore(progress, isAsync: true, cancellationToken).AsTask();

    /// <summary>Closes every shard. Decoding after this throws.</summary>
    public void Dispose()
    {
        foreach (CompressedModelShard shard in shards)
            shard.Reader.Dispose();
    }

    /// <summary>Whether a path is that of a manifest: by its name.</summary>
    internal static bool IsManifest(string path) => path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase);

    private static FolderFiles Folder(string manifestPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(manifestPath);
        string path = Path.GetFullPath(manifestPath);
        return new FolderFiles(path, Path.GetDirectoryName(path) ?? throw new ArgumentException("The path names no file.", nameof(manifestPath)));
    }

    // With isAsync false nothing in a task waits, so it is complete already.
    private static CompressedModelSet Complete(ValueTask<CompressedModelSet> task) => task.AsTask().GetAwaiter().GetResult();

    private static void Complete(ValueTask task) => task.AsTask().GetAwaiter().GetResult();

    private static async ValueTask<CompressedModelSet> Open(SetFiles files, DecodeLimits? limits, bool isAsync, CancellationToken cancellationToken)
    {
        limits ??= DecodeLimits.Default;
        cancellationToken.ThrowIfCancellationRequested();
        List<ShardEntry> entries = SetManifest.Read(await files.ReadManifest(limits, isAsync, cancellationToken).ConfigureAwait(false), limits);
        return await OpenShards(files, entries, limits, isAsync, cancellationToken).ConfigureAwait(false);
    }

    private static async ValueTask<CompressedModelSet> OpenShards(SetFiles files, List<ShardEntry> entries, DecodeLimits limits, bool isAsync, CancellationToken cancellationToken)
    {
        var set = new CompressedModelSet(files);
        try
        {
            foreach (ShardEntry entry in entries)
            {
                PayloadSource source = files.OpenShard(entry, isAsync);
                set.Add(entry, isAsync ? await CompressedModelReader.OpenAsync(source, limits, cancellationToken).ConfigureAwait(false) : CompressedModelReader.Open(source, limits), limits);
            }

            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    private async ValueTask VerifyCore(IProgress<long>? progress, bool isAsync, CancellationToken cancellationToken)
    {
        long total = 0;
        foreach (CompressedModelShard shard in shards)
        {
            string digest = await files.Digest(new ShardEntry(shard.FileName, shard.Length, shard.Sha256), Read, isAsync, cancellationToken).ConfigureAwait(false);
            if (digest != shard.Sha256)
                throw Invalid.Data(ContainerError.PayloadChecksum, $"The digest of the shard '{shard.FileName}' is wrong.", 0);
        }

        void Read(int bytes)
        {
            total += bytes;
            progress?.Report(total);
        }
    }

    private void Add(ShardEntry entry, CompressedModelReader reader, DecodeLimits limits)
    {
        var shard = new CompressedModelShard(entry, reader);
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
            decodedBytes += (UInt128)(ulong)tensor.DecodedBytes;
        }

        foreach ((string key, string value) in reader.Metadata)
            metadata.TryAdd(key, value);
        if (tensors.Count > limits.MaxTensors)
            throw Invalid.Limit(nameof(DecodeLimits.MaxTensors), FormattableString.Invariant($"The set has more tensors than the limit of {limits.MaxTensors}."), 0);
        if (decodedBytes > (UInt128)(ulong)limits.MaxDecodedBytes)
            throw Invalid.Limit(nameof(DecodeLimits.MaxDecodedBytes), FormattableString.Invariant($"The set decodes to more than the limit of {limits.MaxDecodedBytes} bytes."), 0);
    }
}
