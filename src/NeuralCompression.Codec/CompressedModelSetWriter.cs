using System.Security.Cryptography;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.Updates;

namespace NeuralCompression.Codec;

/// <summary>Writes the tensors of a large model into several files, shards, and a manifest that names them with their lengths and digests.</summary>
/// <remarks>
/// <para>Nothing appears before <see cref="Complete"/>. Shards are named after their content, so that an older set at the same path stays whole until the new manifest
/// takes the place of the old one. The same tensors and options give the same files. Not thread-safe.</para>
/// <para>Source: docs/format.md, section 16.</para>
/// </remarks>
public sealed class CompressedModelSetWriter : IModelWriter
{
    private readonly string manifestPath;
    private readonly string folder;
    private readonly string stem;
    private readonly CompressedModelWriterOptions options;
    private readonly long shardBytes;
    private readonly List<Shard> shards = [];
    private readonly Dictionary<string, Shard> names = new(StringComparer.Ordinal);
    private IReadOnlyList<ShardEntry> before = [];
    private bool mayDivide = true;
    private bool completed;
    private bool failed;
    private bool disposed;

    private CompressedModelSetWriter(string manifestPath, long shardBytes, CompressedModelWriterOptions options)
    {
        this.manifestPath = Path.GetFullPath(manifestPath);
        folder = Path.GetDirectoryName(this.manifestPath) ?? throw new ArgumentException("The path names no file.", nameof(manifestPath));
        stem = Path.GetFileNameWithoutExtension(this.manifestPath);
        this.options = options;
        this.shardBytes = shardBytes;
        if (Directory.Exists(this.manifestPath))
            throw new IOException($"'{manifestPath}' is a folder.");
        shards.Add(new Shard(folder, stem, options));
    }

    /// <summary>Starts a set. What stood there before stays whole until <see cref="Complete"/> replaces it.</summary>
    /// <param name="manifestPath">The manifest to write; shards are written beside it.</param>
    /// <param name="shardBytes">A shard takes no further tensor once its payloads have this length; bytes, at least 1; default 4 GiB. No tensor is divided.</param>
    /// <param name="options">Level, threads and segment length; default those of <see cref="CompressedModelWriterOptions"/>.</param>
    /// <returns>The writer; dispose it.</returns>
    /// <exception cref="ArgumentException"><paramref name="manifestPath"/> is null, empty or names no file.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="shardBytes"/> is less than 1.</exception>
    /// <exception cref="IOException">A temporary file cannot be made, for example because the folder does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <remarks>Source: docs/format.md, section 16.</remarks>
    public static CompressedModelSetWriter Create(string manifestPath, long shardBytes = 4L << 30, CompressedModelWriterOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(manifestPath);
        ArgumentOutOfRangeException.ThrowIfLessThan(shardBytes, 1);
        return new CompressedModelSetWriter(manifestPath, shardBytes, options ?? new CompressedModelWriterOptions());
    }

    /// <summary>Adds a quantised tensor.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="tensor">Symbols and grid; shape <c>[...]</c>. Not kept.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The name is empty, too long, not valid Unicode, or used before.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">A temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.</remarks>
    public void Add(string name, QuantizedTensor tensor)
    {
        Next(name).Add(name, tensor);
        names.Add(name, shards[^1]);
    }

    /// <summary>Adds a float32 tensor without loss, every bit kept.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them.</param>
    /// <param name="values">Values; shape <c>[...]</c> row-major, weight units. Not kept.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The name is not allowed or used before, or the shape does not have as many elements as there are values.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">A temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.</remarks>
    public void Add(string name, ReadOnlySpan<long> shape, ReadOnlySpan<float> values)
    {
        Next(name).Add(name, shape, values);
        names.Add(name, shards[^1]);
    }

    /// <summary>Adds a tensor of any type without loss, every bit kept.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="type">The element type.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them.</param>
    /// <param name="littleEndianBytes">The elements, shape <c>[...]</c> row-major, as little-endian bytes. Not kept.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="type"/> is not defined.</exception>
    /// <exception cref="ArgumentException">The name is not allowed or used before, or the shape does not fit the number of bytes.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">A temporary file cannot be written.</exception>
    /// <remarks>Source: docs/format.md, section 4.</remarks>
    public void Add(string name, ElementType type, ReadOnlySpan<long> shape, ReadOnlySpan<byte> littleEndianBytes)
    {
        Next(name).Add(name, type, shape, littleEndianBytes);
        names.Add(name, shards[^1]);
    }

