using System.Numerics.Tensors;
using NeuralCompression.Codec;
using NeuralCompression.Sessions;

namespace NeuralCompression.Tests.Sessions;

/// <summary>The fused passes give what the single operations give one after the other, to the last bit, also for infinities, NaN and zeros of both signs.</summary>
public sealed class FusedPassesTests
{
    private const float Gain = 0.37f;
    private const float GainBefore = 0.41f;
    private static readonly int[] Lengths = [0, 1, 7, 8, 9, 31, 32, 33, 64, 100, 1024];

    public static TheoryData<string> Mappings => ["tanh", "tanh, steep, not symmetric", "clamp", "clamp, not symmetric"];

    [OpenFact]
    public void Open_WhatTheSessionWrote_IsTheNoiseOfThePieces()
    {
        var source = new NoiseSource(3, 4, 5, 0.125);
        foreach (int length in Lengths)
        {
            float[] theta = Values(1, length);
            float[] mapped = Values(2, length);
            float[] parameter = Product(mapped, Gain);
            var checksum = default(BlockChecksum);
            int done = FusedPasses.Open(source, 2048, Gain, theta, mapped, parameter, ref checksum);

            float[] expected = Product(mapped, Gain);
            UniformNoise.AddScalar<float>(source, 2048, mapped.AsSpan(0, done), default, Gain, expected.AsSpan(0, done));
            Assert.Equal(length / 32 * 32, done);
            AssertSameBits(expected, parameter);
            AssertSameChecksum(theta.AsSpan(0, done), checksum);
        }
    }

    [OpenFact]
    public void Open_AChangedWeight_StopsBeforeItAndLeavesTheRest()
    {
        var source = new NoiseSource(3, 4, 5, 0.125);
        foreach (int changed in new[] { 0, 31, 32, 63, 95 })
        {
            float[] theta = Values(1, 100);
            float[] mapped = Values(2, 100);
            float[] parameter = Product(mapped, Gain);
            parameter[changed] = OneBitOff(parameter[changed]);
            float[] before = [.. parameter];
            var checksum = default(BlockChecksum);
            int done = FusedPasses.Open(source, 0, Gain, theta, mapped, parameter, ref checksum);

            Assert.Equal(changed / 32 * 32, done);
            AssertSameBits(before.AsSpan(done), parameter.AsSpan(done));
            AssertSameChecksum(theta.AsSpan(0, done), checksum);
        }
    }

    [OpenFact]
    public void OpenRounded_WhatTheSessionWrote_IsRoundingAndNoiseOfThePieces()
    {
        var levels = new QuantizationOptions { NoiseLevel = 0.25, LowerLimit = -1, UpperLimit = 1.5 };
        float step = (float)levels.StepSize;
        foreach (int length in Lengths)
        {
            foreach (var (rounds, targeted, amplitude, sparse) in new[] { (true, true, 0.125, false), (true, true, 0.125, true), (true, false, 0.125, false), (false, true, 0.125, true), (true, true, 0, false) })
            {
                // Zeros of both signs and what is midway between levels too; most of the sparse ones round to zero.
                var source = new NoiseSource(3, 4, 5, amplitude);
                float[] theta = Values(1, length);
                float[] mapped = [.. Values(2, length).Select((m, i) => float.IsNaN(m) ? 0.75f : sparse && i % 90 != 3 ? m / 1e6f : i % 7 == 0 ? 0.25f : m)];
                float[] parameter = Product(mapped, Gain);
                var checksum = default(BlockChecksum);
                int done = FusedPasses.OpenRounded(source, 2048, levels, rounds, targeted, Gain, theta, mapped, parameter, ref checksum);

                float[] rounded = new float[length];
                UniformQuantizer.Round(mapped, step, levels.MinSymbol, levels.MaxSymbol, rounded);
                float[] expected = Product(mapped, Gain);
                UniformNoise.AddScalar<float>(
                    source, 2048, (rounds ? Product(rounded, step) : mapped).AsSpan(0, done), targeted ? rounded.AsSpan(0, done) : default, Gain, expected.AsSpan(0, done));
                Assert.Equal(length / 32 * 32, done);
                AssertSameBits(expected, parameter);
                AssertSameChecksum(theta.AsSpan(0, done), checksum);
            }
        }
    }

