using System.Globalization;
using System.Numerics;
using NeuralCompression.Codec.Tests;
using NeuralCompression.Codec.Tests.Robustness;

namespace NeuralCompression.Fuzz;

/// <summary>Mutates what has reached something new; keeps what reaches something new again. The same seed does the same.</summary>
internal sealed class GuidedRun
{
    /// <summary>Longer inputs are slow and reach nothing that short ones do not.</summary>
    private const int MaxLength = 1 << 13;

    private readonly byte[] seen = new byte[Coverage.MapSize];
    private readonly List<byte[]> pool = [];
    private readonly XorShift random;
    private long accepted;
    private double mostWork;

    private GuidedRun(ulong seed) => random = new XorShift(seed);

    /// <summary>Runs and gives a report in words. Called in the instrumented context.</summary>
    internal static string Start(long executions, ulong seed, string? folder)
    {
        var run = new GuidedRun(seed);
        byte[][] files = [.. Corpus.Files.Select(file => file.File)];
        if (folder is not null)
            files = [.. files, .. Directory.EnumerateFiles(folder, "*.ncm", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];

        // Once before anything counts, so that static tables are there.
        foreach (byte[] file in files)
            Victim.Survives(file, out _);
        foreach (byte[] file in files)
            run.Try(file, Victim.Source.Stream, folder);
        int first = run.pool.Count;
        for (long i = 0; i < executions; i++)
            run.Try(run.Mutant(), (Victim.Source)run.random.Next(4), folder);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{executions} executions: {first} inputs of the corpus and {run.pool.Count - first} found reach {run.seen.Count(value => value != 0)} edges; {run.accepted} accepted; the most work was {run.mostWork:P1} of its bound.");
    }

    private byte[] Mutant()
    {
        // Half of the time one of the newest.
        byte[] parent = pool[random.Next(2) == 0 ? pool.Count - 1 - random.Next(Math.Min(pool.Count, 64)) : random.Next(pool.Count)];
        int way = random.Next(8);
        if (way < 4 && Victim.Survives(parent, out _))
            return Mutator.Structure(parent, pool, random);
        byte[] mutant = Mutator.Bytes(parent, pool, random);
        if (way < 7)
            Mutator.Repair(mutant);
        return mutant;
    }

    private void Try(byte[] input, Victim.Source source, string? folder)
    {
        var outcome = new Victim.Outcome();
        Coverage.Reset();
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            if (Victim.Survives(input, out _, source, outcome))
                accepted++;
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Check("bytes allocated", allocated, ResourceBounds.AllocatedBytes(input.Length, outcome));
            Check("blocks run", Coverage.Blocks, ResourceBounds.Blocks(input.Length, outcome));
            mostWork = Math.Max(mostWork, (double)Coverage.Blocks / ResourceBounds.Blocks(input.Length, outcome));
        }
        catch (Exception exception)
        {
            if (folder is not null)
                File.WriteAllBytes(Path.Combine(folder, "crash.ncm"), input);
            throw new InvalidOperationException($"An input, read as {source}, escaped with {exception.GetType().Name}: {Convert.ToHexString(input)}", exception);
        }

        if (IsNew() && input.Length <= MaxLength)
        {
            pool.Add(input);
            if (folder is not null)
                File.WriteAllBytes(Path.Combine(folder, $"{pool.Count:D6}.ncm"), input);
        }
    }

    private static void Check(string what, long value, long most)
    {
        if (value > most)
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"{value} {what}; the bound is {most}."));
    }

    // An edge, or an edge taken twice, four times, ... as often as before.
    private bool IsNew()
    {
        bool isNew = false;
        Span<byte> map = Coverage.Map;
        for (int i = map.IndexOfAnyExcept((byte)0); i < map.Length;)
        {
            byte bit = (byte)(1 << BitOperations.Log2(map[i]));
            isNew |= (seen[i] & bit) == 0;
            seen[i] |= bit;
            int next = map[(i + 1)..].IndexOfAnyExcept((byte)0);
            if (next < 0)
                break;
            i += next + 1;
        }

        return isNew;
    }
}
