using System.Globalization;
using NeuralCompression.Sessions;

namespace NeuralCompression.TrainingBenchmarks;

/// <summary>What the passes of a step over float32 weights cost by themselves, with everything in the first caches and with everything beyond them.</summary>
internal static class PassCost
{
    private const int Repetitions = 200;

    public static void Run()
    {
        var tanh = ((TanhMapping)WeightMapping.Create(MappingKind.Tanh, -1, 1)).Vectors;
        var clamp = ((ClampMapping)WeightMapping.Create(MappingKind.Clamp, -1, 1)).Vectors!.Value;
        foreach (int length in new[] { 8_192, 262_144 })
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{length} weights, nanoseconds a weight, median of {Repetitions}"));
            var random = new Random(1);
            float[] theta = Values(random, length);
            float[] mapped = (float[])theta.Clone();
            float[] parameter = Array.ConvertAll(mapped, x => x * 0.5f);
            float[] received = Values(random, length);
            float[] collected = Values(random, length);
            float[] moment = Array.ConvertAll(received, x => x * x);
            float[] term = Values(random, 1024);
            var numbers = new uint[length];
            var checksum = default(BlockChecksum);
            bool untouched = true;
            var other = new float[length > 100_000 ? 2_000_000 : 0];
            Row("philox", () => Philox.Fill(1, 2, 0, numbers));
            Row("open", () => Each(i => FusedPasses.Open(
                new NoiseSource(1, 2, 3, 0), i, 0.5f, theta.AsSpan(i, 1024), mapped.AsSpan(i, 1024), parameter.AsSpan(i, 1024), ref checksum)));
            Row("measure", () => SparsityRatio.Of<float>(mapped));
            var coefficients = GradientCoefficients.Everywhere(1e-3, 1e-4);
            var shrinking = new GradientCoefficients(1e-3, 1e-4, 0, 0, 0.5);
            Row("gain", () =>
            {
                double sum = 0;
                for (int i = 0; i < length; i += 2048)
                {
                    sum += System.Numerics.Tensors.TensorPrimitives.Dot(received.AsSpan(i, 2048), parameter.AsSpan(i, 2048));
                }

                other = sum > 1e30 ? [] : other;
            });
            Row("term, one pair", () => Each(i => coefficients.Write(mapped.AsSpan(i, 1024), default, term)));
            Row("term, shrink-only", () => Each(i => shrinking.Write(mapped.AsSpan(i, 1024), default, term)));
            Row("collect, tanh", () => Each(i => FusedPasses.Collect(
                tanh, new OnePairTerm(coefficients), 0, 0.5f, theta.AsSpan(i, 1024), mapped.AsSpan(i, 1024), received.AsSpan(i, 1024), default, default, false, collected.AsSpan(i, 1024), parameter.AsSpan(i, 1024))));
            Row("collect, clamp", () => Each(i => FusedPasses.Collect(
                clamp, new OnePairTerm(coefficients), 0, 0.5f, theta.AsSpan(i, 1024), mapped.AsSpan(i, 1024), received.AsSpan(i, 1024), default, default, false, collected.AsSpan(i, 1024), parameter.AsSpan(i, 1024))));
            Row("follow, tanh", () => Each(i => FusedPasses.Follow(
                tanh, false, 0, 0.5f, 0.5f, theta.AsSpan(i, 1024), mapped.AsSpan(i, 1024), parameter.AsSpan(i, 1024), ref checksum, ref untouched)));
            Row("follow, clamp", () => Each(i => FusedPasses.Follow(
                clamp, true, 0, 0.5f, 0.5f, theta.AsSpan(i, 1024), mapped.AsSpan(i, 1024), parameter.AsSpan(i, 1024), ref checksum, ref untouched)));
            Row("move, clamp", () => Each(i => FusedPasses.Move(
                clamp, new TwoPairTerm(shrinking), 1, 0, mapped.AsSpan(i, 1024), moment.AsSpan(i, 1024), default, theta.AsSpan(i, 1024))));

            void Each(Action<int> block)
            {
                for (int i = 0; i < length; i += 1024)
                {
                    block(i);
                }
            }

            void Row(string name, Action pass)
            {
                var times = new double[Repetitions];
                for (int r = -50; r < Repetitions; r++)
                {
                    Array.Fill(other, r);
                    double start = ThreadClock.Milliseconds;
                    pass();
                    times[Math.Max(r, 0)] = ThreadClock.Milliseconds - start;
                }

                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {times.Order().ElementAt(Repetitions / 2) * 1e6 / length,6:f3}  {name}"));
            }
        }
    }

    private static float[] Values(Random random, int length)
    {
        var values = new float[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = (random.NextSingle() - 0.5f) * 0.9f;
        }

        return values;
    }
}
