namespace NeuralCompression.Codec.Tests.Vectors;

/// <summary>Every file in tests/vectors/invalid is refused with the code its name starts with and the message of the manifest.</summary>
public sealed class HostileTests
{
    public static TheoryData<string> Names => [.. HostileFiles.All().Select(file => file.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Read_HostileFile_IsRefusedWithItsCodeAndMessage(string name)
    {
        byte[] forged = HostileFiles.All().Single(file => file.Name == name).File;
        string path = Path.Combine(VectorFiles.Invalid, name + ".ncm");
        Exception refusal = Refusal(forged);
        if (!File.Exists(path) && VectorFiles.MayWrite)
        {
            File.WriteAllBytes(path, forged);
            File.AppendAllText(Path.Combine(VectorFiles.Invalid, "manifest.tsv"), $"{name}\t{refusal.Message}\n");
        }

        Assert.Equal(Convert.ToHexString(File.ReadAllBytes(path)), Convert.ToHexString(forged));
        Assert.Equal(VectorFiles.Manifest(VectorFiles.Invalid).Single(line => line[0] == name)[1], refusal.Message);
        string code = name.Split('-')[0];
        if (code == "NotSupported")
        {
            Assert.IsType<NotSupportedException>(refusal);
        }
        else
        {
            Assert.Equal(Enum.Parse<ContainerError>(code), Assert.IsType<InvalidDataException>(refusal).Data["NeuralCompression.Error"]);
            Assert.InRange((long)refusal.Data["NeuralCompression.Offset"]!, 0, forged.Length + 64);
        }
    }

    [Fact]
    public void Vectors_HaveAFileForEveryCode()
    {
        IEnumerable<string> codes = VectorFiles.Manifest(VectorFiles.Invalid).Select(line => line[0].Split('-')[0]).Distinct().Where(code => code != "NotSupported");
        Assert.Equal(Enum.GetNames<ContainerError>().Order(StringComparer.Ordinal), codes.Order(StringComparer.Ordinal));
    }

    private static Exception Refusal(byte[] file)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exception? refusal = Record.Exception(() =>
        {
            using var reader = Samples.Open(file);
            foreach (CompressedTensorInfo tensor in reader.Tensors)
                reader.DecodeBytes(tensor, new byte[tensor.DecodedBytes]);
        });
        Assert.NotNull(refusal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        return refusal;
    }
}
