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
    internal const long MemoryPerDecodedByte = 16;

    /// <summary>How often <see cref="Victim"/> decodes a segment at most.</summary>
    private const long Passes = 6;

    /// <summary>Bytes allocated: the index and its objects in proportion to the file, and for every segment that is decoded its model, its payload, and its symbols on the way.</summary>
    internal static long AllocatedBytes(int fileLength, Victim.Outcome outcome) =>
        MemoryAtAll + (MemoryPerByte * fileLength) + (Passes * ((MemoryPerSegment * outcome.Segments) + (MemoryPerDecodedByte * outcome.DecodedBytes)));

    /// <summary>Basic blocks of the library that are run: those of the index and payload bytes, of the elements, and of the tables of every segment.</summary>
    internal static long Blocks(int fileLength, Victim.Outcome outcome) =>
        BlocksAtAll + (BlocksPerByte * fileLength) + (Passes * ((BlocksPerSegment * outcome.Segments) + (BlocksPerElement * outcome.Elements)));
}
