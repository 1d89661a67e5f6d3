using System.Collections.ObjectModel;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec;

/// <summary>Writes a safetensors model, in one file or in several with an index, tensor after tensor; the files appear when <see cref="Complete"/> returns and not before.</summary>
/// <remarks>
/// <para>What is written is named first, because the header stands in front. Needs no memory for the tensors. The bytes are those the reference library writes for tensors in the same order. Not thread-safe.</para>
/// <para>Source: the safetensors format.</para>
/// </remarks>
public sealed class SafetensorsWriter : IDisposable
{
    private const string Extension = ".safetensors";

    private readonly string path;
    private readonly IReadOnlyDictionary<string, string> metadata;
    private readonly List<TensorDescription[]> shards;
    private readonly List<AtomicFile> files = [];
    private long left;
    private bool completed;
    private bool failed;
    private bool disposed;

    private SafetensorsWriter(string path, List<TensorDescription[]> shards, IReadOnlyDictionary<string, string> metadata)
    {
        this.path = path;
        this.shards = shards;
        this.metadata = metadata;
    }

    /// <summary>Starts a model. What stood there before stays whole until <see cref="Complete"/> replaces it.</summary>
    /// <param name="path">The file to write. Of several files this is the name they are derived from: <c>model.safetensors</c> becomes <c>model-00001-of-00002.safetensors</c> and so on, with <c>model.safetensors.index.json</c>.</param>
    /// <param name="tensors">The tensors, in the order in which they will be written.</param>
    /// <param name="metadata">Texts for the header, by key; default none.</param>
    /// <param name="maxShardBytes">The data one file may hold; bytes, at least 1; default no limit. A longer tensor has a file of its own.</param>
    /// <returns>The writer; dispose it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensors"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxShardBytes"/> is less than 1.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null or empty, a name occurs twice or is <c>__metadata__</c>, or the header would be longer than readers accept.</exception>
    /// <exception cref="IOException">The temporary file cannot be made, for example because the folder does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <remarks>Readers that map files into memory want tensors aligned: give those with the longest elements first. Source: the safetensors format.</remarks>
    public static SafetensorsWriter Create(
        string path, IReadOnlyList<TensorDescription> tensors, IReadOnlyDictionary<string, string>? metadata = null, long maxShardBytes = long.MaxValue)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxShardBytes, 1);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (TensorDescription tensor in tensors)
        {
            if (tensor.Name == SafetensorsHeader.MetadataKey)
                throw new ArgumentException($"A tensor cannot be called '{tensor.Name}' in a safetensors file.", nameof(tensors));
            if (!names.Add(tensor.Name))
                throw new ArgumentException($"There are two tensors '{tensor.Name}'.", nameof(tensors));
        }

        var writer = new SafetensorsWriter(path, Divide(tensors, maxShardBytes), metadata ?? ReadOnlyDictionary<string, string>.Empty);
        try
        {
            writer.NextFile();
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    /// <summary>The files a model of these tensors is written to; one, or as many as it is divided into and the index.</summary>
    /// <inheritdoc cref="Create(string, IReadOnlyList{TensorDescription}, IReadOnlyDictionary{string, string}?, long)" path="/param"/>
    /// <returns>Paths, in the order in which they are written.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensors"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxShardBytes"/> is less than 1.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null or empty.</exception>
    /// <remarks>Source: the safetensors format.</remarks>
    public static IReadOnlyList<string> FilesOf(string path, IReadOnlyList<TensorDescription> tensors, long maxShardBytes = long.MaxValue)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxShardBytes, 1);
        int count = Divide(tensors, maxShardBytes).Count;
        return count == 1 ? [path] : [.. Enumerable.Range(0, count).Select(i => ShardPath(path, i, count)), IndexPath(path)];
    }

    /// <summary>Writes the next bytes: those of the first tensor, then those of the second, and so on.</summary>
    /// <param name="littleEndianBytes">Bytes; any number of them, also parts of elements or more than a tensor. Not kept.</param>
    /// <exception cref="ArgumentException">There are more bytes than the tensors have left.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <remarks>Source: the safetensors format.</remarks>
    public void Write(ReadOnlySpan<byte> littleEndianBytes)
    {
        CheckState();
        failed = true;
        while (!littleEndianBytes.IsEmpty)
        {
            while (left == 0 && files.Count < shards.Count)
                NextFile();
            if (left == 0)
            {
                failed = false;
                throw new ArgumentException("These bytes go beyond the end of the last tensor.", nameof(littleEndianBytes));
            }

            int count = (int)Math.Min(left, littleEndianBytes.Length);
            files[^1].Stream.Write(littleEndianBytes[..count]);
            left -= count;
            littleEndianBytes = littleEndianBytes[count..];
        }

        failed = false;
    }

    /// <summary>Makes the files appear, the index last.</summary>
    /// <exception cref="InvalidOperationException">Bytes are missing, or the writer has completed or failed.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    /// <remarks>Source: the safetensors format.</remarks>
    public void Complete()
    {
        CheckState();
        while (left == 0 && files.Count < shards.Count)
            NextFile();
        if (left > 0)
            throw new InvalidOperationException(FormattableString.Invariant($"{left} bytes of the tensors, or more, have not been written."));
        failed = true;
        using AtomicFile? index = shards.Count > 1 ? new AtomicFile(IndexPath(path)) : null;
        if (index is not null)
        {
            SafetensorsIndex.Write(
                index.Stream,
                shards.Sum(shard => shard.Sum(tensor => tensor.ByteLength)),
                shards.SelectMany((shard, i) => shard.Select(tensor => (tensor.Name, Path.GetFileName(ShardPath(path, i, shards.Count))))));
        }

        foreach (AtomicFile file in files)
            file.Publish();
        index?.Publish();
        completed = true;
        failed = false;
    }

    /// <summary>Closes the files. Without <see cref="Complete"/> before it none is left and older ones stay whole.</summary>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        List<Exception> failures = [];
        foreach (AtomicFile file in files)
        {
            try
            {
                file.Dispose();
            }
            catch (IOException exception)
            {
                // Of a full disk, which the caller has met before; the other files must go all the same.
                failures.Add(exception);
            }
        }

        if (failures.Count > 0 && !failed)
            throw failures[0];
    }

    private static string IndexPath(string path) => path + SafetensorsIndex.Suffix;

    private static string ShardPath(string path, int index, int count)
    {
        string stem = path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) ? path[..^Extension.Length] : path;
        return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{stem}-{index + 1:D5}-of-{count:D5}{Extension}");
    }

    private static List<TensorDescription[]> Divide(IReadOnlyList<TensorDescription> tensors, long maxShardBytes)
    {
        var shards = new List<TensorDescription[]>();
        var shard = new List<TensorDescription>();
        long bytes = 0;
        foreach (TensorDescription tensor in tensors)
        {
            if (shard.Count > 0 && tensor.ByteLength > maxShardBytes - bytes)
            {
                shards.Add([.. shard]);
                shard.Clear();
                bytes = 0;
            }

            shard.Add(tensor);
            bytes += tensor.ByteLength;
        }

        shards.Add([.. shard]);
        return shards;
    }

    private void NextFile()
    {
        int index = files.Count;
        TensorDescription[] tensors = shards[index];
        byte[] header = SafetensorsHeader.Write(tensors, metadata);
        files.Add(new AtomicFile(shards.Count == 1 ? path : ShardPath(path, index, shards.Count)));
        files[^1].Stream.Write(header);
        left = tensors.Sum(tensor => tensor.ByteLength);
    }

    private void CheckState()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (completed)
            throw new InvalidOperationException("The model is complete.");
        if (failed)
            throw new InvalidOperationException("An earlier call failed, so the model would not be whole.");
    }
}
