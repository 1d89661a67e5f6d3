namespace NeuralCompression.Codec.Tests.Container;

/// <summary>Contract 7: a file appears by Complete alone.</summary>
public sealed class AtomicSaveTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("ncm");

    private string Target => Path.Combine(folder.FullName, "model.ncm");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void Complete_NewFile_IsTheOnlyFile()
    {
        Save("new", complete: true);
        Assert.Equal([Target], Directory.GetFiles(folder.FullName));
        using var reader = CompressedModelReader.Open(Target);
        Assert.Equal("new", reader.Tensors[0].Name);
    }

    [Fact]
    public void Dispose_WithoutComplete_LeavesNothing()
    {
        Save("new", complete: false);
        Assert.Empty(Directory.GetFiles(folder.FullName));
    }

    [Fact]
    public void Exception_InTheMiddle_LeavesTheOldFileWhole()
    {
        Save("old", complete: true);
        byte[] old = File.ReadAllBytes(Target);
        Assert.Throws<ArgumentException>(() =>
        {
            using var writer = CompressedModelWriter.Create(Target);
            writer.Add("new", ElementType.UInt8, [20 << 20], Noise(20 << 20));
            writer.Add("new", ElementType.UInt8, [0], []);
        });
        Assert.Equal(old, File.ReadAllBytes(Target));
        Assert.Equal([Target], Directory.GetFiles(folder.FullName));
    }

    [Fact]
    public void Complete_OverAnOldFile_ReplacesItWhileItIsRead()
    {
        Save("old", complete: true);
        using (var reader = CompressedModelReader.Open(Target))
        {
            Save("new", complete: true);
            reader.DecodeBytes(reader["old"], new byte[4]);
        }

        using var after = CompressedModelReader.Open(Target);
        Assert.Equal("new", after.Tensors[0].Name);
    }

    [Fact]
    public void Complete_ThroughALink_KeepsTheLink()
    {
        Save("old", complete: true);
        string link = Path.Combine(folder.FullName, "link.ncm");
        File.CreateSymbolicLink(link, "model.ncm");
        Save("new", complete: true, link);
        Assert.Equal("model.ncm", new FileInfo(link).LinkTarget);
        using var reader = CompressedModelReader.Open(Target);
        Assert.Equal("new", reader.Tensors[0].Name);
    }

    [Fact]
    public void Create_InAMissingFolderOrOverAFolder_ThrowsAtOnce()
    {
        Assert.Throws<DirectoryNotFoundException>(() => CompressedModelWriter.Create(Path.Combine(folder.FullName, "missing", "model.ncm")));
        Assert.Throws<IOException>(() => CompressedModelWriter.Create(folder.FullName));
    }

    [Fact]
    public void Complete_StreamFails_SecondCompleteIsRefused()
    {
        using var writer = CompressedModelWriter.Create(new MemoryStream(new byte[10]));
        writer.Add("w", ElementType.UInt8, [100], Noise(100));
        Assert.Throws<NotSupportedException>(() => writer.Complete());
        Assert.Throws<InvalidOperationException>(() => writer.Complete());
    }

    private static byte[] Noise(int length)
    {
        var random = new XorShift(1);
        var bytes = new byte[length];
        foreach (ref byte value in bytes.AsSpan())
            value = (byte)random.Next();
        return bytes;
    }

    private void Save(string name, bool complete, string? path = null)
    {
        using var writer = CompressedModelWriter.Create(path ?? Target);
        writer.Add(name, ElementType.UInt8, [4], [1, 2, 3, 4]);
        if (complete)
            writer.Complete();
    }
}
