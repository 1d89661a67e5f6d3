namespace NeuralCompression.Codec.Tests.Interchange;

/// <summary>Files that are written are those the reference library writes, whole or not there.</summary>
public sealed class SafetensorsWriterTests
{
    [Fact]
    public void Write_TensorsOfAReferenceFile_GivesItsBytes()
    {
        using var folder = new SafetensorsFolder();
        using (SafetensorsReader reader = SafetensorsReader.Open(SafetensorsReaderTests.ReferencePath))
        using (SafetensorsWriter writer = SafetensorsWriter.Create(folder["copy.safetensors"], reader.Tensors, reader.Metadata))
        {
            foreach (TensorDescription tensor in reader.Tensors)
                writer.Write(SafetensorsFolder.Bytes(reader, tensor));
            Assert.DoesNotContain("copy.safetensors", folder.Names);
            writer.Complete();
        }

        Assert.Equal(File.ReadAllBytes(SafetensorsReaderTests.ReferencePath), File.ReadAllBytes(folder["copy.safetensors"]));
        Assert.Equal(["copy.safetensors"], folder.Names);
    }

    [Fact]
    public void Write_InShards_GivesFilesAndAnIndexThatOpen()
    {
        using var folder = new SafetensorsFolder();
        TensorDescription[] tensors = [.. Enumerable.Range(0, 5).Select(i => new TensorDescription($"t{i}", InterchangeType.U8, [i * 10])), new("last", InterchangeType.F64, [])];
        IReadOnlyList<string> announced = SafetensorsWriter.FilesOf(folder["m.safetensors"], tensors, 40);
        using (SafetensorsWriter writer = SafetensorsWriter.Create(folder["m.safetensors"], tensors, maxShardBytes: 40))
        {
            // One call over the ends of tensors and files.
            writer.Write([.. Enumerable.Range(0, 108).Select(i => (byte)i)]);
            writer.Complete();
        }

        Assert.Equal(["m-00001-of-00004.safetensors", "m-00002-of-00004.safetensors", "m-00003-of-00004.safetensors", "m-00004-of-00004.safetensors", "m.safetensors.index.json"], folder.Names);
        Assert.Equal(folder.Names, announced.Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        using SafetensorsReader reader = SafetensorsReader.Open(folder["m.safetensors.index.json"]);
        Assert.Equal(tensors.Select(tensor => tensor.Name), reader.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(Enumerable.Range(0, 108).Select(i => (byte)i), reader.Tensors.SelectMany(tensor => SafetensorsFolder.Bytes(reader, tensor)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void Complete_BytesMissing_ThrowsAndLeavesNothing(int written)
    {
        using var folder = new SafetensorsFolder();
        using (SafetensorsWriter writer = SafetensorsWriter.Create(folder["m.safetensors"], [new("a", InterchangeType.F32, [2])]))
        {
            writer.Write(new byte[written]);
            Assert.Throws<InvalidOperationException>(writer.Complete);
        }

        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Write_TooMuch_Throws()
    {
        using var folder = new SafetensorsFolder();
        using SafetensorsWriter writer = SafetensorsWriter.Create(folder["m.safetensors"], [new("a", InterchangeType.F32, [2])]);
        writer.Write(new byte[8]);
        Assert.Throws<ArgumentException>(() => writer.Write(new byte[1]));
        writer.Complete();
        Assert.Throws<InvalidOperationException>(() => writer.Write(new byte[1]));
    }

    [Fact]
    public void Create_BadTensors_AreRefused()
    {
        using var folder = new SafetensorsFolder();
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Create(folder["c.safetensors"], [new("__metadata__", InterchangeType.F32, [2])]));
        Assert.Throws<ArgumentException>(() => new TensorDescription("a", InterchangeType.F4, [3]));
        Assert.Throws<ArgumentException>(() => new TensorDescription("a", InterchangeType.F64, [1L << 62]));
        Assert.Throws<ArgumentException>(() => new TensorDescription("a", InterchangeType.F64, [-1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new TensorDescription("a", (InterchangeType)22, [1]));
        var twice = new TensorDescription("a", InterchangeType.U8, [1]);
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Create(folder["m.safetensors"], [twice, twice]));
        Assert.Throws<ArgumentOutOfRangeException>(() => SafetensorsWriter.Create(folder["m.safetensors"], [twice], maxShardBytes: 0));
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Write_NoTensors_GivesAnEmptyModel()
    {
        using var folder = new SafetensorsFolder();
        using (SafetensorsWriter writer = SafetensorsWriter.Create(folder["m.safetensors"], []))
            writer.Complete();
        using SafetensorsReader reader = SafetensorsReader.Open(folder["m.safetensors"]);
        Assert.Empty(reader.Tensors);
        Assert.Equal(16, new FileInfo(folder["m.safetensors"]).Length);
    }
}
