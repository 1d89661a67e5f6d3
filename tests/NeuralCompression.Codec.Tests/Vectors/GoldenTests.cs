using System.Security.Cryptography;
using System.Text;

namespace NeuralCompression.Codec.Tests.Vectors;

/// <summary>Files of format version 1 that must decode for ever.</summary>
public sealed class GoldenTests
{
    public static TheoryData<string> Names => [.. VectorFiles.MayWrite ? Samples.Names : VectorFiles.Manifest(VectorFiles.Valid).Select(line => line[0])];

    [Theory]
    [MemberData(nameof(Names))]
    public void Read_GoldenFile_DecodesToTheStoredHash(string name)
    {
        string path = Path.Combine(VectorFiles.Valid, name + ".ncm");
        if (!File.Exists(path) && VectorFiles.MayWrite)
        {
            File.WriteAllBytes(path, Samples.Write(name));
            File.AppendAllText(Path.Combine(VectorFiles.Valid, "manifest.tsv"), $"{name}\t{Hash(File.ReadAllBytes(path))}\n");
        }

        string expected = VectorFiles.Manifest(VectorFiles.Valid).Single(line => line[0] == name)[1];
        Assert.Equal(expected, Hash(File.ReadAllBytes(path)));
    }

    // Fails when the encoder's choices change: then this list becomes shorter and new files join it; the old files stay for the test above.
    [Theory]
    [MemberData(nameof(Names))]
    public void Write_SameTensors_GivesTheGoldenBytes(string name) =>
        Assert.Equal(Convert.ToHexString(File.ReadAllBytes(Path.Combine(VectorFiles.Valid, name + ".ncm"))), Convert.ToHexString(Samples.Write(name)));

    [Fact]
    public void Manifest_HasEveryFile()
    {
        IEnumerable<string> files = Directory.EnumerateFiles(VectorFiles.Valid, "*.ncm").Select(path => Path.GetFileNameWithoutExtension(path));
        Assert.Equal(files.Order(StringComparer.Ordinal), VectorFiles.Manifest(VectorFiles.Valid).Select(line => line[0]).Order(StringComparer.Ordinal));
    }

    /// <summary>SHA-256 over what a user sees: names, shapes, types, values and texts, in file order.</summary>
    private static string Hash(byte[] file)
    {
        using var reader = Samples.Open(file);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (CompressedTensorInfo tensor in reader.Tensors)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{tensor.Name} {TensorShape.Format(tensor.Shape)} {tensor.ElementType} {tensor.Grid} {tensor.AliasOf}\n"));
            byte[] bytes = new byte[tensor.DecodedBytes];
            reader.DecodeBytes(tensor, bytes);
            hash.AppendData(bytes);
        }

        foreach ((string key, string value) in reader.Metadata)
            hash.AppendData(Encoding.UTF8.GetBytes($"{key}\t{value}\n"));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
