namespace NeuralCompression.Codec;

/// <summary>How a long decoding runs.</summary>
/// <remarks>Immutable once built. What is decoded is the same for every number of threads. Source: docs/format.md, section 4.7.</remarks>
public sealed class DecodeOptions
{
    /// <summary>How many segments to decode at once; threads, at least 1, or -1 for one per processor; default 1. Each thread takes up to about 64 MiB while it decodes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is 0 or less than -1.</exception>
    public int MaxDegreeOfParallelism
    {
        get;
        init => field = value is > 0 or -1 ? value : throw new ArgumentOutOfRangeException(nameof(MaxDegreeOfParallelism), value, "The number of threads is at least 1, or -1 for one per processor.");
    }

    = 1;

    /// <summary>Is told after every segment how many elements have been decoded so far, rising; elements; default null, nobody. Called on the threads that decode, one at a time.</summary>
    public IProgress<long>? Progress { get; init; }

    internal int Threads => MaxDegreeOfParallelism < 0 ? Environment.ProcessorCount : MaxDegreeOfParallelism;
}
