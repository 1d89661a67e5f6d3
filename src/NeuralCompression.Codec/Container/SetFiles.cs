using System.Security.Cryptography;

namespace NeuralCompression.Codec.Container;

/// <summary>Where the manifest and the shards of a set come from.</summary>
internal abstract class SetFiles
{
    /// <summary>Bytes read at once for a digest.</summary>
    private const int Piece = 1 << 17;

    /// <summary>Reads the whole manifest, at most as long as an index may be. Waits only where it may.</summary>
    internal abstract ValueTask<ReadOnlyMemory<byte>> ReadManifest(DecodeLimits limits, bool isAsync, CancellationToken cancellationToken);

    /// <summary>Gives what a shard, whose length must be the one told, is read from.</summary>
    internal abstract PayloadSource OpenShard(ShardEntry entry, bool isAsync);

    /// <summary>Computes the SHA-256 of a shard, to its end or just beyond where that should be.</summary>
    /// <param name="entry">The shard.</param>
    /// <param name="read">Is told how many bytes each piece had.</param>
    /// <param name="isAsync">True when the call may wait.</param>
    /// <param name="cancellationToken">Stops between two pieces.</param>
    internal async ValueTask<string> Digest(ShardEntry entry, Action<int> read, bool isAsync, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[Piece];
        using IDisposable? file = OpenBytes(entry, isAsync);
        for (long offset = 0; ;)
        {
            cancellationToken.ThrowIfCancellationRequested();

            // One byte more than there should be shows a file that goes on, whoever gives it and however long.
            Memory<byte> room = buffer.AsMemory(0, (int)Math.Min(Piece, entry.Length - offset + 1));
            ReadOnlyMemory<byte> piece = await ReadBytes(file, entry, offset, room, isAsync, cancellationToken).ConfigureAwait(false);
            hash.AppendData(piece.Span);
            offset += piece.Length;
            read(piece.Length);
            if (piece.Length < room.Length || offset > entry.Length)
                return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
    }

    private protected virtual IDisposable? OpenBytes(ShardEntry entry, bool isAsync) => null;

    /// <summary>Gives the next bytes of a shard: as many as the buffer holds, or what is left of it.</summary>
    private protected abstract ValueTask<ReadOnlyMemory<byte>> ReadBytes(IDisposable? file, ShardEntry entry, long offset, Memory<byte> buffer, bool isAsync, CancellationToken cancellationToken);
}

/// <summary>A manifest in a folder with its shards beside it.</summary>
internal sealed class FolderFiles(string manifestPath, string folder) : SetFiles
{
    /// <summary>The length a shard has; bytes.</summary>
    internal long LengthOf(string fileName) => new FileInfo(Path.Combine(folder, fileName)).Length;

    internal override async ValueTask<ReadOnlyMemory<byte>> ReadManifest(DecodeLimits limits, bool isAsync, CancellationToken cancellationToken)
    {
        using FileStream file = Open(manifestPath, isAsync);
        if (file.Length > limits.MaxIndexBytes)
            throw SetManifest.TooLong(file.Length, limits);
        byte[] manifest = new byte[(int)file.Length];
        int read = isAsync
            ? await file.ReadAtLeastAsync(manifest, manifest.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false)
            : file.ReadAtLeast(manifest, manifest.Length, throwOnEndOfStream: false);
        return manifest.AsMemory(0, read);
    }

    internal override PayloadSource OpenShard(ShardEntry entry, bool isAsync)
    {
        string path = Path.Combine(folder, entry.FileName);
        long length = LengthOf(entry.FileName);
        if (length != entry.Length)
        {
            throw Invalid.Data(
                length < entry.Length ? ContainerError.Truncated : ContainerError.TrailingBytes,
                FormattableString.Invariant($"The shard '{entry.FileName}' has {length} bytes; the manifest says {entry.Length}."),
                Math.Min(length, entry.Length));
        }

        return new FileSource(Open(path, isAsync));
    }

    private protected override IDisposable? OpenBytes(ShardEntry entry, bool isAsync) => Open(Path.Combine(folder, entry.FileName), isAsync);

    private protected override async ValueTask<ReadOnlyMemory<byte>> ReadBytes(IDisposable? file, ShardEntry entry, long offset, Memory<byte> buffer, bool isAsync, CancellationToken cancellationToken)
    {
        var stream = (FileStream)file!;
        int read = isAsync
            ? await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false)
            : stream.ReadAtLeast(buffer.Span, buffer.Length, throwOnEndOfStream: false);
        return buffer[..read];
    }

    private static FileStream Open(string path, bool isAsync) =>
        new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0, isAsync ? FileOptions.Asynchronous : FileOptions.None);
}

/// <summary>Files behind a delegate that gives ranges of them by name.</summary>
internal sealed class RangeFiles(Func<string, long, int, CancellationToken, ValueTask<ReadOnlyMemory<byte>>> read, string manifestName, bool canBlock) : SetFiles
{
    /// <summary>Bytes of the manifest asked for at once.</summary>
    private const int FirstRequest = 1 << 16;

    internal override async ValueTask<ReadOnlyMemory<byte>> ReadManifest(DecodeLimits limits, bool isAsync, CancellationToken cancellationToken)
    {
        // Memory grows with the bytes that arrive.
        byte[] manifest = [];
        for (int count = FirstRequest; ; count = manifest.Length)
        {
            ReadOnlyMemory<byte> piece = await Get(manifestName, manifest.Length, count, isAsync, cancellationToken).ConfigureAwait(false);
            if (manifest.Length + (long)piece.Length > limits.MaxIndexBytes)
                throw SetManifest.TooLong(manifest.Length + (long)piece.Length, limits);
            manifest = [.. manifest, .. piece.Span];
            if (piece.Length < count)
                return manifest;
        }
    }

    internal override PayloadSource OpenShard(ShardEntry entry, bool isAsync) =>
        new RangeSource((offset, count, cancellation) => read(entry.FileName, offset, count, cancellation), entry.Length, isAsync: !canBlock);

    private protected override ValueTask<ReadOnlyMemory<byte>> ReadBytes(IDisposable? file, ShardEntry entry, long offset, Memory<byte> buffer, bool isAsync, CancellationToken cancellationToken) =>
        Get(entry.FileName, offset, buffer.Length, isAsync, cancellationToken);

    private async ValueTask<ReadOnlyMemory<byte>> Get(string name, long offset, int count, bool isAsync, CancellationToken cancellationToken)
    {
        if (!isAsync && !canBlock)
            throw new InvalidOperationException("The set was opened with an asynchronous delegate: use VerifyAsync.");
        ReadOnlyMemory<byte> bytes = await read(name, offset, count, cancellationToken).ConfigureAwait(false);
        return bytes.Length <= count ? bytes : throw new IOException("The delegate gave more bytes than were asked for.");
    }
}