    /// <summary>Begins a tensor that is written in pieces, without loss; one segment of it is in memory at a time.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="type">The element type.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them.</param>
    /// <returns>Receives the elements; complete it before the next tensor is added.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="type"/> is not defined.</exception>
    /// <exception cref="ArgumentException">The name is not allowed or used before, or the shape is negative or too long.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">A temporary file cannot be made.</exception>
    /// <remarks>Source: docs/format.md, section 4.7.</remarks>
    public CompressedTensorWriter BeginTensor(string name, ElementType type, ReadOnlySpan<long> shape)
    {
        CompressedTensorWriter tensor = Next(name).BeginTensor(name, type, shape);
        names.Add(name, shards[^1]);
        return tensor;
    }

    /// <summary>Begins a quantised tensor that is written in pieces; one segment of it is in memory at a time.</summary>
    /// <param name="name">Its name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="shape">Lengths of the axes, slowest first; shape <c>[rank]</c>, elements, at most 8 of them.</param>
    /// <param name="grid">The rule that turns symbols into weights.</param>
    /// <param name="elementType">What the values decode to: a floating-point type; default float32.</param>
    /// <returns>Receives the symbols; complete it before the next tensor is added.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> or <paramref name="grid"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="elementType"/> is not a floating-point type.</exception>
    /// <exception cref="ArgumentException">The name is not allowed or used before, or the shape is negative, too long, or does not suit the grid.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or another tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">A temporary file cannot be made.</exception>
    /// <remarks>Source: docs/format.md, section 4.7.</remarks>
    public CompressedTensorWriter BeginTensor(string name, ReadOnlySpan<long> shape, QuantizationGrid grid, ElementType elementType = ElementType.Float32)
    {
        CompressedTensorWriter tensor = Next(name).BeginTensor(name, shape, grid, elementType);
        names.Add(name, shards[^1]);
        return tensor;
    }

    /// <summary>Adds a second name for a tensor added before; it is stored in the shard of its target.</summary>
    /// <param name="name">The new name, 1 to 512 bytes of UTF-8, not used before.</param>
    /// <param name="target">The name of a tensor added before that is not an alias.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The new name is not allowed or used before, or the target is unknown or an alias.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or a tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <remarks>Source: docs/format.md, section 4.6.</remarks>
    public void AddAlias(string name, string target)
    {
        CheckState();
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(target);
        if (names.ContainsKey(name))
            throw new ArgumentException($"There is already a tensor '{name}'.", nameof(name));
        if (!names.TryGetValue(target, out Shard? shard))
            throw new ArgumentException($"There is no tensor '{target}' before this alias.", nameof(target));
        shard.Writer.AddAlias(name, target);
        names.Add(name, shard);
    }

    /// <summary>Adds a text that travels with the set: a licence, a format, what the values mean. It is stored in the first shard; <see cref="CompressedModelSet.Metadata"/> gives it back.</summary>
    /// <param name="key">Its key, any valid Unicode, not used before.</param>
    /// <param name="value">The text, any valid Unicode.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The key was used before, or a text is not valid Unicode.</exception>
    /// <exception cref="InvalidOperationException">The writer has completed or failed, or a tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <remarks>Source: docs/format.md, section 4.8.</remarks>
    public void AddMetadata(string key, string value)
    {
        CheckState();
        shards[0].Writer.AddMetadata(key, value);
    }

    /// <summary>Writes all shards, then the manifest, which makes the set appear; those of an older set at the same path that are no longer needed are deleted, but no file that was combined into it by hand.</summary>
    /// <returns>One report for each shard, in the order of the manifest.</returns>
    /// <exception cref="InvalidOperationException">The writer has completed or failed before, or a tensor is not complete.</exception>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    /// <exception cref="IOException">A file cannot be written; an older set stays whole.</exception>
    /// <remarks>Source: docs/format.md, section 16.</remarks>
    public IReadOnlyList<CompressionReport> Complete() => Finish(CancellationToken.None);

    bool IModelWriter.MayDivide { set => mayDivide = value; }

    CompressionReport IModelWriter.Complete(CancellationToken cancellationToken)
    {
        IReadOnlyList<CompressionReport> reports = Finish(cancellationToken);
        return new CompressionReport(reports.Sum(report => report.TotalBytes) + new FileInfo(manifestPath).Length, [.. reports.SelectMany(report => report.Tensors)]);
    }

