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
    private readonly MutationTarget target;
    private readonly XorShift random;
    private long accepted;
    private double mostWork;

    private GuidedRun(MutationTarget target, ulong seed) => (this.target, random) = (target, new XorShift(seed));

    /// <summary>Runs and gives a report in words. Called in the instrumented context.</summary>
    internal static string Start(string name, long executions, ulong seed, string? folder)
    {
        using MutationTarget target = MutationTarget.Create(name);
        var run = new GuidedRun(target, seed);
        byte[][] files = [.. target.Files];
        if (folder is not null)
            files = [.. files, .. Directory.EnumerateFiles(folder, "*" + target.Extension, SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];

        // Once before anything counts, so that static tables are there.
        foreach (byte[] file in files)
        {
            for (int way = 0; way < target.Ways; way++)
                target.Read(file, way);
        }

        foreach (byte[] file in files)
            run.Try(file, 0, folder);
        int first = run.pool.Count;
        for (long i = 0; i < executions; i++)
            run.Try(run.Mutant(), run.random.Next(target.Ways), folder);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{executions} executions: {first} inputs to start from and {run.pool.Count - first} found reach {run.seen.Count(value => value != 0)} edges; {run.accepted} accepted; the most work was {run.mostWork:P1} of its bound.");
    }

    // Half of the time of one of the newest.
    private byte[] Mutant() => target.Mutate(random.Next(2) == 0 ? pool[pool.Count - 1 - random.Next(Math.Min(pool.Count, 64))] : pool[random.Next(pool.Count)], pool, random);

    private void Try(byte[] input, int way, string? folder)
    {
        Coverage.Reset();
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            MutationTarget.Reading reading = target.Read(input, way);
            Check("bytes allocated", GC.GetAllocatedBytesForCurrentThread() - before, reading.MostBytes);
            Check("blocks run", Coverage.Blocks, reading.MostBlocks);
            mostWork = Math.Max(mostWork, (double)Coverage.Blocks / reading.MostBlocks);
            if (reading.Refusal is null)
            {
                accepted++;
                target.Examine(input);
            }
        }
        catch (Exception exception)
        {
            if (folder is not null)
                File.WriteAllBytes(Path.Combine(folder, "crash" + target.Extension), input);
            throw new InvalidOperationException($"An input, read in way {way}, escaped with {exception.GetType().Name}: {Convert.ToHexString(input)}", exception);
        }

        if (IsNew() && input.Length <= MaxLength)
        {
            pool.Add(input);
            if (folder is not null)
                File.WriteAllBytes(Path.Combine(folder, $"{pool.Count:D6}{target.Extension}"), input);
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
