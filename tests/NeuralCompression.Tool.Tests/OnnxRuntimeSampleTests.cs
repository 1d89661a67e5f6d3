using System.Diagnostics;
using System.Text;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Tests;

/// <summary>The sample in docs/samples/OnnxRuntime, run as a process.</summary>
public class OnnxRuntimeSampleTests
{
    // Of the ONNX schema.
    private const int ModelGraph = 7;
    private const int GraphInitializer = 5;
    private const int TensorDims = 1;
    private const int TensorType = 2;
    private const int TensorName = 8;
    private const int TensorExternalData = 13;
    private const int TensorLocation = 14;
    private const int Float = 1;
    private const int External = 1;

    [Fact]
    public void Demo_AllTestImages_IsAsAccurateAsRecordedAndEqualEveryWay()
    {
        Tool.Result result = Run();
        Assert.True(result.ExitCode == 0, result.Error + result.Output);

        // benchmarks/results/golden/README.md
        Assert.Contains("166 of 10,000 digits wrong, 1.66 %", result.Output, StringComparison.Ordinal);
        Assert.Equal(2, result.Output.Split("equal to the bit").Length - 1);
    }

    [Fact]
    public void Extract_ExternalData_StoresTheSameBits()
    {
        using var tool = new Tool();
        float[] values = [.. Enumerable.Range(0, 100).Select(i => i / 7f)];
        byte[] bytes = new byte[12 + 400];
        Buffer.BlockCopy(values, 0, bytes, 12, 400);
        File.WriteAllBytes(tool["weights.bin"], bytes);
        File.WriteAllBytes(tool["model.onnx"], Model(("location", "weights.bin"), ("offset", "12"), ("length", "400")));

        Tool.Result result = Run("extract", tool["model.onnx"], tool["weights.ncm"], tool["graph.onnx"]);
        Assert.True(result.ExitCode == 0, result.Error + result.Output);
        using (var reader = CompressedModelReader.Open(tool["weights.ncm"]))
        {
            var decoded = new float[100];
            reader.Decode(reader["w"], decoded);
            Assert.Equal(values, decoded);
        }

        Assert.Equal(0, Run("restore", tool["graph.onnx"], tool["weights.ncm"], tool["whole.onnx"]).ExitCode);
        Assert.NotEqual(-1, File.ReadAllBytes(tool["whole.onnx"]).AsSpan().IndexOf(bytes.AsSpan(12)));
        Assert.Equal(-1, File.ReadAllBytes(tool["graph.onnx"]).AsSpan().IndexOf(bytes.AsSpan(12, 40)));
    }

    [Theory]
    [InlineData("../weights.bin", "0", "outside the model's folder")]
    [InlineData("weights.bin", "1", "beyond the end")]
    [InlineData("weights.bin", "-1", "beyond the end")]
    public void Extract_ExternalDataElsewhere_Fails(string location, string offset, string says)
    {
        using var tool = new Tool();
        File.WriteAllBytes(tool["weights.bin"], new byte[400]);
        File.WriteAllBytes(tool["model.onnx"], Model(("location", location), ("offset", offset), ("length", "400")));
        Tool.Result result = Run("extract", tool["model.onnx"], tool["weights.ncm"], tool["graph.onnx"]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(says, result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(tool["weights.ncm"]));
    }

    private static Tool.Result Run(params string[] arguments)
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)).Parent!.Name;
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])[Path.Combine(Tool.Root, "docs", "samples", "OnnxRuntime", "bin", configuration, "net10.0", "OnnxRuntime.dll"), .. arguments])
            start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        return Tool.End(process);
    }

    /// <summary>An ONNX model of one float32 tensor of 100 elements, whose data is elsewhere.</summary>
    private static byte[] Model(params (string Key, string Value)[] externalData)
    {
        byte[] tensor =
        [
            .. Number(TensorDims, 100), .. Number(TensorType, Float), .. Bytes(TensorName, "w"u8),
            .. externalData.SelectMany(entry => Bytes(TensorExternalData, [.. Bytes(1, Encoding.UTF8.GetBytes(entry.Key)), .. Bytes(2, Encoding.UTF8.GetBytes(entry.Value))])),
            .. Number(TensorLocation, External),
        ];
        return Bytes(ModelGraph, Bytes(GraphInitializer, tensor));
    }

    // Protobuf: field number and wire type in a byte, then a number or a length; all below 128 here but for lengths of two bytes.
    private static byte[] Number(int field, byte value) => [(byte)(field << 3), value];

    private static byte[] Bytes(int field, ReadOnlySpan<byte> content) =>
        [(byte)((field << 3) | 2), .. content.Length < 128 ? (ReadOnlySpan<byte>)[(byte)content.Length] : [(byte)(content.Length | 128), (byte)(content.Length >> 7)], .. content];
}
