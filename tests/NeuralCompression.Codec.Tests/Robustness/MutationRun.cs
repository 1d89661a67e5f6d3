using System.Globalization;
using System.Text;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Seeded mutations of the corpus, read in every way; every run of the same seeds does the same.</summary>
internal sealed class MutationRun
{
    private readonly byte[][] files = [.. Corpus.Files.Select(file => file.File)];
    private readonly Dictionary<Coding, long> reached = [];
    private readonly Dictionary<ContainerError, long> refused = [];
    private long notSupported;

    /// <summary>Reads every file of the corpus once, so that what is made once for all is not counted against a mutant.</summary>
    internal MutationRun()
    {
        foreach (byte[] file in files)
        {
            if (!Victim.Survives(file, out Exception? refusal))
                throw new InvalidOperationException("A file of the corpus is refused.", refusal);
        }
    }

    /// <summary>Mutants tried.</summary>
    internal long Tried { get; private set; }

    /// <summary>Mutants that were valid files: a changed name, step or bias.</summary>
    internal long Accepted { get; private set; }

    /// <summary>The seed of the mutant that is being read.</summary>
    internal ulong Current { get; private set; }

    /// <summary>Mutants whose index was accepted with a segment of this coding.</summary>
    internal long Reached(Coding coding) => reached.GetValueOrDefault(coding);

    /// <summary>Tries the mutants of consecutive seeds.</summary>
    /// <param name="accepted">Is shown every mutant that was accepted by a reader that saw its end.</param>
    internal void Run(ulong firstSeed, long count, Action<byte[]>? accepted = null)
    {
        for (ulong seed = firstSeed; seed < firstSeed + (ulong)count; seed++)
        {
            Current = seed;
            byte[] mutant = Mutant(seed, out Victim.Source source);
            try
            {
                Try(mutant, source, accepted);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException(FormattableString.Invariant($"The mutant of seed {seed}, read as {source}, escaped with {exception.GetType().Name}: {Convert.ToHexString(mutant)}"), exception);
            }
        }
    }

    /// <summary>The mutant of a seed and how it is read.</summary>
    internal byte[] Mutant(ulong seed, out Victim.Source source)
    {
        var random = new XorShift(seed);
        byte[] file = files[random.Next(files.Length)];
        int way = random.Next(8);
        source = random.Next(8) switch { 0 => Victim.Source.Forward, 1 => Victim.Source.Ranges, 2 => Victim.Source.Async, _ => Victim.Source.Stream };
        if (way < 4)
            return Mutator.Structure(file, files, random);
        byte[] mutant = Mutator.Bytes(file, files, random);
        if (way < 7)
            Mutator.Repair(mutant);
        return mutant;
    }

    /// <summary>What was reached, and how mutants were refused.</summary>
    internal string Report()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Tried} mutants: {Accepted} accepted, {refused.Values.Sum()} refused, {notSupported} not supported.");
        foreach (Coding coding in Enum.GetValues<Coding>())
            text.AppendLine(CultureInfo.InvariantCulture, $"reached {coding.Name()}: {reached.GetValueOrDefault(coding)}");
        foreach (ContainerError error in Enum.GetValues<ContainerError>())
            text.AppendLine(CultureInfo.InvariantCulture, $"refused {error}: {refused.GetValueOrDefault(error)}");
        return text.ToString();
    }

    private void Try(byte[] mutant, Victim.Source source, Action<byte[]>? accepted)
    {
        var outcome = new Victim.Outcome();
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool survived = Victim.Survives(mutant, out Exception? refusal, source, outcome);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > ResourceBounds.AllocatedBytes(mutant.Length, outcome))
            throw new InvalidOperationException(FormattableString.Invariant($"{allocated} bytes were allocated; at most {ResourceBounds.AllocatedBytes(mutant.Length, outcome)} are expected."));
        Tried++;
        foreach (Coding coding in outcome.Codings)
            reached[coding] = reached.GetValueOrDefault(coding) + 1;
        if (survived)
        {
            Accepted++;

            // What follows the last payload is for the caller of a stream that cannot seek.
            if (source != Victim.Source.Forward)
                accepted?.Invoke(mutant);
        }
        else if (refusal is InvalidDataException)
        {
            var error = (ContainerError)refusal.Data[Invalid.ErrorKey]!;
            refused[error] = refused.GetValueOrDefault(error) + 1;
        }
        else
        {
            notSupported++;
        }
    }
}
