using System.IO.Compression;
using NeuralCompression.Codec.Tests.Updates;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Updates of one small model, applied to it or verified without it.</summary>
internal sealed class UpdateTarget : MutationTarget
{
    /// <summary>The way in which an update is read without its base.</summary>
    internal const int Verified = 1;

    private static readonly float[] Levels = [.. Enumerable.Range(-8, 17).Select(i => i * 1f)];

    private static readonly byte[] Next = Samples.Write(
        writer =>
        {
            writer.Add("w", QuantizedTensor.FromSymbols(UpdateSamples.Moved(Samples.Sparse(60, 1, 128), 4, 30, 10), [6, 10], QuantizationGrid.Uniform(1)));
            writer.Add("c", QuantizedTensor.FromSymbols(UpdateSamples.Moved(Samples.Sparse(40, 2, 128), 5, 40, 0), [40], QuantizationGrid.Codebook(Levels, -8)));
            writer.Add("f", ElementType.Float32, [20], [.. Samples.FloatBytes(20, 3, 4).Select((value, i) => i % 12 == 0 ? (byte)(value ^ 1) : value)]);
            writer.AddAlias("tied", "f");
            writer.AddMetadata("step", "2");
        },
        CompressionLevel.Fastest);

    private readonly string path = Path.GetTempFileName();

    /// <summary>The model that the updates fit.</summary>
    internal static byte[] Base { get; } = Samples.Write(
        writer =>
        {
            writer.Add("w", QuantizedTensor.FromSymbols(Samples.Sparse(60, 1, 128), [6, 10], QuantizationGrid.Uniform(1)));
            writer.Add("c", QuantizedTensor.FromSymbols(Samples.Sparse(40, 2, 128), [40], QuantizationGrid.Codebook(Levels, -8)));
            writer.Add("f", ElementType.Float32, [20], Samples.FloatBytes(20, 3, 4));
        },
        CompressionLevel.Fastest);

    internal override IReadOnlyList<byte[]> Files { get; } = [.. Enum.GetValues<CompressionLevel>().Select(Update), UpdateSamples.Create(Base, Base, Options(CompressionLevel.Fastest))];

    internal override string Extension => ".ncmu";

    internal override int Ways => 4;

    /// <summary>An update at a level.</summary>
    internal static byte[] Update(CompressionLevel level) => UpdateSamples.Create(Base, Next, Options(level));

    internal static void Apply(byte[] update) => UpdateSamples.Apply(Base, update, Options(CompressionLevel.Fastest));

    internal override byte[] Mutate(byte[] file, IReadOnlyList<byte[]> others, XorShift random)
    {
        byte[] mutant = Mutator.Bytes(file, others, random);
        if (random.Next(8) != 0)
            Mutator.Repair(mutant);
        return mutant;
    }

    // What a base makes a model of is also good without it.
    internal override void Examine(byte[] file)
    {
        Reading reading = Read(file, Verified);
        if (reading.Refusal is not null)
            throw new InvalidOperationException("An update that can be applied is refused without its base.", reading.Refusal);
    }

    private protected override void Read(byte[] file, int way, Reading reading)
    {
        var outcome = new Victim.Outcome();
        try
        {
            using CompressedModelReader update = CompressedModelReader.OpenUpdate(new MemoryStream(file), Victim.Limits, leaveOpen: false);
            outcome.Opened(update);
        }
        finally
        {
            reading.MostBytes = ResourceBounds.AllocatedBytesOfUpdate(file.Length, outcome);
            reading.MostBlocks = ResourceBounds.BlocksOfUpdate(file.Length, outcome);
        }

        if (way == Verified)
        {
            File.WriteAllBytes(path, file);
            CompressedModelUpdate.Verify(path, Options(CompressionLevel.Fastest));
        }
        else
        {
            Apply(file);
        }
    }

    private protected override void Dispose(bool disposing)
    {
        File.Delete(path);
        base.Dispose(disposing);
    }

    private static CompressedModelUpdateOptions Options(CompressionLevel level) => new() { Level = level, Limits = Victim.Limits };
}
