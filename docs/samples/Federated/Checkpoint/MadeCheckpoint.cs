using System.Buffers.Binary;
using System.Text.Json;
using NeuralCompression.Codec;

namespace Federated.Checkpoint;

/// <summary>A checkpoint of several safetensors files with an index, as large models come; made up here unless the user names one.</summary>
internal static class MadeCheckpoint
{
    private const int Width = 512;
    private const double Deviation = 0.02;

    /// <summary>Writes layers of a transformer with random weights, one file for each.</summary>
    /// <returns>The index.</returns>
    public static string Write(string folder, int layers)
    {
        var tensors = new List<TensorDescription>();
        for (int layer = 0; layer < layers; layer++)
        {
            foreach ((string name, long[] shape) in new (string, long[])[]
            {
                ("attention.qkv.weight", [3 * Width, Width]), ("attention.out.weight", [Width, Width]), ("mlp.up.weight", [4 * Width, Width]), ("mlp.down.weight", [Width, 4 * Width]), ("norm.weight", [Width]),
            })
            {
                tensors.Add(new TensorDescription($"layers.{layer}.{name}", InterchangeType.BF16, shape));
            }
        }

        string path = Path.Combine(folder, "model.safetensors");
        using var writer = SafetensorsWriter.Create(path, tensors, maxShardBytes: tensors.Sum(tensor => tensor.ByteLength) / layers);
        var random = new Random(1);
        foreach (TensorDescription tensor in tensors)
            writer.Write(Weights(random, (int)(tensor.ByteLength / 2)));
        writer.Complete();
        return path + ".index.json";
    }

    /// <summary>The files that an index names.</summary>
    public static IReadOnlyList<string> FilesOf(string index)
    {
        // Refuses an index that names anything but files beside it.
        using (SafetensorsReader.Open(index))
        {
        }

        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(index));
        string folder = Path.GetDirectoryName(Path.GetFullPath(index))!;
        return [.. document.RootElement.GetProperty("weight_map").EnumerateObject().Select(entry => entry.Value.GetString()!).Distinct().Order(StringComparer.Ordinal).Select(name => Path.Combine(folder, name))];
    }

    private static byte[] Weights(Random random, int count)
    {
        byte[] bytes = new byte[2 * count];
        for (int i = 0; i < count; i++)
        {
            double weight = Deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

            // A bfloat16 is the upper half of a float.
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2 * i), (ushort)(BitConverter.SingleToUInt32Bits((float)weight) >> 16));
        }

        return bytes;
    }
}
