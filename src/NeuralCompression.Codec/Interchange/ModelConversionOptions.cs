namespace NeuralCompression.Codec;

/// <summary>How <see cref="SafetensorsConverter"/> and <see cref="TorchSharpConverter"/> turn a model into a compressed one.</summary>
/// <remarks>
/// <para>Without <see cref="PostTrainingOptions.Bits"/>, <see cref="PostTrainingOptions.StepSize"/> and <see cref="PostTrainingOptions.TargetBytes"/> nothing is lost. With one of them tensors of float64, float32, float16 or
/// bfloat16 and at least two axes are quantised, if their names match; all others, and those with values that are not finite, are kept without loss. Immutable once built.</para>
/// <para>Source: this project.</para>
/// </remarks>
public sealed class ModelConversionOptions : PostTrainingOptions
{
    /// <summary>How many segments to code at once; threads, at least 1, or -1 for one per processor; default 1. The file is the same for every value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is 0 or less than -1.</exception>
    public int MaxDegreeOfParallelism
    {
        get;
        init => field = value is > 0 or -1 ? value : throw new ArgumentOutOfRangeException(nameof(MaxDegreeOfParallelism), value, "The number of threads is at least 1, or -1 for one per processor.");
    }

    = 1;

    /// <summary>Is told how much of the work is done, rising; fraction, range <c>[0, 1]</c>; default null, nobody. Called on the thread that converts.</summary>
    public IProgress<double>? Progress { get; init; }
}
