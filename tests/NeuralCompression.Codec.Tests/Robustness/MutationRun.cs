using System.Globalization;
using System.Text;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Seeded mutations of a target's files, read in every way; every run of the same seeds does the same.</summary>
internal sealed class MutationRun
{
    private const string NotSupported = "not supported";

    private readonly MutationTarget target;
    private readonly Dictionary<string, long> reached = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> refused = new(StringComparer.Ordinal);

    /// <summary>Reads every file of the target once in every way, so that what is made once for all is not counted against a mutant.</summary>
    internal MutationRun(MutationTarget target)
    {
        this.target = target;
        foreach (byte[] file in target.Files)
        {
            for (int way = 0; way < target.Ways; way++)
            {
                if (target.Read(file, way).Refusal is Exception refusal)
                    throw new InvalidOperationException("A file to start from is refused.", refusal);
            }
        }
    }

    /// <summary>Mutants tried.</summary>
    internal long Tried { get; private set; }

    /// <summary>Mutants that were valid files: a changed name, step or bias.</summary>
    internal long Accepted { get; private set; }

    /// <summary>Mutants that got to a place of the target.</summary>
    internal long Reached(string place) => reached.GetValueOrDefault(place);

    /// <summary>Mutants that were refused with a code.</summary>
    internal long Refused(Enum error) => refused.GetValueOrDefault(error.ToString());

    /// <summary>Tries the mutants of consecutive seeds.</summary>
    /// <param name="firstSeed">The first.</param>
    /// <param name="count">How many.</param>
    /// <param name="accepted">Is shown every mutant that was accepted, and in which way.</param>
    internal void Run(ulong firstSeed, long count, Action<byte[], int>? accepted = null)
    {
        for (ulong seed = firstSeed; seed < firstSeed + (ulong)count; seed++)
        {
            var random = new XorShift(seed);
            int way = random.Next(target.Ways);
            byte[] mutant = target.Mutate(target.Files[random.Next(target.Files.Count)], target.Files, random);
            try
            {
                Try(mutant, way, accepted);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException(FormattableString.Invariant($"The mutant of seed {seed}, read in way {way}, escaped with {exception.GetType().Name}: {Convert.ToHexString(mutant)}"), exception);
            }
        }
    }

    /// <summary>What was reached, and how mutants were refused.</summary>
    internal string Report()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Tried} mutants: {Accepted} accepted, {refused.Values.Sum()} refused.");
        foreach (string place in target.Places)
            text.AppendLine(CultureInfo.InvariantCulture, $"reached {place}: {Reached(place)}");
        foreach (string reason in Enum.GetNames(target.Errors).Union(refused.Keys.Order(StringComparer.Ordinal)))
            text.AppendLine(CultureInfo.InvariantCulture, $"refused, {reason}: {refused.GetValueOrDefault(reason)}");
        return text.ToString();
    }

    private void Try(byte[] mutant, int way, Action<byte[], int>? accepted)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        MutationTarget.Reading reading = target.Read(mutant, way);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > reading.MostBytes)
            throw new InvalidOperationException(FormattableString.Invariant($"{allocated} bytes were allocated; at most {reading.MostBytes} are expected."));
        Tried++;
        foreach (string place in reading.Reached)
            reached[place] = Reached(place) + 1;
        if (reading.Refusal is null)
        {
            Accepted++;
            target.Examine(mutant);
            accepted?.Invoke(mutant, way);
            return;
        }

        string reason = reading.Refusal.Data[Invalid.ErrorKey]?.ToString() ?? (reading.Refusal is NotSupportedException ? NotSupported : reading.Refusal.GetType().Name);
        refused[reason] = refused.GetValueOrDefault(reason) + 1;
    }
}
