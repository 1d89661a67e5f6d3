using System.Text.Encodings.Web;
using System.Text.Json;

namespace NeuralCompression.Codec;

/// <summary>The JSON in front of a safetensors file: parsed with distrust, written as the reference library writes it.</summary>
internal sealed class SafetensorsHeader
{
    internal const string MetadataKey = "__metadata__";

    /// <summary>What the reference library accepts at most; bytes.</summary>
    internal const int MaxBytes = 100_000_000;

    /// <summary>The little-endian length in front of the header; bytes.</summary>
    internal const int LengthBytes = 8;

    // As strict as JSON is: no comments, no trailing commas.
    private static readonly JsonReaderOptions Options = new() { MaxDepth = 8 };

    private SafetensorsHeader(List<TensorDescription> tensors, Dictionary<string, string> metadata)
    {
        Tensors = tensors;
        Metadata = metadata;
    }

    /// <summary>In the order of their data.</summary>
    internal List<TensorDescription> Tensors { get; }

    internal Dictionary<string, string> Metadata { get; }

    /// <summary>Parses a header; memory grows with what it holds, never with what it claims.</summary>
    /// <param name="json">The header.</param>
    /// <param name="dataBytes">The bytes of the file behind it.</param>
    /// <param name="file">The file it stands in.</param>
    internal static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataBytes, SafetensorsFile file)
    {
        if (json.IsEmpty || json[0] != (byte)'{')
            throw Refusal(SafetensorsError.HeaderStart, "The header does not start with '{'.");
        int end = json.LastIndexOfAnyExcept((byte)' ') + 1;
        if (json[end - 1] != (byte)'}')
            throw Refusal(SafetensorsError.Header, "The header is followed by other bytes than spaces, or has no end.");
        var reader = new Utf8JsonReader(json[..end], Options);
        try
        {
            return Parse(ref reader, dataBytes, file);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            // InvalidOperationException: a string that is not UTF-8, or half of a surrogate pair.
            throw Refusal(SafetensorsError.Header, "The header is not well-formed JSON, or not of the form of a safetensors header.");
        }
    }

    /// <summary>Length, header and padding in front of the data of a file.</summary>
    internal static byte[] Write(IReadOnlyList<TensorDescription> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var bytes = new MemoryStream();
        bytes.SetLength(LengthBytes);
        bytes.Position = LengthBytes;
        // Files that travel between programs, not web pages: letters stay letters.
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject(MetadataKey);
                foreach ((string key, string value) in metadata)
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            long start = 0;
            foreach (TensorDescription tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Type.Name());
                json.WriteStartArray("shape");
                foreach (long length in tensor.Shape)
                    json.WriteNumberValue(length);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(start);
                start = checked(start + tensor.ByteLength);
                json.WriteNumberValue(start);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        // Data starts at a multiple of 8.
        while (bytes.Length % 8 != 0)
            bytes.WriteByte((byte)' ');
        if (bytes.Length - LengthBytes > MaxBytes)
            throw new ArgumentException(FormattableString.Invariant($"The header would have {bytes.Length - LengthBytes} bytes; readers accept {MaxBytes}."), nameof(tensors));
        byte[] head = bytes.ToArray();
        System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(head, head.Length - LengthBytes);
        return head;
    }

    internal static InvalidDataException Refusal(SafetensorsError error, string message, string? tensor = null)
    {
        var exception = new InvalidDataException(message);
        exception.Data[Invalid.ErrorKey] = error;
        if (tensor is not null)
            exception.Data[Invalid.TensorKey] = tensor;
        return exception;
    }

    private static SafetensorsHeader Parse(ref Utf8JsonReader reader, long dataBytes, SafetensorsFile file)
    {
        var tensors = new List<TensorDescription>();
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        var keys = new HashSet<string>(StringComparer.Ordinal);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            if (!keys.Add(key))
                throw Refusal(SafetensorsError.DuplicateKey, $"The header has the key '{key}' twice.", key);
            reader.Read();
            if (key == MetadataKey)
                Texts(ref reader, metadata);
            else
                tensors.Add(Tensor(ref reader, key, file));
        }

        // Reads the end, or throws for what follows it.
        reader.Read();
        CheckRanges(tensors, dataBytes);
        return new SafetensorsHeader(tensors, metadata);
    }

    private static void Texts(ref Utf8JsonReader reader, Dictionary<string, string> metadata)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Refusal(SafetensorsError.Metadata, "The metadata is not an object.");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw Refusal(SafetensorsError.Metadata, $"The metadata '{key}' is not a string.");
            if (!metadata.TryAdd(key, reader.GetString()!))
                throw Refusal(SafetensorsError.DuplicateKey, $"The metadata has the key '{key}' twice.");
        }
    }

    // Members that are not known are skipped, as the reference library does.
    private static TensorDescription Tensor(ref Utf8JsonReader reader, string name, SafetensorsFile file)
    {
        string? type = null;
        List<long>? shape = null;
        List<long>? offsets = null;
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Refusal(SafetensorsError.Header, $"The entry of the tensor '{name}' is not an object.", name);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string member = reader.GetString()!;
            if ((member == "dtype" && type is not null) || (member == "shape" && shape is not null) || (member == "data_offsets" && offsets is not null))
                throw Refusal(SafetensorsError.DuplicateKey, $"The entry of the tensor '{name}' has the key '{member}' twice.", name);
            reader.Read();
            switch (member)
            {
                case "dtype":
                    type = reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw Refusal(SafetensorsError.Header, $"The type of the tensor '{name}' is not a string.", name);
                    break;
                case "shape":
                    shape = Numbers(ref reader, name);
                    break;
                case "data_offsets":
                    offsets = Numbers(ref reader, name);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (type is null || shape is null || offsets is not { Count: 2 })
            throw Refusal(SafetensorsError.Header, $"The entry of the tensor '{name}' lacks its type, its shape or its two offsets.", name);
        if (!InterchangeTypes.TryParse(type, out InterchangeType known))
            throw Refusal(SafetensorsError.ElementType, $"The tensor '{name}' has the unknown type '{type}'.", name);
        long[] axes = [.. shape];
        if (!known.TryByteLength(axes, out long bytes))
            throw Refusal(SafetensorsError.Shape, $"The tensor '{name}' has 2^63 bytes or more, or elements that do not fill whole bytes.", name);
        if (offsets[1] < offsets[0])
            throw Refusal(SafetensorsError.Offsets, $"The tensor '{name}' ends before it begins.", name);
        if (offsets[1] - offsets[0] != bytes)
            throw Refusal(SafetensorsError.Offsets, FormattableString.Invariant($"The tensor '{name}' has {offsets[1] - offsets[0]} bytes of data, but its type and shape ask for {bytes}."), name);
        return new TensorDescription(name, known, axes, offsets[0], bytes) { File = file };
    }

    private static List<long> Numbers(ref Utf8JsonReader reader, string name)
    {
        var numbers = new List<long>();
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Refusal(SafetensorsError.Header, $"The shape or the offsets of the tensor '{name}' are not a list.", name);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
                throw Refusal(SafetensorsError.Header, $"The shape or the offsets of the tensor '{name}' are not whole numbers from 0 to 2^63.", name);
            numbers.Add(number);
        }

        return numbers;
    }

    // Every byte of the data belongs to exactly one tensor.
    private static void CheckRanges(List<TensorDescription> tensors, long dataBytes)
    {
        // Empty tensors first where several start at one place; else by name, so that a file has one order.
        tensors.Sort((left, right) =>
            (left.Start, left.ByteLength) != (right.Start, right.ByteLength) ? (left.Start, left.ByteLength).CompareTo((right.Start, right.ByteLength)) : string.CompareOrdinal(left.Name, right.Name));
        long end = 0;
        foreach (TensorDescription tensor in tensors)
        {
            if (tensor.Start != end)
                throw Refusal(SafetensorsError.Offsets, $"The data of the tensor '{tensor.Name}' {(tensor.Start < end ? "overlaps another" : "leaves a hole before it")}.", tensor.Name);
            end += tensor.ByteLength;
            if (end > dataBytes)
                throw Refusal(SafetensorsError.FileLength, $"The file ends inside the tensor '{tensor.Name}'.", tensor.Name);
        }

        if (end != dataBytes)
            throw Refusal(SafetensorsError.FileLength, FormattableString.Invariant($"The file goes on for {dataBytes - end} bytes after its last tensor."));
    }
}
