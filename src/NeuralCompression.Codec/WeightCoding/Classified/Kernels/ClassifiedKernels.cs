namespace NeuralCompression.Codec.WeightCoding.Classified.Kernels;

/// <summary>Decodes columns of the current row of each lane, while a full step of words, two bytes for every lane, is left.</summary>
/// <param name="steps">Tables, classes and history; updated. Its block receives the symbols, zeros for empty columns, at the column number modulo 64.</param>
/// <param name="words">The words.</param>
/// <param name="from">The first column.</param>
/// <param name="to">The column after the last, in the same 64 columns.</param>
/// <param name="read">Bytes of words that were used.</param>
/// <returns>Columns that were done.</returns>
internal delegate int DecodeColumns(ClassifiedSteps steps, ReadOnlySpan<byte> words, int from, int to, out int read);

/// <summary>One implementation, for tests and benchmarks.</summary>
internal sealed record ClassifiedKernel(string Name, bool IsSupported, DecodeColumns Decode);

/// <summary>Which kernel runs: the widest the processor has for 32 and 64 lanes; the scalar one for fewer.</summary>
internal static class ClassifiedKernels
{
    /// <summary>Lanes of a half step: vector kernels take 32 or 64.</summary>
    internal const int LaneUnit = 32;

    /// <summary>Every kernel there is, narrowest first; not all run on this machine.</summary>
    internal static IReadOnlyList<ClassifiedKernel> All { get; } =
    [
        new("scalar", true, ScalarClassified.Decode),
        new("avx2", Avx2Classified.IsSupported, Avx2Classified.Decode),
        new("avx512", Avx512Classified.IsSupported, Avx512Classified.Decode),
    ];

    /// <summary>The widest kernel for so many lanes.</summary>
    internal static DecodeColumns For(int lanes)
    {
        if (lanes < LaneUnit)
            return ScalarClassified.Decode;
        if (Avx512Classified.IsSupported)
            return Avx512Classified.Decode;
        return Avx2Classified.IsSupported ? Avx2Classified.Decode : ScalarClassified.Decode;
    }
}