    [OpenFact]
    public void OpenRounded_AChangedWeightOrNaN_StopsBeforeItAndLeavesTheRest()
    {
        var levels = new QuantizationOptions { NoiseLevel = 0.25 };
        foreach (int changed in new[] { 0, 31, 32, 63, 95 })
        {
            foreach (bool isNaN in new[] { true, false })
            {
                float[] theta = Values(1, 100);
                float[] mapped = Array.ConvertAll(Values(2, 100), m => float.IsNaN(m) ? 0 : m);
                mapped[changed] = isNaN ? float.NaN : mapped[changed];
                float[] parameter = Product(mapped, Gain);
                parameter[changed] = isNaN ? parameter[changed] : OneBitOff(parameter[changed]);
                float[] before = [.. parameter];
                var checksum = default(BlockChecksum);
                int done = FusedPasses.OpenRounded(new NoiseSource(3, 4, 5, 0.125), 0, levels, rounds: true, targeted: true, Gain, theta, mapped, parameter, ref checksum);

                Assert.Equal(changed / 32 * 32, done);
                AssertSameBits(before.AsSpan(done), parameter.AsSpan(done));
                AssertSameChecksum(theta.AsSpan(0, done), checksum);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Follow_AnyValues_EqualsOneOperationAfterTheOther(string name)
    {
        var mapping = Mapping(name);
        float zero = (float)mapping.Inverse(0.0);
        foreach (int length in Lengths)
        {
            foreach (bool held in new[] { true, false })
            {
                float[] theta = Values(3, length);
                if (length > 0)
                {
                    theta[length / 2] = zero;
                }

                float[] mapped = Values(4, length);
                float[] parameter = Product(mapped, GainBefore);
                int done = length / 8 * 8;
                if (!held && done > 0)
                {
                    parameter[done - 1] = OneBitOff(parameter[done - 1]);
                }

                float[] expectedTheta = [.. theta];
                float[] expectedMapped = [.. mapped];
                float[] expectedParameter = [.. parameter];
                var (lower, upper) = mapping.Domain;
                if (double.IsFinite(lower))
                {
                    TensorPrimitives.Max<float>(theta.AsSpan(0, done), (float)lower, expectedTheta);
                    TensorPrimitives.Min<float>(expectedTheta.AsSpan(0, done), (float)upper, expectedTheta);
                }

                mapping.Map<float>(expectedTheta.AsSpan(0, done), expectedMapped.AsSpan(0, done));
                for (int i = 0; i < done; i++)
                {
                    expectedMapped[i] = expectedTheta[i] == zero ? 0 : expectedMapped[i];
                    expectedParameter[i] = expectedMapped[i] * Gain;
                }

                var checksum = default(BlockChecksum);
                bool untouched = true;
                int handled = mapping switch
                {
                    TanhMapping tanh => FusedPasses.Follow(tanh.Vectors, constrains: false, zero, GainBefore, Gain, theta, mapped, parameter, ref checksum, ref untouched),
                    ClampMapping clamp => FusedPasses.Follow(clamp.Vectors!.Value, constrains: true, zero, GainBefore, Gain, theta, mapped, parameter, ref checksum, ref untouched),
                    _ => -1,
                };

                Assert.Equal(done, handled);
                Assert.Equal(held || done == 0, untouched);
                AssertSameBits(expectedTheta, theta);
                AssertSameBits(expectedMapped, mapped);
                AssertSameBits(expectedParameter, parameter);
                AssertSameChecksum(theta.AsSpan(0, done), checksum);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Collect_AnyValues_EqualsOneOperationAfterTheOther(string name)
    {
        var mapping = Mapping(name);
        float zero = (float)mapping.Inverse(0.0);
        var onePair = GradientCoefficients.Everywhere(0.3, 0.7);
        var twoPairs = new GradientCoefficients(0.3, 0.7, -0.2, 0.1, 0.4);
        foreach (int length in Lengths)
        {
            foreach (string kind in new[] { "task", "term first", "term last", "frozen, term last", "pair first", "pair last", "pairs last", "frozen, pairs last" })
            {
                float[] theta = Values(5, length);
                float[] mapped = new float[length];
                mapping.Map<float>(theta, mapped);
                float[] received = Values(6, length);
                bool first = kind.EndsWith("first", StringComparison.Ordinal);
                sbyte[] support = kind.StartsWith("frozen", StringComparison.Ordinal) ? [.. theta.Select((_, i) => (sbyte)((i % 3) - 1))] : [];
                for (int i = 0; i < length; i++)
                {
                    mapped[i] = theta[i] == zero || (support.Length > 0 && support[i] == 0) ? 0 : mapped[i];
                }

                float[] term = kind == "task" ? [] : Values(7, length);
                if (kind.Contains("pair", StringComparison.Ordinal))
                {
                    (kind.Contains("pairs", StringComparison.Ordinal) ? twoPairs : onePair).Write<float>(mapped, default, term);
                }

                float[] collected = Values(8, length);
                float[] parameter = Values(9, length);
                int done = length / 8 * 8;

                float[] slope = new float[length];
                mapping.Derivative<float>(theta, mapped, slope);
                float[] expected = [.. collected];
                float[] expectedParameter = [.. parameter];
                for (int i = 0; i < done; i++)
                {
                    float task = received[i] * Gain;
                    task = support.Length > 0 && support[i] == 0 ? 0 : task;
                    float sum = collected[i];
                    sum = term.Length > 0 && first ? (term[i] * slope[i]) + sum : sum;
                    sum = (task * slope[i]) + sum;
                    sum = term.Length > 0 && !first ? (term[i] * slope[i]) + sum : sum;
                    expected[i] = sum;
                    expectedParameter[i] = mapped[i] * Gain;
                }

                int handled = (kind == "task" ? kind : kind.Split(' ')[^2]) switch
                {
                    "pair" => Handle(new OnePairTerm(onePair)),
                    "pairs" => Handle(new TwoPairTerm(twoPairs)),
                    "term" => Handle(default(StoredTerm)),
                    _ => Handle(default(NoTerm)),
                };

                Assert.Equal(done, handled);
                AssertSameBits(expected, collected);
                AssertSameBits(expectedParameter, parameter);

                int Handle<TTerm>(TTerm compression)
                    where TTerm : struct, ITermVectors =>
                    mapping switch
                    {
                        TanhMapping tanh => FusedPasses.Collect(tanh.Vectors, compression, zero, Gain, theta, mapped, received, support, term, first, collected, parameter),
                        ClampMapping clamp => FusedPasses.Collect(clamp.Vectors!.Value, compression, zero, Gain, theta, mapped, received, support, term, first, collected, parameter),
                        _ => -1,
                    };
            }
        }
    }

    [Theory]
    [MemberData(nameof(Mappings))]
    public void Move_AnyValues_EqualsOneOperationAfterTheOther(string name)
    {
        var mapping = Mapping(name);
        float zero = (float)mapping.Inverse(0.0);
        var onePair = GradientCoefficients.Everywhere(0.3, 0.7);
        var twoPairs = new GradientCoefficients(0.3, 0.7, -0.2, 0.1, 0.4);
        const double Correction = 0.0079;
        foreach (int length in Lengths)
        {
            foreach (var pair in new GradientCoefficients?[] { null, onePair, twoPairs })
            {
                float[] theta = Values(10, length);
                float[] mapped = new float[length];
                mapping.Map<float>(theta, mapped);
                float[] moment = Array.ConvertAll(Values(11, length), Math.Abs);
                float[] term = Values(12, length);
                pair?.Write<float>(mapped, default, term);
                float[] slope = new float[length];
                mapping.Derivative<float>(theta, mapped, slope);
                int done = length / 8 * 8;
                float[] expected = [.. theta];
                for (int i = 0; i < done; i++)
                {
                    float after = theta[i] - (term[i] * slope[i] / (MathF.Sqrt(moment[i] / (float)Correction) + (float)ProximalSettings.Epsilon));
                    bool crossed = (theta[i] > zero && after < zero) || (theta[i] < zero && after > zero);
                    expected[i] = crossed ? zero : after;
                }

                int handled = pair is null ? Handle(default(StoredTerm)) : pair == onePair ? Handle(new OnePairTerm(onePair)) : Handle(new TwoPairTerm(twoPairs));
                Assert.Equal(done, handled);
                AssertSameBits(expected, theta);

                int Handle<TTerm>(TTerm compression)
                    where TTerm : struct, ITermVectors =>
                    mapping switch
                    {
                        TanhMapping tanh => FusedPasses.Move(tanh.Vectors, compression, Correction, zero, mapped, moment, pair is null ? term : [], theta),
                        ClampMapping clamp => FusedPasses.Move(clamp.Vectors!.Value, compression, Correction, zero, mapped, moment, pair is null ? term : [], theta),
                        _ => -1,
                    };
            }
        }
    }

    [Fact]
    public void Vectors_AClampThatEndsAtZero_HasNone() => Assert.Null(((ClampMapping)WeightMapping.Clamp(0, 1)).Vectors);

    private static WeightMapping Mapping(string name) => name switch
    {
        "tanh" => WeightMapping.Tanh(),
        "tanh, steep, not symmetric" => WeightMapping.Tanh(-0.5, 1.5, 3),
        "clamp" => WeightMapping.Clamp(),
        _ => WeightMapping.Clamp(-0.25, 0.75),
    };

    // Wide enough for both limits, with what is not a usual number here and there.
    private static float[] Values(int seed, int length)
    {
        var random = new Random(seed);
        float[] special = [0f, -0f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, 1e-40f, 1f, -1f, 3e38f];
        var values = new float[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = random.Next(12) == 0 ? special[random.Next(special.Length)] : (float)((random.NextDouble() - 0.5) * 6);
        }

        return values;
    }

    private static float[] Product(float[] values, float factor) => Array.ConvertAll(values, v => v * factor);

    private static float OneBitOff(float value) => BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value) ^ 1);

    private static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            // Which NaN comes of two is the processor's affair.
            Assert.True(
                BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(actual[i]) || (float.IsNaN(expected[i]) && float.IsNaN(actual[i])),
                $"At {i}: {expected[i]:R} and {actual[i]:R}.");
        }
    }

    private static void AssertSameChecksum(ReadOnlySpan<float> values, BlockChecksum actual)
    {
        var expected = default(BlockChecksum);
        expected.Add(values);
        Assert.True(expected.Equals(actual));
    }

    /// <summary>A test of a pass that needs AVX2.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    private sealed class OpenFactAttribute : FactAttribute
    {
        public OpenFactAttribute()
        {
            if (!FusedPasses.CanOpen)
            {
                Skip = "This processor has no AVX2.";
            }
        }
    }
}
