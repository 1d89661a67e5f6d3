using System.Globalization;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Seeded mutations of valid files. NEURALCOMPRESSION_MUTATIONS sets how many (default 10,000), NEURALCOMPRESSION_SEED where they start.</summary>
public sealed class MutationTests
{
    [Fact]
    public void Read_MutatedFile_ThrowsOnlyWhatTheContractNames()
    {
        long count = Setting("NEURALCOMPRESSION_MUTATIONS", 10_000);
        ulong seed = (ulong)Setting("NEURALCOMPRESSION_SEED", 1);
        byte[][] files = [.. Samples.Names.Select(Samples.Write)];
        long accepted = 0;
        for (long i = 0; i < count; i++)
        {
            var random = new XorShift(seed + (ulong)i);
            byte[] mutant = Mutate(files[random.Next(files.Length)], files, random);
            bool repaired = (i & 1) == 1 && Victim.Repair(mutant);
            try
            {
                if (Victim.Survives(mutant, out _, forward: repaired && (i & 2) != 0))
                    accepted++;
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException(FormattableString.Invariant($"Mutation {seed + (ulong)i} of the run escaped: {Convert.ToHexString(mutant)}"), exception);
            }
        }

        // With right checksums some mutants are valid files: a changed name, step or bias.
        Assert.InRange(accepted, 1, count * 3 / 4);
    }

    private static long Setting(string name, long fallback) =>
        long.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : fallback;

    private static byte[] Mutate(byte[] file, byte[][] all, XorShift random)
    {
        var bytes = new List<byte>(file);
        int times = 1 + random.Next(4);
        for (int i = 0; i < times && bytes.Count > 0; i++)
        {
            // Half of the changes hit header and index, which are short.
            int at = random.Next(2) == 0 ? random.Next(Math.Min(bytes.Count, 160)) : random.Next(bytes.Count);
            switch (random.Next(7))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes[at] = random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => 0x80 };
                    break;
                case 3:
                    bytes.RemoveRange(at, Math.Min(bytes.Count - at, 1 + random.Next(8)));
                    break;
                case 4:
                    bytes.InsertRange(at, Enumerable.Range(0, 1 + random.Next(8)).Select(_ => (byte)random.Next(256)));
                    break;
                case 5:
                    byte[] other = all[random.Next(all.Length)];
                    int from = random.Next(other.Length);
                    int count = Math.Min(1 + random.Next(16), Math.Min(other.Length - from, bytes.Count - at));
                    for (int j = 0; j < count; j++)
                        bytes[at + j] = other[from + j];
                    break;
                default:
                    bytes[at] += (byte)(random.Next(2) == 0 ? 1 : -1);
                    break;
            }
        }

        return [.. bytes];
    }
}
