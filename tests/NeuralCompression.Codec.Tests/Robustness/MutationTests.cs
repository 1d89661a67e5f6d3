using System.Globalization;
using NeuralCompression.Codec.Tests.Reference;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Seeded mutations of valid files. NEURALCOMPRESSION_MUTATIONS sets how many, NEURALCOMPRESSION_SEED where they start.</summary>
public sealed class MutationTests
{
    private const string CountVariable = "NEURALCOMPRESSION_MUTATIONS";

    private static ulong Seed => (ulong)Setting("NEURALCOMPRESSION_SEED", 1);

    [Fact]
    public void Read_MutatedModel_ThrowsOnlyWhatTheContractNames()
    {
        long count = Setting(CountVariable, 100_000);
        using var target = new ModelTarget();
        var run = new MutationRun(target);
        long compared = 0;
        run.Run(Seed, count, (mutant, way) =>
        {
            // What is accepted means the same to the decoder that was written from the document; that one is slow, and sees what follows the last payload, which is for the caller of a stream that cannot seek.
            if (run.Accepted % 8 != 0 || way == (int)Victim.Source.Forward)
                return;
            DifferentialTests.AssertAgree(mutant);
            compared++;
        });

        Assert.Equal(count, run.Tried);

        // With right checksums some mutants are valid files: a changed name, step or bias.
        Assert.InRange(run.Accepted, count / 50, count / 2);
        Assert.InRange(compared, run.Accepted / 16, run.Accepted);
        Assert.All(Enum.GetValues<Coding>(), coding => Assert.InRange(run.Reached(coding.Name()), count / 200, count));
    }

    [Fact]
    public void Apply_MutatedUpdate_ThrowsOnlyWhatTheContractNames()
    {
        long count = Setting(CountVariable, 100_000);
        using var target = new UpdateTarget();
        var run = new MutationRun(target);

        // The result is checked, so a mutant that is accepted leads to the right model. Without the base it need not fit it.
        run.Run(Seed, count, (mutant, way) =>
        {
            if (way != UpdateTarget.Verified)
                ReferenceDecoder.Apply(UpdateTarget.Base, mutant);
        });
        Assert.Equal(count, run.Tried);
        Assert.InRange(run.Accepted, 1, count / 4);

        // Mutants get as far as every check there is.
        Assert.All(
            [ContainerError.UpdateBase, ContainerError.UpdateRecord, ContainerError.UpdateResult, ContainerError.SymbolValue, ContainerError.NotAnUpdate, ContainerError.AliasTarget, ContainerError.EntropyStream],
            error => Assert.InRange(run.Refused(error), count / 10_000, count));
    }

    // Whatever is accepted is compressed and comes back. Mutants get as far as every check there is, where files have codes of their own.
    [Theory]
    [InlineData("manifests", ContainerError.NotAContainer, ContainerError.Name, ContainerError.Truncated, ContainerError.PayloadChecksum)]
    [InlineData("safetensors", SafetensorsError.TooShort, SafetensorsError.HeaderLength, SafetensorsError.HeaderStart, SafetensorsError.Header, SafetensorsError.DuplicateKey, SafetensorsError.Metadata, SafetensorsError.ElementType, SafetensorsError.Shape, SafetensorsError.Offsets, SafetensorsError.FileLength)]
    [InlineData("safetensors-index", SafetensorsError.Index, SafetensorsError.DuplicateKey)]
    [InlineData("torchsharp", TorchSharpError.Truncated, TorchSharpError.Number, TorchSharpError.Name, TorchSharpError.DuplicateName, TorchSharpError.ElementType, TorchSharpError.Shape, TorchSharpError.FileLength, TorchSharpError.TensorCount)]
    public void Read_MutatedFile_ThrowsOnlyWhatIsDocumented(string name, params object[] reached)
    {
        long count = Setting(CountVariable, 5_000);
        using MutationTarget target = MutationTarget.Create(name);
        var run = new MutationRun(target);
        run.Run(Seed, count);
        Assert.Equal(count, run.Tried);
        Assert.InRange(run.Accepted, count / 50, count * 3 / 4);
        Assert.All(reached, error => Assert.InRange(run.Refused((Enum)error), 1, count));
    }

    private static long Setting(string name, long fallback) =>
        long.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : fallback;
}
