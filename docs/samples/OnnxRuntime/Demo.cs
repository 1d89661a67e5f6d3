using Microsoft.ML.OnnxRuntime;

namespace OnnxRuntimeSample;

/// <summary>LeNet-300-100 from its compressed file, and once there and back through an ordinary .onnx file.</summary>
internal static class Demo
{
    private const int Classes = 10;

    /// <summary>Runs the network all three ways and compares what it says.</summary>
    /// <param name="images">Test images to run it on.</param>
    /// <returns>Exit code: 0 if all agree to the bit.</returns>
    internal static int Run(int images)
    {
        string weights = Path.Combine(AppContext.BaseDirectory, "lenet-300-100.ncm");
        Digits digits = Digits.Load(Path.Combine(AppContext.BaseDirectory, "data", "mnist"), images);
        string folder = Directory.CreateTempSubdirectory("onnxruntime-sample-").FullName;
        try
        {
            // A graph made here, weights from the file that training has written.
            string graph = Path.Combine(folder, "lenet-300-100.onnx");
            ModelWeights.Write(LeNetGraph.Create(Path.GetFileName(weights)), graph);
            File.Copy(weights, Path.Combine(folder, Path.GetFileName(weights)));
            float[] logits = RunCompressed(graph, weights, digits);
            int errors = Errors(logits, digits.Labels);
            Console.WriteLine($"graph {Bytes(graph)} bytes + weights {Bytes(weights)} bytes: {errors} of {images:n0} digits wrong, {100.0 * errors / images:f2} %");

            // The same as an ordinary file with the weights inside, which needs nothing of this library.
            string whole = Path.Combine(folder, "whole.onnx");
            ModelWeights.Restore(graph, weights, whole);
            using var session = new InferenceSession(whole);
            bool isEqual = logits.AsSpan().SequenceEqual(Logits(session, digits));
            Console.WriteLine($"with the weights inside, {Bytes(whole)} bytes: outputs {(isEqual ? "equal to the bit" : "DIFFER")}");

            // And out of it again: what an existing .onnx file takes.
            string extracted = Path.Combine(folder, "extracted.ncm");
            string stripped = Path.Combine(folder, "stripped.onnx");
            ModelWeights.Extract(whole, extracted, stripped);
            bool isStillEqual = logits.AsSpan().SequenceEqual(RunCompressed(stripped, extracted, digits));
            Console.WriteLine($"taken out again without loss, {Bytes(stripped)} + {Bytes(extracted)} bytes: outputs {(isStillEqual ? "equal to the bit" : "DIFFER")}");
            return isEqual && isStillEqual ? 0 : 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static float[] RunCompressed(string graph, string weights, Digits digits)
    {
        using var inference = new CompressedInference(graph, weights);
        return Logits(inference.Session!, digits);
    }

    private static float[] Logits(InferenceSession session, Digits digits)
    {
        using var options = new RunOptions();
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(digits.Pixels, [digits.Labels.Length, digits.Pixels.Length / digits.Labels.Length]);
        using IDisposableReadOnlyCollection<OrtValue> outputs = session.Run(options, [LeNetGraph.Input], [input], [LeNetGraph.Output]);
        return outputs[0].GetTensorDataAsSpan<float>().ToArray();
    }

    private static int Errors(float[] logits, byte[] labels)
    {
        int errors = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            ReadOnlySpan<float> image = logits.AsSpan(i * Classes, Classes);
            if (image.IndexOf(System.Numerics.Tensors.TensorPrimitives.Max(image)) != labels[i])
                errors++;
        }

        return errors;
    }

    private static string Bytes(string path) => $"{new FileInfo(path).Length:n0}";
}
