using System.Buffers;
using System.Text.Json;

namespace NeuralCompression.Codec.Container;

/// <summary>One line of a manifest.</summary>
internal readonly record struct ShardEntry(string FileName, long Length, string Sha256);

/// <summary>Reads and writes the manifest of a sharded set. Source: docs/format.md, section 16.</summary>
internal static class SetManifest
{
    private const string Format = "ncm-set";
    private const int Version = 1;
    private const int DigestCharacters = 64;

    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    internal static void Write(Stream stream, IReadOnlyList<ShardEntry> shards)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" });
        json.WriteStartObject();
        json.WriteString("format", Format);
        json.WriteNumber("version", Version);
        json.WriteStartArray("shards");
        foreach (ShardEntry shard in shards)
        {
            json.WriteStartObject();
            json.WriteString("file", shard.FileName);
            json.WriteNumber("length", shard.Length);
            json.WriteString("sha256", shard.Sha256);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Reads what a manifest says, trusting nothing about it.</summary>
    internal static List<ShardEntry> Read(ReadOnlyMemory<byte> manifest, DecodeLimits limits)
    {
        if (manifest.Span.StartsWith(ByteOrderMark))
            manifest = manifest[ByteOrderMark.Length..];
        try
        {
            using JsonDocument document = JsonDocument.Parse(manifest, new JsonDocumentOptions { MaxDepth = 4, AllowDuplicateProperties = false });
            return Shards(document.RootElement, limits);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            InvalidDataException refusal = Invalid.Data(ContainerError.NotAContainer, "The manifest is not well formed.", 0);
            refusal.Data["NeuralCompression.Reason"] = exception.Message;
            throw refusal;
        }
    }

    /// <summary>What is thrown for a manifest that is longer than an index may be.</summary>
    internal static InvalidDataException TooLong(long length, DecodeLimits limits) =>
        Invalid.Limit(nameof(DecodeLimits.MaxIndexBytes), FormattableString.Invariant($"The manifest has {length} bytes or more; the limit is {limits.MaxIndexBytes}."), 0);

    /// <summary>The shards of an older set, or none where there is none that can be read.</summary>
    internal static IReadOnlyList<ShardEntry> TryRead(string path)
    {
        try
        {
            return File.Exists(path) && new FileInfo(path).Length <= DecodeLimits.Default.MaxIndexBytes ? Read(File.ReadAllBytes(path), DecodeLimits.Default) : [];
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException or IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static List<ShardEntry> Shards(JsonElement root, DecodeLimits limits)
    {
        if (root.GetProperty("format").GetString() != Format)
            throw Invalid.Data(ContainerError.NotAContainer, "The file is not the manifest of a set.", 0);
        long version = root.GetProperty("version").GetInt64();
        if (version > Version)
            throw new NotSupportedException(FormattableString.Invariant($"The manifest has version {version}; this library reads up to version {Version}."));
        if (version < 1)
            throw Invalid.Data(ContainerError.NotAContainer, "Version 0 does not exist.", 0);
        var shards = new List<ShardEntry>();
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (JsonElement element in root.GetProperty("shards").EnumerateArray())
        {
            string name = element.GetProperty("file").GetString() ?? "";
            long length = element.GetProperty("length").GetInt64();
            string digest = element.GetProperty("sha256").GetString() ?? "";
            if (!IsFileName(name))
                throw Invalid.Data(ContainerError.Name, "A shard's file name is empty or names more than a file beside the manifest.", 0);
            if (!names.Add(name))
                throw Invalid.Data(ContainerError.DuplicateName, "Two shards are one file.", 0);
            if (length < 0 || digest.Length != DigestCharacters || digest.AsSpan().ContainsAnyExcept(HexDigits))
                throw Invalid.Data(ContainerError.NotAContainer, "A shard's length or digest is malformed.", 0);
            if (shards.Count == limits.MaxTensors)
                throw Invalid.Limit(nameof(DecodeLimits.MaxTensors), FormattableString.Invariant($"The set has more shards than the limit of {limits.MaxTensors} tensors."), 0);
            shards.Add(new ShardEntry(name, length, digest));
        }

        return shards;
    }

    /// <summary>True for a name of a file beside another; the same on every system, so that a set that opens on one opens on all.</summary>
    internal static bool IsFileName(string name)
    {
        if (name.Length is 0 or > 255 || name is "." or "..")
            return false;
        foreach (char letter in name)
        {
            if (letter is '/' or '\\' or ':' || char.IsControl(letter))
                return false;
        }

        return true;
    }
}
