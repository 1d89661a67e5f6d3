using System.IO.Compression;
using System.IO.Enumeration;

namespace NeuralCompression.Codec;

/// <summary>How the weights of a finished model are quantised: by bits, by step or by a byte budget.</summary>
/// <remarks>
/// <para>At most one of <see cref="Bits"/>, <see cref="StepSize"/> and <see cref="TargetBytes"/> can be set. Immutable once built.</para>
/// <para>Source: this project.</para>
/// </remarks>
public class PostTrainingOptions
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

    internal bool IsQuantizing => Measures > 0;

    private int Measures => (Bits is null ? 0 : 1) + (StepSize is null ? 0 : 1) + (TargetBytes is null ? 0 : 1);

    internal bool IsSelected(string name) => (Include.Count == 0 || Matches(Include, name)) && !Matches(Exclude, name);

    /// <exception cref="ArgumentException">More than one of bits, step and budget is set.</exception>
    internal void ThrowIfAmbiguous(string parameter)
    {
        if (Measures > 1)
            throw new ArgumentException("Of bits, step size and target bytes only one can be set.", parameter);
    }

    private static bool Matches(IReadOnlyList<string> patterns, string name) => patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));
}
