using System.Globalization;
using CsCheck;

namespace NeuralCompression.TestSupport;

/// <summary>
/// Properties checked on the same samples in every run, so that a build fails because of what changed and not by chance. CsCheck itself fixes only the first sample. New samples: set <c>NEURALCOMPRESSION_SEED</c> to
/// another number; a sample that fails is reported, made smaller, with the seed that gives it again (<c>CsCheck_Seed</c>).
/// </summary>
internal static class RepeatableSampling
{
    private static readonly ulong Seed =
        ulong.TryParse(Environment.GetEnvironmentVariable("NEURALCOMPRESSION_SEED"), NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed) ? seed : 1;

    public static void SampleRepeatably<T>(this Gen<T> gen, Action<T> assert, int iter = 100)
    {
        if (Check.Seed is not null)
        {
            gen.Sample(assert, iter: 1, threads: 1);
            return;
        }

        for (int i = 0; i < iter; i++)
            gen.Sample(assert, seed: new PCG((uint)i, Seed).ToString(), iter: 1, threads: 1);
    }

    public static void SampleRepeatably<T1, T2>(this Gen<(T1, T2)> gen, Action<T1, T2> assert, int iter = 100) =>
        gen.SampleRepeatably(sample => assert(sample.Item1, sample.Item2), iter);

    public static void SampleRepeatably<T1, T2, T3>(this Gen<(T1, T2, T3)> gen, Action<T1, T2, T3> assert, int iter = 100) =>
        gen.SampleRepeatably(sample => assert(sample.Item1, sample.Item2, sample.Item3), iter);

    public static void SampleRepeatably<T1, T2, T3, T4>(this Gen<(T1, T2, T3, T4)> gen, Action<T1, T2, T3, T4> assert, int iter = 100) =>
        gen.SampleRepeatably(sample => assert(sample.Item1, sample.Item2, sample.Item3, sample.Item4), iter);

    public static void SampleRepeatably<T1, T2, T3, T4, T5>(this Gen<(T1, T2, T3, T4, T5)> gen, Action<T1, T2, T3, T4, T5> assert, int iter = 100) =>
        gen.SampleRepeatably(sample => assert(sample.Item1, sample.Item2, sample.Item3, sample.Item4, sample.Item5), iter);
}