    private List<CompressionReport> Finish(CancellationToken cancellationToken)
    {
        CheckState();
        failed = true;
        before = SetManifest.TryRead(manifestPath);
        var reports = new List<CompressionReport>();
        var written = new List<ShardEntry>();
        for (int i = 0; i < shards.Count; i++)
        {
            reports.Add(shards[i].Finish(folder, i, NameOf, out ShardEntry entry, cancellationToken));
            written.Add(entry);
        }

        cancellationToken.ThrowIfCancellationRequested();

        using (var manifest = new AtomicFile(manifestPath))
        {
            SetManifest.Write(manifest.Stream, written);
            manifest.Publish();
        }

        completed = true;
        for (int i = 0; i < before.Count; i++)
        {
            // Only what a writer of this set has made, by its name: others may have combined files of their own here.
            if (before[i].FileName == NameOf(i, before[i].Sha256) && !IsIn(written, before[i].FileName))
                File.Delete(Path.Combine(folder, before[i].FileName));
        }

        return reports;
    }

    /// <summary>Frees what the writer holds. Without <see cref="Complete"/> before it no manifest is left and an older set stays whole.</summary>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        foreach (Shard shard in shards)
        {
            shard.Dispose();
            if (!completed && shard.FileName is string file && !IsIn(before, file))
                File.Delete(Path.Combine(folder, file));
        }
    }

    // The writer of the shard that takes the next tensor.
    private CompressedModelWriter Next(string name)
    {
        CheckState();
        ArgumentNullException.ThrowIfNull(name);
        if (names.ContainsKey(name))
            throw new ArgumentException($"There is already a tensor '{name}'.", nameof(name));
        if (mayDivide && shards[^1].Writer.KeptBytes() >= shardBytes)
            shards.Add(new Shard(folder, stem, options));
        return shards[^1].Writer;
    }

    // The manifest's name, the shard's number from 1 on, and the start of its digest.
    private string NameOf(int index, string digest) => FormattableString.Invariant($"{stem}-{index + 1}-{digest[..16]}.ncm");

    private static bool IsIn(IEnumerable<ShardEntry> entries, string file) => entries.Any(entry => entry.FileName == file);

    private void CheckState()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (completed)
            throw new InvalidOperationException("The set is complete.");
        if (failed)
            throw new InvalidOperationException("An earlier call failed, so the set would not be whole.");
    }

    /// <summary>A shard on its way: a temporary file whose digest is taken while it is written.</summary>
    private sealed class Shard : IDisposable
    {
        private readonly DigestStream stream;
        private readonly string path;

        internal Shard(string folder, string stem, CompressedModelWriterOptions options)
        {
            path = Path.Combine(folder, $"{stem}.{Path.GetRandomFileName()}.tmp");
            stream = new DigestStream(new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16));
            Writer = CompressedModelWriter.Create(stream, options, folder);
        }

        internal CompressedModelWriter Writer { get; }

        /// <summary>The name the file has been given; null before.</summary>
        internal string? FileName { get; private set; }

        internal CompressionReport Finish(string folder, int index, Func<int, string, string> nameOf, out ShardEntry entry, CancellationToken cancellationToken)
        {
            CompressionReport report = Writer.CompleteAsync(cancellationToken: cancellationToken).GetAwaiter().GetResult();
            string digest = stream.Finish();
            Writer.Dispose();
            string file = nameOf(index, digest);
            string target = Path.Combine(folder, file);
            File.Move(path, target, overwrite: true);
            FileName = file;
            entry = new ShardEntry(file, report.TotalBytes, digest);
            return report;
        }

        /// <summary>Closes the file and deletes it unless it got its name.</summary>
        public void Dispose()
        {
            Writer.Dispose();
            stream.Dispose();
            if (FileName is null)
                File.Delete(path);
        }
    }

    /// <summary>Takes the digest of everything that is written through it.</summary>
    private sealed class DigestStream(FileStream inner) : Stream
    {
        private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            hash.AppendData(buffer);
            inner.Write(buffer);
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Write(buffer.Span);
            return default;
        }

        internal string Finish()
        {
            inner.Flush(flushToDisk: true);
            inner.Dispose();
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
                hash.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
