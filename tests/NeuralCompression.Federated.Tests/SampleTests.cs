using System.Globalization;
using NeuralCompression.Codec;

namespace NeuralCompression.Federated.Tests;

/// <summary>The sample in its short form, with silos that are really killed.</summary>
public sealed class SampleTests : IDisposable
{
    private const int FloatBytes = 4 * 266_610;

    private readonly Sample sample = new();

    public void Dispose() => sample.Dispose();

    [Fact]
    public void Rounds_WithTwoSilosKilled_GiveTheModelsOfAnUndisturbedRun()
    {
        string data = FewImages.Write(sample["data"], train: 3_600, test: 1_000);
        string output = sample.Run("rounds", "--workers", "3", "--rounds", "3", "--images", "1000", "--data", data);

        Assert.Contains("killed: worker 2 half way through round 2", output, StringComparison.Ordinal);
        Assert.Contains("killed: coordinator has 2 of 3 contributions to round 3", output, StringComparison.Ordinal);
        string[][] rounds = [.. output.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(words => words.Length == 7 && int.TryParse(words[0], out _))];
        Assert.Equal(6, rounds.Length);
        Assert.All(rounds, words => Assert.Equal("3", words[1]));
        for (int round = 1; round <= 3; round++)
        {
            byte[] undisturbed = File.ReadAllBytes(Path.Combine(sample.Output, "undisturbed", $"round-{round}.ncm"));
            Assert.Equal(undisturbed, File.ReadAllBytes(Path.Combine(sample.Output, "disturbed", $"round-{round}.ncm")));
            using var reader = CompressedModelReader.Open(new MemoryStream(undisturbed));
            Assert.Equal(["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"], reader.Tensors.Select(tensor => tensor.Name));
            Assert.InRange(undisturbed.Length, 100, FloatBytes / 20);
        }

        // Nine of ten images are wrong before the first round.
        Assert.InRange(double.Parse(rounds[^1][^1], CultureInfo.InvariantCulture), 0, 50);
    }

    [Fact]
    public void Checkpoint_WithASiloKilled_GivesTheFilesOfAnUndisturbedRun()
    {
        string output = sample.Run("checkpoint", "--layers", "3");

        Assert.Contains("killed: model-00003-of-00003.safetensors half compressed", output, StringComparison.Ordinal);
        string[] names = ["model-00001-of-00003.ncm", "model-00002-of-00003.ncm", "model-00003-of-00003.ncm", "model.ncms"];
        foreach (string run in (string[])["undisturbed", "disturbed"])
            Assert.Equal(names, Directory.EnumerateFileSystemEntries(Path.Combine(sample.Output, run)).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        Assert.All(names, name => Assert.Equal(File.ReadAllBytes(Path.Combine(sample.Output, "undisturbed", name)), File.ReadAllBytes(Path.Combine(sample.Output, "disturbed", name))));

        using var set = CompressedModelSet.Open(Path.Combine(sample.Output, "disturbed", "model.ncms"));
        set.Verify();
        using var checkpoint = SafetensorsReader.Open(Path.Combine(sample.Output, "checkpoint", "model.safetensors.index.json"));
        Assert.Equal(15, checkpoint.Tensors.Count);
        Assert.Equal(checkpoint.Tensors.Count, set.Tensors.Count);
        foreach (TensorDescription tensor in checkpoint.Tensors)
        {
            byte[] before = new byte[tensor.ByteLength];
            byte[] after = new byte[tensor.ByteLength];
            checkpoint.Read(tensor, 0, before);
            set.ReaderOf(set[tensor.Name]).DecodeBytes(set[tensor.Name], after);
            Assert.True(before.AsSpan().SequenceEqual(after), tensor.Name);
        }
    }
}
