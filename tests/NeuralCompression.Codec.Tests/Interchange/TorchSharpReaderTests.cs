using System.Text;

namespace NeuralCompression.Codec.Tests.Interchange;

/// <summary>Files of TorchSharp's that are damaged or made to harm. Real ones are in NeuralCompression.Tests.</summary>
public sealed class TorchSharpReaderTests : IDisposable
{
    // One float32 tensor [2] called "w".
    private static readonly byte[] Valid = [1, 1, (byte)'w', 6, 1, 2, 0, 0, 128, 63, 0, 0, 0, 64];

    private readonly string path = Path.GetTempFileName();

    public void Dispose() => File.Delete(path);

    [Fact]
    public void Read_Parts_GivesTheirBytes()
    {
        File.WriteAllBytes(path, Valid);
        using TorchSharpReader reader = TorchSharpReader.Open(path);
        TensorDescription tensor = Assert.Single(reader.Tensors);
        Assert.Equal(("w", InterchangeType.F32, 8L), (tensor.Name, tensor.Type, tensor.ByteLength));
        Assert.Equal(8, reader.ByteLength);
        var part = new byte[4];
        reader.Read(tensor, 4, part);
        Assert.Equal([0, 0, 0, 64], part);
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read(tensor, 5, part));
        Assert.Throws<ArgumentException>(() => reader.Read(new TensorDescription("w", InterchangeType.F32, [2]), 0, part));
    }

    [Fact]
    public void Open_EveryPrefix_IsRefused()
    {
        for (int length = 0; length < Valid.Length; length++)
            Refused(Valid.AsSpan(0, length), TorchSharpError.Truncated);
    }

    [Fact]
    public void Open_BrokenRules_AreRefused()
    {
        Refused([255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], TorchSharpError.Number);
        Refused([.. Valid, 0], TorchSharpError.FileLength);
        Refused([0, 1, 2], TorchSharpError.FileLength);
        Refused([1, 0], TorchSharpError.Name);
        Refused([1, 0x81, 0x80, 0x04], TorchSharpError.Name);
        Refused([1, 1, 0xFF, 6, 0], TorchSharpError.Name);
        Refused([2, .. Valid.AsSpan(1), .. Valid.AsSpan(1)], TorchSharpError.DuplicateName);
        Refused([1, 1, (byte)'w', 8, 0], TorchSharpError.ElementType);
        Refused([1, 1, (byte)'w', 10, 0], TorchSharpError.ElementType);
        Refused([1, 1, (byte)'w', 6, 65], TorchSharpError.Shape);

        // 2^62 elements, 2^64 bytes.
        Refused([1, 1, (byte)'w', 6, 1, 128, 128, 128, 128, 128, 128, 128, 128, 64], TorchSharpError.Shape);

        // More tensors than the file has: found by its end, not by what they would take. And more than any file may have.
        Refused([255, 127, .. Valid.AsSpan(1)], TorchSharpError.Truncated);
        Refused([255, 255, 255, 255, 255, 255, 255, 127, .. Valid.AsSpan(1)], TorchSharpError.TensorCount);
        Refused(Encoding.ASCII.GetBytes("This is a text and no model of any kind, which is why it is refused."), null);
    }

    [Fact]
    public void Misuse_Throws()
    {
        Assert.Throws<ArgumentNullException>(() => TorchSharpReader.Open(null!));
        Assert.Throws<ArgumentException>(() => TorchSharpReader.Open(""));
        Assert.Throws<FileNotFoundException>(() => TorchSharpReader.Open(path + ".none"));
        Assert.Throws<UnauthorizedAccessException>(() => TorchSharpReader.Open(Path.GetTempPath()));
        File.WriteAllBytes(path, Valid);
        using TorchSharpReader reader = TorchSharpReader.Open(path);
        TensorDescription tensor = reader.Tensors[0];
        Assert.Throws<ArgumentNullException>(() => reader.Read(null!, 0, new byte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read(tensor, -1, new byte[1]));
        Assert.Throws<ArgumentNullException>(() => TorchSharpConverter.Compress(null!, path));
        Assert.Throws<ArgumentNullException>(() => TorchSharpConverter.Decompress(null!, path));
        reader.Dispose();
        Assert.Throws<ObjectDisposedException>(() => reader.Read(tensor, 0, new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => TorchSharpConverter.Compress(reader, path + ".ncm"));
        Assert.False(File.Exists(path + ".ncm"));
    }

    // Seven bytes a tensor that has none: a file of 2 MB must not take a hundred times that.
    [Theory]
    [InlineData(262_144, true)]
    [InlineData(262_145, false)]
    public void Open_ManyEmptyTensors_EndsAtTheLimit(int count, bool isAccepted)
    {
        var content = new List<byte> { (byte)(count | 0x80), (byte)((count >> 7) | 0x80), (byte)(count >> 14) };
        for (int i = 0; i < count; i++)
            content.AddRange([3, (byte)(i & 0x7F), (byte)((i >> 7) & 0x7F), (byte)(i >> 14), 6, 1, 0]);
        if (isAccepted)
        {
            File.WriteAllBytes(path, [.. content]);
            using TorchSharpReader reader = TorchSharpReader.Open(path);
            Assert.Equal(count, reader.Tensors.Count);
        }
        else
        {
            Refused([.. content], TorchSharpError.TensorCount);
        }
    }

    [Fact]
    public void Open_EverySingleBitChange_IsReadOrRefusedWithACode()
    {
        // Two tensors, so that a change of the first may make something else of the second.
        byte[] content = [2, .. Valid.AsSpan(1), 1, (byte)'v', 1, 2, 1, 2, 7, 9];
        int refused = 0;
        for (int at = 0; at < content.Length; at++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                byte[] changed = [.. content];
                changed[at] ^= (byte)(1 << bit);
                File.WriteAllBytes(path, changed);
                try
                {
                    using TorchSharpReader reader = TorchSharpReader.Open(path);
                    foreach (TensorDescription tensor in reader.Tensors)
                        reader.Read(tensor, 0, new byte[tensor.ByteLength]);
                }
                catch (InvalidDataException exception)
                {
                    Assert.IsType<TorchSharpError>(exception.Data["NeuralCompression.Error"]);
                    refused++;
                }
            }
        }

        Assert.InRange(refused, 50, content.Length * 8);
    }

    // No elements, and axes whose product does not fit 64 bits.
    [Fact]
    public void RoundTrip_EmptyTensorOfHugeAxes_ComesBack()
    {
        byte[] huge = [128, 128, 128, 128, 128, 128, 128, 128, 64];
        byte[] content = [1, 1, (byte)'w', 6, 3, 0, .. huge, .. huge];
        File.WriteAllBytes(path, content);
        using var folder = new SafetensorsFolder();
        using (TorchSharpReader source = TorchSharpReader.Open(path))
            TorchSharpConverter.Compress(source, folder["model.ncm"], new ModelConversionOptions { Bits = 4, PerChannel = true });
        CompressedModelUpdate.Create(folder["model.ncm"], folder["model.ncm"], folder["update.ncmu"]);
        CompressedModelUpdate.Apply(folder["model.ncm"], folder["update.ncmu"], folder["next.ncm"]);
        using CompressedModelReader model = CompressedModelReader.Open(folder["next.ncm"]);
        Assert.Equal([0, 1L << 62, 1L << 62], model.Tensors[0].Shape.ToArray());
        TorchSharpConverter.Decompress(model, path);
        Assert.Equal(content, File.ReadAllBytes(path));
    }

    // A name that safetensors has taken for itself is one like any other here.
    [Fact]
    public void Decompress_NameThatSafetensorsKeeps_ComesBack()
    {
        byte[] name = Encoding.ASCII.GetBytes("__metadata__");
        byte[] content = [1, (byte)name.Length, .. name, .. Valid.AsSpan(3)];
        File.WriteAllBytes(path, content);
        using var folder = new SafetensorsFolder();
        string compressed = folder["model.ncm"];
        using (TorchSharpReader source = TorchSharpReader.Open(path))
            TorchSharpConverter.Compress(source, compressed);
        using CompressedModelReader model = CompressedModelReader.Open(compressed);
        TorchSharpConverter.Decompress(model, path);
        Assert.Equal(content, File.ReadAllBytes(path));
        Assert.Throws<NotSupportedException>(() => SafetensorsConverter.Decompress(model, folder["model.safetensors"]));
    }

    [Fact]
    public void Decompress_TypesTorchSharpLacks_AreNamed()
    {
        using var file = new MemoryStream();
        using (var writer = CompressedModelWriter.Create(file, leaveOpen: true))
        {
            writer.Add("u", ElementType.UInt32, [1], new byte[4]);
            writer.Complete();
        }

        file.Position = 0;
        using var reader = CompressedModelReader.Open(file);
        Assert.Contains("'u'", Assert.Throws<NotSupportedException>(() => TorchSharpConverter.Decompress(reader, path)).Message, StringComparison.Ordinal);
        Assert.Equal(0, new FileInfo(path).Length);
    }

    private void Refused(ReadOnlySpan<byte> content, TorchSharpError? error)
    {
        File.WriteAllBytes(path, content);
        var exception = Assert.Throws<InvalidDataException>(() => TorchSharpReader.Open(path));
        var code = Assert.IsType<TorchSharpError>(exception.Data["NeuralCompression.Error"]);
        if (error is not null)
            Assert.Equal(error, code);
    }
}
