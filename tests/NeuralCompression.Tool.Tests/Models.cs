using System.Runtime.InteropServices;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Tests;

/// <summary>Small safetensors models.</summary>
internal static class Models
{
    /// <summary>Two matrices and a bias of float32 whose exponents have a shape, as trained weights do.</summary>
    internal static void Write(string path, int rows = 64, int columns = 96)
    {
        TensorDescription[] tensors = [new("fc1.weight", InterchangeType.F32, [rows, columns]), new("fc2.weight", InterchangeType.F32, [rows, columns]), new("fc1.bias", InterchangeType.F32, [rows])];
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, tensors, new Dictionary<string, string> { ["format"] = "pt" });
        uint state = 7;
        foreach (TensorDescription tensor in tensors)
        {
            var values = new float[tensor.ByteLength / sizeof(float)];
            foreach (ref float value in values.AsSpan())
            {
                double sum = 0;
                for (int i = 0; i < 3; i++)
                {
                    state = (state * 1664525) + 1013904223;
                    sum += (state >> 8) / 16777216.0;
                }

                value = (float)((sum - 1.5) * 0.1);
            }

            writer.Write(MemoryMarshal.AsBytes<float>(values));
        }

        writer.Complete();
    }
}
