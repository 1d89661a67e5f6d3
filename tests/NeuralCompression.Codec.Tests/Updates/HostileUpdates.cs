using NeuralCompression.Codec.Tests.Reference;
using NeuralCompression.Codec.Tests.Vectors;

namespace NeuralCompression.Codec.Tests.Updates;

/// <summary>An update for every way to break section 18. The name starts with the error's name.</summary>
internal static class HostileUpdates
{
    /// <summary>What the hostile updates are applied to: two tensors.</summary>
    internal static byte[] Base { get; } = Samples.Write(writer =>
    {
        writer.Add("w", QuantizedTensor.FromSymbols(new sbyte[] { 0, 1, -1, 2 }, [4], QuantizationGrid.Uniform(1)));
        writer.Add("b", ElementType.UInt8, [2], [3, 4]);
    });

    // Descriptors without names. Differences of four symbols, all of them 0, with the grid of the base; the same with step 1.
    private static readonly byte[] SymbolDifference = [0x50, 0x11, 4, 0, 0];
    private static readonly byte[] StepOne = [0x10, 0x11, 4, .. Forge.One, 0, 0];

    private static readonly byte[] Unchanged = [0x00];
    private static readonly byte[] Difference = [0x01];
    private static readonly byte[] Full = [0x02];

    internal static IEnumerable<(string Name, byte[] File)> All()
    {
        byte[] digest = ReferenceDecoder.DigestOf(Base);
        byte[] result = new byte[8];

        yield return ("NotAnUpdate", Base);
        yield return ("ReservedBits-update", File(0, [], [2, .. digest, .. result, 0]));
        yield return ("ReservedBits-tensor", File(0, [], [0, .. digest, .. result, 1, 0x10]));
        yield return ("IndexLength-digest-ends-early", File(0, [], [0, .. digest[..31]]));
        yield return ("IndexLength-tensors-end-early", File(0, [], [0, .. digest, .. result, 2, 0x00]));
        yield return ("LimitExceeded-tensors", File(0, [], [0, .. digest, .. result, .. Forge.VarInt(1UL << 40)]));
        yield return ("UpdateRecord-own-name-of-base", Steps(1, [0x04, .. Forge.Name("v")]));
        yield return ("UpdateRecord-name-and-position", Steps(1, [0x0E, 0, .. Forge.Name("v")], 1, StepOne));
        yield return ("UpdateRecord-position-of-no-base", Steps(1, [0x08, .. Forge.VarInt(1UL << 40)]));
        yield return ("UpdateRecord-position-beyond-base", Steps(1, [0x08, 2]));
        yield return ("Name-own", Steps(1, [0x06, .. Forge.NameLengths(0, 0)], 1, StepOne));
        yield return ("UpdateRecord-stored-alias", Steps(1, Unchanged, 2, [.. StepOne, 0x70, 0]));
        yield return ("UpdateRecord-more-than-stored", Steps(1, Difference));
        yield return ("UpdateRecord-not-used", Steps(1, Unchanged, 1, StepOne));
        yield return ("UpdateRecord-two-metadata", File(0, [], [1, 1, (byte)'a', 0, 1, .. digest, .. result, 0], flags: 6));
        yield return ("UpdateRecord-shape", Steps(1, Difference, 1, [0x50, 0x11, 5, 0, 0]));
        yield return ("UpdateRecord-kind", Steps(1, [0x09, 1], 1, [0x50, 0x11, 2, 0, 0]));
        yield return ("UpdateRecord-element-type", Steps(1, [0x09, 1], 1, [0x05, 0x11, 2, .. Forge.UInt32(Forge.Crc([1]))], [1]));
        yield return ("UpdateRecord-codebook", Steps(1, Difference, 1, [0x40, 0x11, 4, 1, 0, .. Forge.One, 0, 0]));
        yield return ("UpdateRecord-full-without-grid", Steps(1, Full, 1, SymbolDifference));
        yield return ("DuplicateName-of-base", Steps(2, [0x00, 0x08, 0]));
        yield return ("DuplicateName-own", Steps(2, [0x00, 0x06, .. Forge.Name("w")], 1, StepOne));
        yield return ("AliasTarget-later", Steps(2, [0x03, 1, 0x00]));
        yield return ("AliasTarget-alias", Steps(3, [0x00, 0x03, 0, 0x07, .. Forge.Name("v"), 1]));

        // Under the limits, but not with six more that share it.
        byte[] large = [0x10, 0x11, .. Forge.VarInt(200_000), .. Forge.One, 0, 0];
        yield return ("LimitExceeded-aliases", Steps(3, [0x02, 0x03, 0, 0x07, .. Forge.Name("v"), 0], 1, large));
        yield return ("UpdateBase-other", File(0, [], [0, .. new byte[32], .. result, 0]));
        yield return ("UpdateResult-other", Steps(1, Unchanged));
        yield return ("SymbolValue-sum", Steps(1, Difference, 1, [0x50, 0x11, 4, .. Forge.ZigZag(32767), 0]));

        byte[] Steps(int count, byte[] steps, int stored = 0, byte[]? descriptors = null, byte[]? payloads = null) =>
            File(stored, descriptors ?? [], [0, .. digest, .. result, (byte)count, .. steps], payloads);
    }

    private static byte[] File(int stored, byte[] descriptors, byte[] record, byte[]? payloads = null, byte flags = 4) => Forge.File(stored, [.. descriptors, .. record], payloads, flags);
}
