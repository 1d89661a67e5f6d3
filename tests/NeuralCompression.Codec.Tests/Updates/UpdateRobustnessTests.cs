using System.IO.Compression;
using NeuralCompression.Codec.Tests.Robustness;

namespace NeuralCompression.Codec.Tests.Updates;

/// <summary>Updates damaged in every small way. At random: <see cref="MutationTests"/>.</summary>
public sealed class UpdateRobustnessTests
{
    [Fact]
    public void Apply_EveryTruncation_IsRefused()
    {
        byte[] update = UpdateTarget.Update(CompressionLevel.SmallestSize);
        for (int length = 0; length < update.Length; length++)
            Assert.NotNull(Refusal(update[..length]));
    }

    [Fact]
    public void Apply_EverySingleByteChange_IsRefused()
    {
        byte[] update = UpdateTarget.Update(CompressionLevel.SmallestSize);
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

    private static Exception? Refusal(byte[] update) => Refusals.Of(() => UpdateTarget.Apply(update), typeof(ContainerError));
}
