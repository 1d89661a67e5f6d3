using System.IO.Compression;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec;

/// <summary>How <see cref="CompressedModelWriter"/> works.</summary>
/// <remarks>Immutable once built. Source: docs/format.md, section 4.7.</remarks>
public sealed class CompressedModelWriterOptions
{
    /// <summary>How hard to try; default <see cref="CompressionLevel.Optimal"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The level is not defined.</exception>
    public CompressionLevel Level
    {
        get;
        init => field = value is CompressionLevel.NoCompression or CompressionLevel.Fastest or CompressionLevel.Optimal or CompressionLevel.SmallestSize
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Level), value, "Unknown compression level.");
    }

    = CompressionLevel.Optimal;

    /// <summary>How many segments to code at once; threads, at least 1, or -1 for one per processor; default 1. The file is the same for every value; each thread takes about 64 MiB.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is 0 or less than -1.</exception>
    public int MaxDegreeOfParallelism
    {
        get;
        init => field = value is > 0 or -1 ? value : throw new ArgumentOutOfRangeException(nameof(MaxDegreeOfParallelism), value, "The number of threads is at least 1, or -1 for one per processor.");
    }

    = 1;

    /// <summary>
    /// What a segment decodes to at most; bytes, range <c>[64, 16,777,216]</c>; default 16,777,216. Shorter segments make reading small parts of a tensor cheaper and the
    /// file larger.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int SegmentBytes
    {
        get;
        init => field = value is >= 64 and <= ContainerLayout.SegmentBytes
            ? value
            : throw new ArgumentOutOfRangeException(nameof(SegmentBytes), value, "A segment has 64 to 16,777,216 bytes.");
    }

    = ContainerLayout.SegmentBytes;
}
