using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using Google.Protobuf;
using NeuralCompression.Codec;
using OnnxRuntimeSample.Onnx;

namespace OnnxRuntimeSample;

/// <summary>Takes the weights out of an ONNX model into a compressed file, and puts them back.</summary>
internal static class ModelWeights
{
    // Shorter tensors stay in the graph: shapes, axes and constants, which ONNX Runtime wants to see when it loads the graph.
    private const int MinElements = 64;

    // Beyond the end of any file: should ONNX Runtime look for the weights itself, it says so and does not take compressed bytes for numbers.
    private const string NoOffset = "4611686018427387904";

    /// <summary>Moves the floating-point weights of a model into a compressed file, without loss.</summary>
    /// <param name="modelPath">An .onnx file; its weights may lie in it or in files beside it.</param>
    /// <param name="weightsPath">The compressed file to write.</param>
    /// <param name="graphPath">The graph without those weights to write, for <see cref="CompressedInference"/>.</param>
    internal static CompressionReport Extract(string modelPath, string weightsPath, string graphPath)
    {
        ModelProto model = Read(modelPath);
        string folder = Path.GetDirectoryName(Path.GetFullPath(modelPath))!;
        CompressionReport report;
        using (var writer = CompressedModelWriter.Create(weightsPath, CompressionLevel.SmallestSize))
        {
            for (int i = 0; i < model.Graph.Initializer.Count; i++)
            {
                TensorProto tensor = model.Graph.Initializer[i];
                if (TypeOf(tensor) is not ElementType type || Elements(tensor) < MinElements)
                    continue;
                writer.Add(tensor.Name, type, [.. tensor.Dims], Bytes(tensor, folder));
                TensorProto missing = Missing(tensor.Name, tensor.Dims, Path.GetFileName(weightsPath));
                missing.DataType = tensor.DataType;
                model.Graph.Initializer[i] = missing;
            }

            report = writer.Complete();
        }

        Write(model, graphPath);
        return report;
    }

    /// <summary>Writes an ordinary .onnx file with all weights inside.</summary>
    /// <param name="graphPath">The graph without weights.</param>
    /// <param name="weightsPath">The compressed file with them.</param>
    /// <param name="modelPath">The file to write.</param>
    internal static void Restore(string graphPath, string weightsPath, string modelPath)
    {
        ModelProto model = Read(graphPath);
        using var reader = CompressedModelReader.Open(weightsPath);
        foreach (TensorProto tensor in model.Graph.Initializer)
        {
            if (!reader.TryGet(tensor.Name, out CompressedTensorInfo? stored))
                continue;
            var bytes = new byte[stored.DecodedBytes];
            reader.DecodeBytes(stored, bytes);
            tensor.RawData = UnsafeByteOperations.UnsafeWrap(bytes);
            tensor.ExternalData.Clear();
            tensor.DataLocation = TensorProto.Types.DataLocation.Default;
        }

        Write(model, modelPath);
    }

    /// <summary>A weight of a graph that is somewhere else, as ONNX marks it.</summary>
    internal static TensorProto Missing(string name, IEnumerable<long> shape, string file) => new()
    {
        Name = name,
        Dims = { shape },
        DataType = TensorProto.Types.DataType.Float,
        DataLocation = TensorProto.Types.DataLocation.External,
        ExternalData =
        {
            new StringStringEntryProto { Key = "location", Value = file },
            new StringStringEntryProto { Key = "offset", Value = NoOffset },
        },
    };

    internal static ModelProto Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        ModelProto model = ModelProto.Parser.ParseFrom(file);
        return model.Graph is null ? throw new InvalidDataException($"'{path}' is not an ONNX model.") : model;
    }

    internal static void Write(ModelProto model, string path)
    {
        using FileStream file = File.Create(path);
        model.WriteTo(file);
    }

    private static ElementType? TypeOf(TensorProto tensor) => tensor.DataType switch
    {
        TensorProto.Types.DataType.Float => ElementType.Float32,
        TensorProto.Types.DataType.Double => ElementType.Float64,

        // As long as they lie there as bytes; ONNX may also spread them over integers.
        TensorProto.Types.DataType.Float16 when HasBytes(tensor) => ElementType.Float16,
        TensorProto.Types.DataType.Bfloat16 when HasBytes(tensor) => ElementType.BFloat16,
        _ => null,
    };

    private static bool HasBytes(TensorProto tensor) => tensor.DataLocation == TensorProto.Types.DataLocation.External || !tensor.RawData.IsEmpty;

    private static long Elements(TensorProto tensor) => tensor.Dims.Aggregate(1L, (product, length) => checked(product * length));

    private static byte[] Bytes(TensorProto tensor, string folder)
    {
        if (tensor.DataLocation == TensorProto.Types.DataLocation.External)
            return ExternalBytes(tensor, folder);
        if (tensor.FloatData.Count > 0)
            return MemoryMarshal.AsBytes<float>([.. tensor.FloatData]).ToArray();
        if (tensor.DoubleData.Count > 0)
            return MemoryMarshal.AsBytes<double>([.. tensor.DoubleData]).ToArray();
        return tensor.RawData.ToByteArray();
    }

    private static byte[] ExternalBytes(TensorProto tensor, string folder)
    {
        Dictionary<string, string> texts = tensor.ExternalData.ToDictionary(entry => entry.Key, entry => entry.Value);
        string path = Path.GetFullPath(Path.Combine(folder, texts["location"]));

        // The standard: beside the model or below it. A model from elsewhere must not name other files of this machine.
        if (!path.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            throw new InvalidDataException($"'{tensor.Name}' lies in '{texts["location"]}', outside the model's folder.");
        using FileStream file = File.OpenRead(path);
        long offset = Number("offset") ?? 0;
        long length = Number("length") ?? (file.Length - offset);
        if (offset < 0 || length < 0 || offset > file.Length || length > file.Length - offset)
            throw new InvalidDataException($"'{tensor.Name}' lies beyond the end of '{texts["location"]}'.");
        var bytes = new byte[length];
        file.Position = offset;
        file.ReadExactly(bytes);
        return bytes;

        long? Number(string key) => texts.TryGetValue(key, out string? text) ? long.Parse(text, CultureInfo.InvariantCulture) : null;
    }
}
