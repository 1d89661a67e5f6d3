namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Every truncation and every single-byte change of small files.</summary>
public sealed class DamageTests
{
    public static TheoryData<string> Files => ["lenet-like", "grids", "aligned"];

    [Theory]
    [MemberData(nameof(Files))]
    public void Read_EveryTruncation_IsRefused(string name)
    {
        byte[] file = Samples.Write(name);
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

    // The checksum is put right, so only the coder itself can notice. One lane of 31 bits: a change goes unseen about once in 2^16.
    [Fact]
    public void Read_ChangedRansPayloadWithRightChecksum_IsCaughtByTheEndState()
    {
        byte[] file = Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(Samples.Sparse(2000, 1, 200), [2000], QuantizationGrid.Uniform(1))));
        using var reader = Samples.Open(file);
        int start = (int)reader["w"].Entry.PayloadOffset;
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
                if (Victim.Survives(damaged, out _))
                    missed++;
            }
        }

        Assert.InRange(missed, 0, tries / 500);
    }
}
