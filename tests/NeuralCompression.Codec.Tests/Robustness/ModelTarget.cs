using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Compressed models.</summary>
internal sealed class ModelTarget : MutationTarget
{
    internal override IReadOnlyList<byte[]> Files { get; } = [.. Corpus.Files.Select(file => file.File)];

    internal override string Extension => ".ncm";

    internal override int Ways => Enum.GetValues<Victim.Source>().Length;

    internal override Type Errors => typeof(ContainerError);

    internal override IEnumerable<string> Places => Enum.GetValues<Coding>().Select(coding => coding.Name());

    internal override byte[] Mutate(byte[] file, IReadOnlyList<byte[]> others, XorShift random)
    {
        int way = random.Next(8);
        if (way < 4)
            return Mutator.Structure(file, others, random);
        byte[] mutant = Mutator.Bytes(file, others, random);
        if (way < 7)
            Mutator.Repair(mutant);
        return mutant;
    }

    private protected override void Read(byte[] file, int way, Reading reading)
    {
        var outcome = new Victim.Outcome();
        try
        {
            Victim.ReadAll(file, (Victim.Source)way, outcome);
        }
        finally
        {
            reading.MostBytes = ResourceBounds.AllocatedBytes(file.Length, outcome);
            reading.MostBlocks = ResourceBounds.Blocks(file.Length, outcome);
            foreach (Coding coding in outcome.Codings)
                reading.Reached.Add(coding.Name());
        }
    }
}
