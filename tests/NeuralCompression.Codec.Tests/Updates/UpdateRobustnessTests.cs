using System.IO.Compression;
using NeuralCompression.Codec.Tests.Reference;
using NeuralCompression.Codec.Tests.Robustness;

namespace NeuralCompression.Codec.Tests.Updates;

/// <summary>Updates damaged in every small way, and at random.</summary>
public sealed class UpdateRobustnessTests
{
    private static readonly byte[] Before = Samples.Write(
        writer =>
        {
            writer.Add("w", QuantizedTensor.FromSymbols(Samples.Sparse(60, 1, 128), [6, 10], QuantizationGrid.Uniform(1)));
            writer.Add("c", QuantizedTensor.FromSymbols(Samples.Sparse(40, 2, 128), [40], QuantizationGrid.Codebook([.. Enumerable.Range(-8, 17).Select(i => i * 1f)], -8)));
            writer.Add("f", ElementType.Float32, [20], Samples.FloatBytes(20, 3, 4));
        },
        CompressionLevel.Fastest);

    private static readonly byte[] Next = Samples.Write(
        writer =>
        {
            writer.Add("w", QuantizedTensor.FromSymbols(UpdateSamples.Moved(Samples.Sparse(60, 1, 128), 4, 30, 10), [6, 10], QuantizationGrid.Uniform(1)));
            writer.Add("c", QuantizedTensor.FromSymbols(UpdateSamples.Moved(Samples.Sparse(40, 2, 128), 5, 40, 0), [40], QuantizationGrid.Codebook([.. Enumerable.Range(-8, 17).Select(i => i * 1f)], -8)));
            writer.Add("f", ElementType.Float32, [20], [.. Samples.FloatBytes(20, 3, 4).Select((value, i) => i % 12 == 0 ? (byte)(value ^ 1) : value)]);
            writer.AddAlias("tied", "f");
            writer.AddMetadata("step", "2");
        },
        CompressionLevel.Fastest);

    [Fact]
    public void Apply_EveryTruncation_IsRefused()
    {
        byte[] update = Update(CompressionLevel.SmallestSize);
        for (int length = 0; length < update.Length; length++)
            Assert.NotNull(Refusal(update[..length]));
    }

    [Fact]
    public void Apply_EverySingleByteChange_IsRefused()
    {
        byte[] update = Update(CompressionLevel.SmallestSize);
        for (int i = 0; i < update.Length; i++)
        {
            byte original = update[i];
            for (int change = 1; change < 256; change++)
            {
                update[i] = (byte)(original ^ change);
                Assert.True(Refusal(update) is not null, $"byte {i} changed by {change:X2}");
            }

            update[i] = original;
        }
    }

    // As many as of models: NEURALCOMPRESSION_MUTATIONS sets another number.
    [Fact]
    public void Apply_MutatedUpdate_ThrowsOnlyWhatTheContractNames()
    {
        byte[][] updates = [.. Enum.GetValues<CompressionLevel>().Select(Update), UpdateSamples.Create(Before, Before, Options(CompressionLevel.Fastest))];
        long count = long.TryParse(Environment.GetEnvironmentVariable("NEURALCOMPRESSION_MUTATIONS"), out long value) ? value : 100_000;
        var refused = new Dictionary<ContainerError, long>();
        long accepted = 0;
        for (ulong seed = 1; seed <= (ulong)count; seed++)
        {
            var random = new XorShift(seed);
            byte[] mutant = Mutator.Bytes(updates[random.Next(updates.Length)], updates, random);
            if (random.Next(8) != 0)
                Mutator.Repair(mutant);
            Exception? refusal;
            try
            {
                refusal = Refusal(mutant);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException(FormattableString.Invariant($"The mutant of seed {seed} escaped with {exception.GetType().Name}: {Convert.ToHexString(mutant)}"), exception);
            }

            if (refusal is null)
            {
                // The result is checked, so a mutant that is accepted leads to the right model.
                accepted++;
                ReferenceDecoder.Apply(Before, mutant);
            }
            else if (refusal is InvalidDataException)
            {
                var error = (ContainerError)refusal.Data["NeuralCompression.Error"]!;
                refused[error] = refused.GetValueOrDefault(error) + 1;
            }
        }

        Assert.InRange(accepted, 0, count / 10);

        // Mutants get as far as every check there is.
        Assert.All(
            [ContainerError.UpdateBase, ContainerError.UpdateRecord, ContainerError.UpdateResult, ContainerError.SymbolValue, ContainerError.NotAnUpdate, ContainerError.AliasTarget, ContainerError.EntropyStream],
            error => Assert.InRange(refused.GetValueOrDefault(error), count / 10_000, count));
    }

    private static byte[] Update(CompressionLevel level) => UpdateSamples.Create(Before, Next, Options(level));

    private static CompressedModelUpdateOptions Options(CompressionLevel level) => new() { Level = level, Limits = Victim.Limits };

    // Null where the update was accepted. Anything but what the contract names escapes.
    private static Exception? Refusal(byte[] update)
    {
        try
        {
            UpdateSamples.Apply(Before, update, Options(CompressionLevel.Fastest));
            return null;
        }
        catch (InvalidDataException exception)
        {
            Assert.True(exception.Data["NeuralCompression.Error"] is ContainerError error && Enum.IsDefined(error), "An InvalidDataException without an error code.");
            Assert.IsType<long>(exception.Data["NeuralCompression.Offset"]);
            return exception;
        }
        catch (NotSupportedException exception)
        {
            return exception;
        }
    }
}
