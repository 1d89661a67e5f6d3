namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Every truncation and every single-byte change of small files.</summary>
public sealed class DamageTests
{
    public static TheoryData<string> Files => ["lenet-like", "grids", "aligned", "metadata", "repeats"];

    // One of every kind of file and coding.
    public static TheoryData<string> All => [.. Corpus.Files.Where(file => file.File.Length < 2048).Select(file => file.Name).Distinct()];

    // Codings whose every bit reaches a coder that must end in its start state.
    public static TheoryData<string> Coded =>
        ["mixing", "mixing-flat", "mixing-kernels", "mixing-empty-lines", "mixing-center", "classified-kernels", "classified-lanes", "classified-empty-lines", "groups-of-2-all", "SmallestSize-kernels"];

    [Theory]
    [MemberData(nameof(All))]
    public void Read_EveryTruncation_IsRefused(string name)
    {
        byte[] file = Corpus.Files.First(other => other.Name == name).File;
        for (int length = 0; length < file.Length; length++)
        {
            Assert.False(Victim.Survives(file[..length], out _));
            Assert.False(Victim.Survives(file[..length], out _, Victim.Source.Forward));
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Read_EverySingleByteChange_IsRefusedCheaply(string name)
    {
        byte[] file = Samples.Write(name);
        Victim.Survives(file, out _, onlyBytes: true);
        long before = GC.GetAllocatedBytesForCurrentThread();
        long tries = 0;
        for (int i = 0; i < file.Length; i++)
        {
            byte original = file[i];
            for (int change = 1; change < 256; change++)
            {
                file[i] = (byte)(original ^ change);
                Assert.False(Victim.Survives(file, out _, onlyBytes: true), $"byte {i} changed by {change:X2}");
                tries++;
            }

            file[i] = original;
        }

        // A context-mixing model is about 200 KB whatever the tensor's size, and a file here has a few tensors.
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / tries, 0, 500_000);
    }

    // The checksum is put right, so only the coder itself can notice. What it cannot: a change that puts a symbol of the same odds in the place of another moves no state
    // but its own bit, as signs of even odds do; about one bit in fifty here.
    [Theory]
    [MemberData(nameof(Coded))]
    public void Read_ChangedPayloadWithRightChecksum_IsCaughtByTheCoder(string name) => AssertCaught(Corpus.Files.First(other => other.Name == name).File, 25);

    [Fact]
    public void Read_ChangedRansPayloadWithRightChecksum_IsCaughtByTheEndState() =>
        AssertCaught(Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(Samples.Sparse(2000, 1, 200), [2000], QuantizationGrid.Uniform(1)))), 500);

    private static void AssertCaught(byte[] file, int triesForEachMiss)
    {
        using var reader = Samples.Open(file);
        int start = (int)reader["w"].Entry.PayloadOffset;
        byte[] content = Samples.Bytes(reader, "w");
        int missed = 0;
        int tries = 0;
        for (int i = start; i < file.Length; i++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                byte[] damaged = [.. file];
                damaged[i] ^= (byte)(1 << bit);
                Assert.True(Mutator.Repair(damaged));
                tries++;

                // A parameter that changes nothing, such as the period of one row, does no harm.
                if (!Victim.Survives(damaged, out _))
                    continue;
                using CompressedModelReader accepted = Samples.Open(damaged);
                if (!Samples.Bytes(accepted, "w").AsSpan().SequenceEqual(content))
                    missed++;
            }
        }

        Assert.InRange(missed, 0, tries / triesForEachMiss);
    }
}
