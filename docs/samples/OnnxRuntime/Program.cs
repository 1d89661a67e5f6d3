// Runs networks in ONNX Runtime whose weights come from a compressed file.
using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using NeuralCompression.Codec;
using OnnxRuntimeSample;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const string Usage = """
    OnnxRuntime [IMAGES]                            runs LeNet-300-100 (lenet-300-100.ncm and a graph made here) on test images of MNIST, default all 10,000
    OnnxRuntime extract MODEL WEIGHTS.ncm GRAPH     takes the weights out of an .onnx file
    OnnxRuntime restore GRAPH WEIGHTS.ncm MODEL     puts them back
    """;
try
{
    switch (args)
    {
        case []:
            return Demo.Run(10_000);
        case [string count] when int.TryParse(count, out int images) && images is > 0 and <= 10_000:
            return Demo.Run(images);
        case ["extract", string model, string weights, string graph]:
            CompressionReport report = ModelWeights.Extract(model, weights, graph);
            Console.WriteLine($"{new FileInfo(model).Length:n0} bytes became {report.TotalBytes:n0} of weights and {new FileInfo(graph).Length:n0} of graph");
            return 0;
        case ["restore", string graph, string weights, string model]:
            ModelWeights.Restore(graph, weights, model);
            return 0;
        default:
            Console.Error.WriteLine(Usage);
            return 2;
    }
}
catch (Exception e) when (e is IOException or InvalidDataException or NotSupportedException or UnauthorizedAccessException or OnnxRuntimeException or Google.Protobuf.InvalidProtocolBufferException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
