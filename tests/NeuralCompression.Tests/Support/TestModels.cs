using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Support;

/// <summary>Small modules with known weights.</summary>
internal static class TestModels
{
    /// <summary>fc1 [5, 4], tanh, fc2 [3, 5]; smooth, so that finite differences are clean.</summary>
    public static nn.Module<Tensor, Tensor> Mlp(ScalarType dtype, int seed = 1)
    {
        using var scope = NewDisposeScope();
        var model = nn.Sequential(
            ("fc1", nn.Linear(4, 5, dtype: dtype)),
            ("act", nn.Tanh()),
            ("fc2", nn.Linear(5, 3, dtype: dtype)));
        Fill(model, seed);
        return model;
    }

    /// <summary>A wider one for sizes and speed.</summary>
    public static nn.Module<Tensor, Tensor> WideMlp(int seed = 1, int hidden = 64)
    {
        var model = nn.Sequential(
            ("fc1", nn.Linear(32, hidden)),
            ("act", nn.Tanh()),
            ("fc2", nn.Linear(hidden, 10)));
        Fill(model, seed);
        return model;
    }

    /// <summary>Two weights, two biases, a batch norm with running statistics.</summary>
    public static nn.Module<Tensor, Tensor> ConvolutionWithNorm(int seed = 1)
    {
        var model = nn.Sequential(
            ("conv", nn.Conv2d(1, 4, 3)),
            ("norm", nn.BatchNorm2d(4)),
            ("act", nn.Tanh()),
            ("flat", nn.Flatten()),
            ("fc", nn.Linear(16, 3)));
        Fill(model, seed);
        return model;
    }

    /// <summary>Overwrites every parameter with numbers that do not depend on torch's generator.</summary>
    public static void Fill(nn.Module model, int seed, double scale = 0.5)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (_, parameter) in model.named_parameters())
        {
            double[] numbers = TestTensors.Numbers(seed++, (int)parameter.numel());
            parameter.copy_(tensor(Array.ConvertAll(numbers, x => x * scale), dtype: parameter.dtype).reshape(parameter.shape));
        }
    }

    public static Dictionary<string, byte[]> Snapshot(nn.Module model) =>
        model.state_dict().ToDictionary(e => e.Key, e => TestTensors.Bits(e.Value), StringComparer.Ordinal);

    public static void AssertUnchanged(Dictionary<string, byte[]> snapshot, nn.Module model)
    {
        var now = Snapshot(model);
        Assert.Equal(snapshot.Keys.Order(StringComparer.Ordinal), now.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, bits) in snapshot)
        {
            Assert.True(bits.AsSpan().SequenceEqual(now[name]), $"'{name}' differs.");
        }
    }

    public static void AssertEqual(nn.Module expected, nn.Module actual) => AssertUnchanged(Snapshot(expected), actual);

    public static bool Differs(Dictionary<string, byte[]> snapshot, nn.Module model) =>
        Snapshot(model).Any(e => !e.Value.AsSpan().SequenceEqual(snapshot[e.Key]));
}

/// <summary>One weight of any type and strides, used as a linear layer: y = x Wᵀ.</summary>
internal sealed class OneWeight : nn.Module<Tensor, Tensor>
{
    // Registered by name.
    private readonly Parameter weight;

    public OneWeight(Tensor values)
        : base(nameof(OneWeight))
    {
        weight = new Parameter(values.detach().alias());
        RegisterComponents();
    }

    public Parameter Weight => weight;

    public override Tensor forward(Tensor input) => input.matmul(weight.t());
}

/// <summary>Embedding and output layer share one tensor; the native embedding hands out a new wrapper at every access.</summary>
internal sealed class TiedEmbedding : nn.Module<Tensor, Tensor>
{
    private readonly Embedding embedding;
    private readonly Linear decoder;

    public TiedEmbedding(ScalarType dtype, int seed = 1)
        : base(nameof(TiedEmbedding))
    {
        embedding = nn.Embedding(6, 4, dtype: dtype);
        decoder = nn.Linear(4, 6, dtype: dtype);
        decoder.weight = embedding.weight!;
        RegisterComponents();
        TestModels.Fill(this, seed);
    }

    public override Tensor forward(Tensor input) => decoder.call(embedding.call(input).tanh());
}

/// <summary>Two managed layers share one Parameter object.</summary>
internal sealed class TiedLinear : nn.Module<Tensor, Tensor>
{
    private readonly Linear first;
    private readonly Linear second;

    public TiedLinear(ScalarType dtype, int seed = 1)
        : base(nameof(TiedLinear))
    {
        first = nn.Linear(4, 4, dtype: dtype);
        second = nn.Linear(4, 4, dtype: dtype);
        second.weight = first.weight!;
        RegisterComponents();
        TestModels.Fill(this, seed);
    }

    public Linear First => first;

    public Linear Second => second;

    public override Tensor forward(Tensor input) => second.call(first.call(input).tanh());
}
