namespace NeuralCompression.Codec.Container;

/// <summary>A file that appears under its name only when it is whole: written beside it, then renamed.</summary>
internal sealed class AtomicFile : IDisposable
{
    private readonly string target;
    private readonly string temporary;
    private bool published;

    internal AtomicFile(string path)
    {
        target = TargetOf(path);
        if (Directory.Exists(target))
            throw new IOException($"'{path}' is a folder.");
        Folder = Path.GetDirectoryName(target) ?? throw new ArgumentException("The path names no file.", nameof(path));
        temporary = Path.Combine(Folder, $"{Path.GetFileName(target)}.{Path.GetRandomFileName()}.tmp");
        Stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
    }

    /// <summary>The file that will be written: a link is followed, so that it stays a link and its target changes.</summary>
    internal static string TargetOf(string path)
    {
        bool isLink = new FileInfo(path).LinkTarget is not null;
        return Path.GetFullPath(isLink ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path : path);
    }

    internal string Folder { get; }

    internal FileStream Stream { get; }

    /// <summary>Makes what was written the file of that name, replacing an older one.</summary>
    internal void Publish()
    {
        // An older file must outlive a power cut until the new one is on the disk. Where there is none nothing can be lost, a reader tells half a file by its
        // checksums, and waiting for the disk would take three times as long as encoding 16 M weights.
        Stream.Flush(flushToDisk: File.Exists(target));
        Stream.Dispose();
        File.Move(temporary, target, overwrite: true);
        published = true;
    }

    public void Dispose()
    {
        if (published)
            return;
        try
        {
            // Writes out what is buffered, which fails on a full disk.
            Stream.Dispose();
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
