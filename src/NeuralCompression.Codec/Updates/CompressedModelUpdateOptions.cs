using System.IO.Compression;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec;

/// <summary>How <see cref="CompressedModelUpdate"/> works.</summary>
/// <remarks>Immutable once built. Source: docs/format.md, section 18.</remarks>
public sealed class CompressedModelUpdateOptions
{
    /// <summary>How hard to try, for the update that is created and for the model that comes of applying one; default <see cref="CompressionLevel.SmallestSize"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The level is not defined.</exception>
    public CompressionLevel Level
    {
        get;
        init => field = Enum.IsDefined(value) ? value : throw new ArgumentOutOfRangeException(nameof(Level), value, "Unknown compression level.");
    }

    = CompressionLevel.SmallestSize;

    /// <summary>How many segments to code at once; threads, at least 1, or -1 for one per processor; default 1. The files are the same for every value; each thread takes about 64 MiB.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is 0 or less than -1.</exception>
    public int MaxDegreeOfParallelism
    {
        get;
        init => field = value is > 0 or -1 ? value : throw new ArgumentOutOfRangeException(nameof(MaxDegreeOfParallelism), value, "The number of threads is at least 1, or -1 for one per processor.");
    }

    = 1;

    /// <summary>What to accept at most of each file that is read, and of the model that comes of an update; default <see cref="DecodeLimits.Default"/>.</summary>
    /// <exception cref="ArgumentNullException">The value is null.</exception>
    public DecodeLimits Limits { get; init => field = value ?? throw new ArgumentNullException(nameof(Limits)); } = DecodeLimits.Default;

    /// <summary>Where a set is written: a file of it takes no further tensor once its payloads have this length; bytes, at least 1; default 4 GiB, as for <see cref="CompressedModelSetWriter.Create"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public long ShardBytes
    {
        get;
        init => field = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(ShardBytes), value, "A file of a set has at least 1 byte.");
    }

    = 4L << 30;

    /// <summary>Is told how much of the work is done, rising; fraction, range <c>[0, 1]</c>; default null, nobody.</summary>
    public IProgress<double>? Progress { get; init; }

    /// <summary>Shorter segments than usual, for tests.</summary>
    internal int SegmentBytes { get; init; } = ContainerLayout.SegmentBytes;

    internal CompressedModelWriterOptions WriterOptions => new() { Level = Level, MaxDegreeOfParallelism = MaxDegreeOfParallelism, SegmentBytes = SegmentBytes };
}
