using System.Diagnostics.CodeAnalysis;

namespace NeuralCompression.Codec;

/// <summary>Reads a safetensors model, of one file or of several with an index: the headers when it is opened, parts of tensors when they are asked for.</summary>
/// <remarks>
/// <para>The model may be larger than memory. Reading is safe on many threads at once. A file is taken for hostile: it is refused unless its header is at most 100,000,000 bytes of well-formed JSON without
/// a key that occurs twice, every tensor has as many bytes as its type and shape ask for, and the tensors cover the data without overlap, hole or rest.</para>
/// <para>Source: the safetensors format.</para>
/// </remarks>
public sealed class SafetensorsReader : ITensorSource
{
    private readonly List<SafetensorsFile> files = [];
    private readonly List<TensorDescription> tensors = [];
    private readonly Dictionary<string, TensorDescription> names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> metadata = new(StringComparer.Ordinal);

    private SafetensorsReader()
    {
    }

    /// <summary>The tensors in the order of their data, file after file.</summary>
    public IReadOnlyList<TensorDescription> Tensors => tensors;

    /// <summary>The texts of the header, by key, in its order; of several files those of all, the first of equal keys.</summary>
    public IReadOnlyDictionary<string, string> Metadata => metadata;

    /// <summary>The bytes of all tensors; bytes.</summary>
    public long ByteLength => tensors.Sum(tensor => tensor.ByteLength);

    /// <summary>Opens a model.</summary>
    /// <param name="path">A safetensors file, or the index of a sharded model, whose name ends in <c>.json</c> and whose files stand beside it.</param>
    /// <returns>The reader; dispose it.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null or empty.</exception>
    /// <exception cref="InvalidDataException">A file breaks the format; <c>Data</c> says how, see <see cref="SafetensorsError"/>.</exception>
    /// <exception cref="IOException">A file cannot be read, or there is none.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read, or is a folder.</exception>
    /// <remarks>Source: the safetensors format.</remarks>
    public static SafetensorsReader Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var reader = new SafetensorsReader();
        try
        {
            if (path.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
                reader.AddShards(path);
            else
                reader.Add(path);
            return reader;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>Finds a tensor by its exact name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="tensor">What the header says about it; null on failure.</param>
    /// <returns>True when there is such a tensor.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    public bool TryGet(string name, [NotNullWhen(true)] out TensorDescription? tensor)
    {
        ArgumentNullException.ThrowIfNull(name);
        return names.TryGetValue(name, out tensor);
    }

    /// <summary>Reads a part of a tensor.</summary>
    /// <param name="tensor">A tensor of this reader.</param>
    /// <param name="start">Where to begin; bytes from the first of the tensor.</param>
    /// <param name="destination">Receives little-endian bytes; bytes; filled.</param>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ArgumentException">The tensor is not one of this reader.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The part lies outside the tensor.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed.</exception>
    /// <exception cref="InvalidDataException">The file has become shorter.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <remarks>Source: the safetensors format.</remarks>
    public void Read(TensorDescription tensor, long start, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.File is null || !files.Contains(tensor.File))
            throw new ArgumentException("The tensor is not one of this reader.", nameof(tensor));
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        if (start > tensor.ByteLength || destination.Length > tensor.ByteLength - start)
            throw new ArgumentOutOfRangeException(nameof(start), start, FormattableString.Invariant($"'{tensor.Name}' has {tensor.ByteLength} bytes; this part goes beyond its end."));
        tensor.File.Read(tensor.Start + start, destination);
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (SafetensorsFile file in files)
            file.Dispose();
    }

    private SafetensorsFile Add(string path)
    {
        var file = new SafetensorsFile(path);
        files.Add(file);
        foreach (TensorDescription tensor in file.Header.Tensors)
        {
            if (!names.TryAdd(tensor.Name, tensor))
                throw SafetensorsIndex.Refusal($"Two files of the model have the tensor '{tensor.Name}'.", tensor.Name);
            tensors.Add(tensor);
        }

        foreach ((string key, string value) in file.Header.Metadata)
            metadata.TryAdd(key, value);
        return file;
    }

    // Index and files must agree both ways: a tensor that only one of them knows means that the set is not whole.
    private void AddShards(string path)
    {
        Dictionary<string, string> map = SafetensorsIndex.Read(path);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var opened = new Dictionary<SafetensorsFile, string>();
        foreach (string name in map.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
            opened.Add(Add(Path.Combine(folder, name)), name);
        foreach (TensorDescription tensor in tensors)
        {
            if (!map.TryGetValue(tensor.Name, out string? file) || file != opened[tensor.File!])
                throw SafetensorsIndex.Refusal($"The tensor '{tensor.Name}' is in '{opened[tensor.File!]}', but the index says otherwise.", tensor.Name);
        }

        if (map.Keys.FirstOrDefault(tensor => !names.ContainsKey(tensor)) is string missing)
            throw SafetensorsIndex.Refusal($"The index places the tensor '{missing}' in '{map[missing]}', which does not have it.", missing);
    }
}
