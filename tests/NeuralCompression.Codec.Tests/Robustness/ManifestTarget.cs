using System.Text;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Manifests of sets, whose files stand beside them and are whole.</summary>
internal sealed class ManifestTarget : MutationTarget
{
    private readonly string folder = Directory.CreateTempSubdirectory("manifests").FullName;

    internal ManifestTarget()
    {
        string[] names = ["a.ncm", "b.ncm", "c.ncm"];
        foreach (string name in names)
            File.WriteAllBytes(Path.Combine(folder, name), Samples.Write(writer => writer.Add(name, [3], [1f, 2f, 3f])));
        Files = [.. Enumerable.Range(1, names.Length).Select(count =>
        {
            string path = Path.Combine(folder, "whole.ncms");
            CompressedModelSet.Combine(path, names[..count]);
            return File.ReadAllBytes(path);
        })];
    }

    internal override IReadOnlyList<byte[]> Files { get; }

    internal override string Extension => ".ncms";

    internal override byte[] Mutate(byte[] file, IReadOnlyList<byte[]> others, XorShift random) => JsonMutator.Change(file, others, random);

    private protected override void Read(byte[] file, int way, Reading reading)
    {
        string path = Path.Combine(folder, "mutant.ncms");
        File.WriteAllBytes(path, file);
        reading.MostBytes = ResourceBounds.AllocatedBytesOfText(file.Length);
        reading.MostBlocks = ResourceBounds.BlocksOfText(file.Length);
        using CompressedModelSet set = CompressedModelSet.Open(path, Victim.Limits);
        set.Verify();
        foreach (CompressedTensorInfo tensor in set.Tensors)
            set.ReaderOf(tensor).DecodeBytes(tensor, new byte[tensor.DecodedBytes]);
    }

    // A name of a file that is not there, or of a folder.
    private protected override bool IsRefusal(Exception exception) => exception is NotSupportedException or IOException or UnauthorizedAccessException;

    private protected override void Dispose(bool disposing)
    {
        Directory.Delete(folder, recursive: true);
        base.Dispose(disposing);
    }
}
