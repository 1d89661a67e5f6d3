// Opens a compressed network without TorchSharp, and sees to it that the fast kernels are used: exit code 0 says so, 1 not, 2 that the file cannot be read.
using System.Diagnostics;
using System.Globalization;
using DecodeOnly;
using NeuralCompression.Codec;

var sinceStart = Stopwatch.StartNew();
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
string path = args.Length > 0 ? args[0] : Path.Combine(AppContext.BaseDirectory, "lenet-300-100.ncm");
try
{
    using var reader = CompressedModelReader.Open(path);
    long weights = 0;
    foreach (CompressedTensorInfo tensor in reader.Tensors)
    {
        var values = new float[tensor.Length];
        reader.Decode(tensor, values);
        int zeros = values.Count(v => v == 0);
        Console.WriteLine($"{tensor.Name,-12} {tensor.Length,9:n0} weights in {tensor.StoredBytes,6:n0} bytes, {100.0 * zeros / Math.Max(1, values.Length),5:f1} % zeros");
        weights += tensor.Length;
    }

    Console.WriteLine($"{weights:n0} weights of {new FileInfo(path).Length:n0} bytes decoded, {sinceStart.Elapsed.TotalMilliseconds:f1} ms after Main began, {(DateTime.Now - Process.GetCurrentProcess().StartTime).TotalMilliseconds:f0} ms after the process did");
}
catch (Exception e) when (e is IOException or InvalidDataException or NotSupportedException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"{path}: {e.Message}");
    return 2;
}

double speed = DecodingSpeed.Measure();
Console.WriteLine($"kernel {CodecInfo.Kernel}, {speed / 1e6:n0} M ternary weights/s on one thread");
if (Processor.HasAvx2 && CodecInfo.Kernel is "scalar" or "vector128")
{
    Console.Error.WriteLine($"The processor has AVX2, but the program was compiled without it and decodes with '{CodecInfo.Kernel}': set IlcInstructionSet (see the README of this sample).");
    return 1;
}

return 0;
