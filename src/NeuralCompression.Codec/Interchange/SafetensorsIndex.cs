using System.Text.Encodings.Web;
using System.Text.Json;

namespace NeuralCompression.Codec;

/// <summary>The JSON that says which file of a sharded model holds which tensor.</summary>
internal static class SafetensorsIndex
{
    internal const string Suffix = ".index.json";

    private static readonly JsonReaderOptions Options = new() { MaxDepth = 64 };

    /// <summary>Tensor names and file names, in the order of the index.</summary>
    internal static Dictionary<string, string> Read(string path)
    {
        var length = new FileInfo(path).Length;
        if (length > SafetensorsHeader.MaxBytes)
            throw SafetensorsHeader.Refusal(SafetensorsError.Index, FormattableString.Invariant($"The index has {length} bytes; {SafetensorsHeader.MaxBytes} are allowed."));
        var reader = new Utf8JsonReader(File.ReadAllBytes(path), Options);
        Dictionary<string, string>? map = null;
        try
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                throw Refusal("The index is not a JSON object.");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isMap = reader.ValueTextEquals("weight_map");
                reader.Read();
                if (!isMap)
                    reader.Skip();
                else
                    map = map is null ? WeightMap(ref reader) : throw Refusal("The index has the key 'weight_map' twice.");
            }

            reader.Read();
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw Refusal("The index is not well-formed JSON.");
        }

        return map ?? throw Refusal("The index has no 'weight_map', so it is not the index of a sharded safetensors model.");
    }

    internal static void Write(Stream stream, long totalBytes, IEnumerable<(string Tensor, string File)> map)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteStartObject("metadata");
        json.WriteNumber("total_size", totalBytes);
        json.WriteEndObject();
        json.WriteStartObject("weight_map");
        foreach ((string tensor, string file) in map)
            json.WriteString(tensor, file);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    internal static InvalidDataException Refusal(string message, string? tensor = null) => SafetensorsHeader.Refusal(SafetensorsError.Index, message, tensor);

    private static Dictionary<string, string> WeightMap(ref Utf8JsonReader reader)
    {
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Refusal("The 'weight_map' of the index is not an object.");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string tensor = reader.GetString()!;
            reader.Read();
            string file = reader.TokenType == JsonTokenType.String ? reader.GetString()! : "";
            if (!Container.SetManifest.IsFileName(file))
                throw Refusal($"The index places the tensor '{tensor}' elsewhere than in a file beside it.", tensor);
            if (!map.TryAdd(tensor, file))
                throw SafetensorsHeader.Refusal(SafetensorsError.DuplicateKey, $"The index has the tensor '{tensor}' twice.", tensor);
        }

        return map;
    }
}
