using System.Text.Json;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Tests;

/// <summary>What the commands do when all is well.</summary>
public sealed class CommandTests
{
    private static string Reference { get; } = Path.Combine(Tool.Root, "tests", "vectors", "safetensors", "reference.safetensors");

    [Fact]
    public void Compress_TorchSharpFile_Works()
    {
        using var tool = new Tool();

        // One float32 tensor [2] called "w", as Module.save writes it.
        File.WriteAllBytes(tool["model.dat"], [1, 1, (byte)'w', 6, 1, 2, 0, 0, 128, 63, 0, 0, 0, 64]);
        tool.Run("compress", "model.dat", "-o", "model.ncm").Succeeds();
        using var reader = CompressedModelReader.Open(tool["model.ncm"]);
        var values = new float[2];
        reader.Decode(reader["w"], values);
        Assert.Equal([1f, 2f], values);

        tool.Run("decompress", "model.ncm", "--torchsharp", "-o", "back.dat").Succeeds();
        Assert.Equal(File.ReadAllBytes(tool["model.dat"]), File.ReadAllBytes(tool["back.dat"]));
        tool.Run("decompress", "model.ncm", "--torchsharp").Fails(4, "model.dat");
        tool.Run("decompress", "model.ncm", "--torchsharp", "--max-shard-bytes", "100").Fails(2, "--torchsharp");
        Assert.Equal(["back.dat", "model.dat", "model.ncm"], tool.Names);
    }

    [Fact]
    public void CompressVerifyDecompress_ReferenceFile_ComesBackByteForByte()
    {
        using var tool = new Tool();
        tool.Run("compress", Reference, "-o", "model.ncm").Succeeds();
        tool.Run("verify", "model.ncm").Succeeds();
        tool.Run("decompress", "model.ncm").Succeeds();
        Assert.Equal(File.ReadAllBytes(Reference), File.ReadAllBytes(tool["model.safetensors"]));
        Assert.Equal(["model.ncm", "model.safetensors"], tool.Names);
    }

    [Fact]
    public void Info_ShowsEveryTensorAndTheSizes()
    {
        using var tool = new Tool();
        Models.Write(tool["m.safetensors"]);
        tool.Run("compress", "m.safetensors", "--bits", "4", "--per-channel", "--exclude", "fc2*").Succeeds();
        Tool.Result text = tool.Run("info", "m.ncm");
        text.Succeeds();
        Assert.Contains("fc1.weight  [64, 96]  Float32", text.Output, StringComparison.Ordinal);
        Assert.Contains("64 steps, axis 0", text.Output, StringComparison.Ordinal);
        Assert.Contains("format = pt", text.Output, StringComparison.Ordinal);
        using JsonDocument json = JsonDocument.Parse(tool.Run("info", "m.ncm", "--json").Output);
        Assert.Equal(new FileInfo(tool["m.ncm"]).Length, json.RootElement.GetProperty("fileBytes").GetInt64());
        Assert.Equal(((2 * 64 * 96) + 64) * 4, json.RootElement.GetProperty("originalBytes").GetInt64());
        JsonElement[] tensors = [.. json.RootElement.GetProperty("tensors").EnumerateArray()];
        Assert.Equal(["PerChannel", null, null], tensors.Select(tensor => tensor.GetProperty("grid").GetString()));
        Assert.InRange(tensors[0].GetProperty("bitsPerWeight").GetDouble(), 2, 4.2);
    }

    [Theory]
    [InlineData("--bits", "3")]
    [InlineData("--step", "0.01")]
    [InlineData("--target-bytes", "6000")]
    public void Compress_Quantised_IsSmallerAndKeepsTheRest(string option, string value)
    {
        using var tool = new Tool();
        Models.Write(tool["m.safetensors"]);
        Tool.Result result = tool.Run("compress", "m.safetensors", option, value, "--level", "Fastest", "--json");
        result.Succeeds();
        using JsonDocument json = JsonDocument.Parse(result.Output);
        Assert.Equal(new FileInfo(tool["m.ncm"]).Length, json.RootElement.GetProperty("fileBytes").GetInt64());
        Assert.InRange(new FileInfo(tool["m.ncm"]).Length, 4_000, option == "--target-bytes" ? 6_000 : 12_000);
        tool.Run("decompress", "m.ncm", "-o", "back.safetensors").Succeeds();
        using SafetensorsReader before = SafetensorsReader.Open(tool["m.safetensors"]);
        using SafetensorsReader after = SafetensorsReader.Open(tool["back.safetensors"]);
        Assert.Equal(before.Tensors.Select(tensor => tensor.ToString()), after.Tensors.Select(tensor => tensor.ToString()));
        Assert.Equal(Bytes(before, "fc1.bias"), Bytes(after, "fc1.bias"));
        Assert.NotEqual(Bytes(before, "fc1.weight"), Bytes(after, "fc1.weight"));
    }

    [Fact]
    public void Decompress_IntoShards_CanBeCompressedAgain()
    {
        using var tool = new Tool();
        Models.Write(tool["m.safetensors"]);
        tool.Run("compress", "m.safetensors").Succeeds();
        tool.Run("decompress", "m.ncm", "-o", "s.safetensors", "--max-shard-bytes", "30000").Succeeds();
        Assert.Contains("s-00001-of-00002.safetensors", tool.Names);
        tool.Run("compress", "s.safetensors.index.json", "-o", "again.ncm").Succeeds();
        Assert.Equal(File.ReadAllBytes(tool["m.ncm"]), File.ReadAllBytes(tool["again.ncm"]));
    }

    [Fact]
    public void Plot_GivesAPicture()
    {
        using var tool = new Tool();
        Models.Write(tool["m.safetensors"]);
        tool.Run("compress", "m.safetensors", "--bits", "4").Succeeds();
        tool.Run("plot", "m.ncm").Succeeds();
        byte[] picture = File.ReadAllBytes(tool["m.png"]);
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], picture[..4]);
        Assert.True(picture.Length > 10_000);
    }

    [Fact]
    public void Help_OfEveryCommand_IsThere()
    {
        using var tool = new Tool();
        string root = tool.Run("--help").Output;
        foreach (string command in (string[])["info", "verify", "compress", "decompress", "plot"])
        {
            Assert.Contains(command, root, StringComparison.Ordinal);
            tool.Run(command, "--help").Succeeds();
        }
    }

    private static byte[] Bytes(SafetensorsReader reader, string name)
    {
        Assert.True(reader.TryGet(name, out TensorDescription? tensor));
        byte[] bytes = new byte[tensor.ByteLength];
        reader.Read(tensor, 0, bytes);
        return bytes;
    }
}
