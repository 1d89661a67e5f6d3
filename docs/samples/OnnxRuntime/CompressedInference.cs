using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using NeuralCompression.Codec;

namespace OnnxRuntimeSample;

/// <summary>An ONNX Runtime session whose graph has no weights: they come from a compressed file.</summary>
internal sealed class CompressedInference : IDisposable
{
    private readonly List<byte[]> buffers = [];
    private readonly List<OrtValue> weights = [];

    /// <param name="graphPath">The graph; its weights are external data by name.</param>
    /// <param name="weightsPath">The compressed file that has them.</param>
    internal CompressedInference(string graphPath, string weightsPath)
    {
        using var options = new SessionOptions();
        try
        {
            using var reader = CompressedModelReader.Open(weightsPath);
            foreach (CompressedTensorInfo tensor in reader.Tensors)
            {
                // ONNX Runtime takes an initializer only in memory of the caller's, and uses it there.
                byte[] bytes = GC.AllocateUninitializedArray<byte>(checked((int)tensor.DecodedBytes), pinned: true);
                reader.DecodeBytes(tensor, bytes);
                buffers.Add(bytes);
                OrtValue value = OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, TypeOf(tensor), tensor.Shape.ToArray(), Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0), bytes.Length);
                weights.Add(value);
                options.AddInitializer(tensor.Name, value);
            }

            Session = new InferenceSession(graphPath, options);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal InferenceSession? Session { get; }

    // The weights must outlive the session.
    public void Dispose()
    {
        Session?.Dispose();
        weights.ForEach(value => value.Dispose());
        buffers.Clear();
    }

    private static TensorElementType TypeOf(CompressedTensorInfo tensor) => tensor.ElementType switch
    {
        ElementType.Float32 => TensorElementType.Float,
        ElementType.Float64 => TensorElementType.Double,
        ElementType.Float16 => TensorElementType.Float16,
        ElementType.BFloat16 => TensorElementType.BFloat16,
        _ => throw new NotSupportedException($"'{tensor.Name}' is of type {tensor.ElementType}, which this sample does not give to ONNX Runtime."),
    };
}
