using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using NeuralCompression.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>
/// What a short fixed training leaves, to the last bit, before and after any change that is only to make it faster. The results in benchmarks/results were trained with these numbers: a hash that changes makes them those of another program.
/// </summary>
/// <remarks>Task gradient and optimizer are elementwise and exact, so nothing here depends on libtorch's matrix products; the order of the sums of L1, L2 and gain gradients depends on the vector width, hence two hashes.</remarks>
public sealed class PinnedTrainingTests
{
    private const int Steps = 8;

    public static TheoryData<string, string, string> Cases => new()
    {
        { "autograd, tanh", "ae38a57433948578", "dce9104d3fac58e2" },
        { "direct, clamp, shrink-only, rate", "e67d798e46587351", "46e77a21bcd39745" },
        { "direct, sigmoid, float64", "8923f2eb49fd5757", "a5cb835cae42cc05" },
        { "proximal, clamp, rounded, targeted noise, frozen", "6855e4399554baac", "17df9802a58e7944" },
        { "proximal, tanh, strengths, half rounded", "14b498c38a98c46c", "d8fe277fbf97decc" },
        { "direct, identity, fixed gain", "e207dcd8c6fedf01", "08f94480ea7dda59" },
        { "direct, tanh, rows, equalizer, fixed levels", "67f1e8258756367c", "6bf37e8386484996" },
        { "autograd, clamp, two scopes a step", "2331c955ff6d0513", "5c0f5312d9944396" },
    };

    [PinnedTheory]
    [MemberData(nameof(Cases))]
    public void Training_AFewSteps_LeavesTheRecordedBits(string name, string with256, string with512)
    {
        using var model = new Weights(name.Contains("float64", StringComparison.Ordinal) ? ScalarType.Float64 : ScalarType.Float32);
        using var session = new CompressionSession(model, Options(name));
        using var optimizer = optim.SGD(session.Parameters(), 1.0 / 4);
        if (name.Contains("strengths", StringComparison.Ordinal))
        {
            using var strength = tensor(Array.ConvertAll(TestTensors.Numbers(40, 61), x => (float)Math.Abs(x)));
            session.Weights[1].Strength = strength;
        }

        for (int i = 0; i < Steps; i++)
        {
            if (i == Steps / 2 && (name.Contains("frozen", StringComparison.Ordinal) || name.Contains("fixed levels", StringComparison.Ordinal)))
            {
                session.FreezeZeros();
            }

            if (i == Steps - 2 && name.Contains("fixed levels", StringComparison.Ordinal))
            {
                session.FixLevels();
            }

            Step(model, session, optimizer, scopes: name.Contains("two scopes", StringComparison.Ordinal) ? 2 : 1);
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var parameter in session.Parameters().Concat(model.parameters()))
        {
            hash.AppendData(TestTensors.Bits(parameter));
        }

        Assert.Equal(Vector512.IsHardwareAccelerated ? with512 : with256, Convert.ToHexStringLower(hash.GetHashAndReset())[..16]);
    }

    private static void Step(Weights model, CompressionSession session, optim.Optimizer optimizer, int scopes)
    {
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        for (int i = 0; i < scopes; i++)
        {
            using (session.BeginStep())
            {
                (model.Distance() + session.Loss()).backward();
            }
        }

        session.Step(optimizer);
    }

    private static CompressionOptions Options(string name)
    {
        bool Has(string word) => name.Contains(word, StringComparison.Ordinal);
        return new CompressionOptions
        {
            Quantization = { NoiseLevel = 1.0 / 8 },
            Mapping = Has("clamp") ? MappingKind.Clamp : Has("sigmoid") ? MappingKind.Sigmoid : Has("identity") ? MappingKind.Identity : MappingKind.Tanh,
            TrainGains = !Has("fixed gain"),
            QuantizedForward = Has("half rounded") ? 0.5 : Has("rounded") ? 1 : 0,
            Noise = { Seed = 9, Target = Has("targeted") ? NoiseTarget.NonZeroWeights : NoiseTarget.AllWeights },
            Loss =
            {
                Lambda = 0.3,
                Mode = Has("autograd") ? LossMode.Autograd : Has("proximal") ? LossMode.Proximal : LossMode.DirectGradient,
                Growth = Has("shrink-only") ? LossGrowth.ShrinkOnly : null,
                Weighting = Has("rate") ? LossWeighting.Rate : LossWeighting.Equal,
                Groups = Has("rows") ? LossGroups.Rows : LossGroups.WholeTensor,
                Equalizer = Has("equalizer") ? 0.2 : 0,
            },
        };
    }

    /// <summary>Weights pulled towards targets of their own: the gradient is their difference, without rounding in any order. The first is longer than two blocks of a session's passes; all have odd lengths.</summary>
    private sealed class Weights : nn.Module
    {
        private readonly Parameter[] _weights;
        private readonly Tensor[] _targets;

        public Weights(ScalarType dtype)
            : base(nameof(Weights))
        {
            long[][] shapes = [[73, 61], [37, 61], [5, 3, 3, 3], [7]];
            _weights = [.. shapes.Select((s, i) => new Parameter(Filled(s, i, dtype)))];
            _targets = [.. shapes.Select((s, i) => Filled(s, 20 + i, dtype))];
            for (int i = 0; i < _weights.Length; i++)
            {
                register_parameter($"w{i}", _weights[i]);
            }
        }

        public Tensor Distance()
        {
            Tensor? sum = null;
            for (int i = 0; i < _weights.Length; i++)
            {
                var distance = (_weights[i] - _targets[i]).square().sum().mul(0.5);
                sum = sum is null ? distance : sum.add(distance);
            }

            return sum!;
        }

        protected override void Dispose(bool disposing)
        {
            foreach (var tensor in _targets)
            {
                tensor.Dispose();
            }

            base.Dispose(disposing);
        }

        private static Tensor Filled(long[] shape, int seed, ScalarType dtype) =>
            tensor(Array.ConvertAll(TestTensors.Numbers(seed + 1, (int)shape.Aggregate(1L, (a, b) => a * b)), x => (float)x), dtype: dtype).reshape(shape);
    }
}

/// <summary>A theory whose numbers were recorded with vectors of 256 bits, and with those of 512.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PinnedTheoryAttribute : TheoryAttribute
{
    public PinnedTheoryAttribute()
    {
        if (!Vector256.IsHardwareAccelerated)
        {
            Skip = "The recorded numbers are those of vectors of 256 and of 512 bits.";
        }
    }
}
