using System.IO.Compression;

namespace NeuralCompression.Codec;

/// <summary>How <see cref="SafetensorsConverter"/> turns a safetensors model into a compressed one.</summary>
/// <remarks>
/// <para>Without <see cref="Bits"/>, <see cref="StepSize"/> and <see cref="TargetBytes"/> nothing is lost. With one of them tensors of float64, float32, float16 or bfloat16 and at least two axes are quantised, if their names
/// match; all others, and those with values that are not finite, are kept without loss. Immutable once built.</para>
/// <para>Source: this project.</para>
/// </remarks>
public sealed class SafetensorsConversionOptions
{
    /// <summary>The fewest bits of <see cref="Bits"/>: the symbols -1, 0 and 1.</summary>
    internal const int MinBits = 2;

    internal const int MaxBits = 16;

    /// <summary>How hard to try; default <see cref="CompressionLevel.Optimal"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The level is not defined.</exception>
    public CompressionLevel Level
    {
        get;
        init => field = Enum.IsDefined(value) ? value : throw new ArgumentOutOfRangeException(nameof(Level), value, "Unknown compression level.");
    }

    = CompressionLevel.Optimal;

    /// <summary>How many segments to code at once; threads, at least 1, or -1 for one per processor; default 1. The file is the same for every value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is 0 or less than -1.</exception>
    public int MaxDegreeOfParallelism
    {
        get;
        init => field = value is > 0 or -1 ? value : throw new ArgumentOutOfRangeException(nameof(MaxDegreeOfParallelism), value, "The number of threads is at least 1, or -1 for one per processor.");
    }

    = 1;

    /// <summary>
    /// Quantise to 2^bits - 1 levels, evenly around zero; bits, range <c>[2, 16]</c>; default null. The step of each tensor (or channel) is the one with the smallest squared error. The entropy coder makes fewer bits of them.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int? Bits
    {
        get;
        init => field = value is null or (>= MinBits and <= MaxBits) ? value : throw new ArgumentOutOfRangeException(nameof(Bits), value, "The number of bits lies between 2 and 16.");
    }

    /// <summary>Quantise with this distance between two levels; weight units, finite and positive; default null.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not finite and positive as float32.</exception>
    public double? StepSize
    {
        get;
        init => field = value is null || QuantizationGrid.IsStep((float)value.Value) ? value : throw new ArgumentOutOfRangeException(nameof(StepSize), value, "A step size is finite and greater than zero.");
    }

    /// <summary>Quantise as coarsely as a file of this length asks for; bytes, at least 1; default null. The step of every tensor (or channel) is the same multiple of its root mean square.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public long? TargetBytes
    {
        get;
        init => field = value is null or > 0 ? value : throw new ArgumentOutOfRangeException(nameof(TargetBytes), value, "A file has at least 1 byte.");
    }

    /// <summary>True for a step of its own for every index of the first axis; default false, one for each tensor.</summary>
    public bool PerChannel { get; init; }

    /// <summary>What a bit is worth when a weight is rounded; squared steps / bit, at least 0; default 0, round to the nearest level. 0.05 to 0.2 makes files smaller for little error.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or NaN.</exception>
    public double RateDistortion
    {
        get;
        init => field = double.IsFinite(value) && value >= 0 ? value : throw new ArgumentOutOfRangeException(nameof(RateDistortion), value, "The worth of a bit is finite and at least 0.");
    }

    /// <summary>Quantise tensors whose names match one of these patterns, in which <c>*</c> stands for any letters and <c>?</c> for one; default none, which means all.</summary>
    public IReadOnlyList<string> Include { get; init => field = value ?? throw new ArgumentNullException(nameof(Include)); } = [];

    /// <summary>But not those whose names match one of these; default none.</summary>
    public IReadOnlyList<string> Exclude { get; init => field = value ?? throw new ArgumentNullException(nameof(Exclude)); } = [];

    /// <summary>Is told how much of the work is done, rising; fraction, range <c>[0, 1]</c>; default null, nobody. Called on the thread that converts.</summary>
    public IProgress<double>? Progress { get; init; }

    internal bool IsQuantizing => Bits is not null || StepSize is not null || TargetBytes is not null;
}
