using System.Globalization;
using NeuralCompression.Codec.Tests.Reference;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Seeded mutations of valid files. NEURALCOMPRESSION_MUTATIONS sets how many (default 100,000), NEURALCOMPRESSION_SEED where they start.</summary>
public sealed class MutationTests
{
    [Fact]
    public void Read_MutatedFile_ThrowsOnlyWhatTheContractNames()
    {
        long count = Setting("NEURALCOMPRESSION_MUTATIONS", 100_000);
        var run = new MutationRun();
        long compared = 0;
        run.Run((ulong)Setting("NEURALCOMPRESSION_SEED", 1), count, mutant =>
        {
            // What is accepted means the same to the decoder that was written from the document; that one is slow.
            if (run.Accepted % 8 != 0)
                return;
            DifferentialTests.AssertAgree(mutant);
            compared++;
        });

        Assert.Equal(count, run.Tried);

        // With right checksums some mutants are valid files: a changed name, step or bias.
        Assert.InRange(run.Accepted, count / 50, count / 2);
        Assert.InRange(compared, run.Accepted / 16, run.Accepted);
        Assert.All(Enum.GetValues<Coding>(), coding => Assert.InRange(run.Reached(coding), count / 200, count));
    }

    private static long Setting(string name, long fallback) =>
        long.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : fallback;
}
