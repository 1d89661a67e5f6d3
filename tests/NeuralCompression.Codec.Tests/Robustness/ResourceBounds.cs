namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>What reading a file once with <see cref="Victim"/> may cost at most: the numbers of docs/format.md, section 13.</summary>
internal static class ResourceBounds
{
    internal const long BlocksAtAll = 10_000;
    internal const long BlocksPerByte = 200;
    internal const long BlocksPerSegment = 200_000;
    internal const long BlocksPerElement = 2_000;

    internal const long MemoryAtAll = 262_144;
    internal const long MemoryPerByte = 64;
    internal const long MemoryPerSegment = 300_000;
    internal const long MemoryPerDecodedByte = 32;

    /// <summary>How often <see cref="Victim"/> decodes a segment at most.</summary>
    private const long Passes = 6;

    /// <summary>Bytes allocated: the index and its objects in proportion to the file, and for every segment that is decoded its model, its payload, and its symbols on the way.</summary>
    internal static long AllocatedBytes(int fileLength, Victim.Outcome outcome) =>
        MemoryAtAll + (MemoryPerByte * fileLength) + (Passes * ((MemoryPerSegment * outcome.Segments) + (MemoryPerDecodedByte * outcome.DecodedBytes)));

    /// <summary>Basic blocks of the library that are run: those of the index and payload bytes, of the elements, and of the tables of every segment.</summary>
    internal static long Blocks(int fileLength, Victim.Outcome outcome) =>
        BlocksAtAll + (BlocksPerByte * fileLength) + (Passes * ((BlocksPerSegment * outcome.Segments) + (BlocksPerElement * outcome.Elements)));

    /// <summary>Bytes allocated for a file of another program's, or a manifest: a description of every entry there is, and buffers.</summary>
    internal static long AllocatedBytesOfText(int fileLength) => (4 * MemoryAtAll) + (4 * MemoryPerByte * fileLength);

    /// <summary>Basic blocks run for a file of another program's, or a manifest.</summary>
    internal static long BlocksOfText(int fileLength) => BlocksAtAll + (BlocksPerByte * fileLength);

    /// <summary>Bytes allocated for an update, and for the model that comes of it.</summary>
    internal static long AllocatedBytesOfUpdate(int fileLength, Victim.Outcome outcome) => (64 * MemoryAtAll) + AllocatedBytes(fileLength, outcome);

    /// <summary>Basic blocks run for an update, its base, and the model that comes of it.</summary>
    internal static long BlocksOfUpdate(int fileLength, Victim.Outcome outcome) => (100 * BlocksAtAll) + Blocks(fileLength, outcome);
}
