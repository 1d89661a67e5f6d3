using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Support;

/// <summary>A session on the small network with a smooth task on fixed data.</summary>
internal sealed class SessionFixture : IDisposable
{
    public SessionFixture(CompressionOptions? options = null, ScalarType dtype = ScalarType.Float64, nn.Module<Tensor, Tensor>? model = null, Tensor? input = null)
    {
        Options = options ?? new CompressionOptions();
        Model = model ?? TestModels.Mlp(dtype);
        Input = input ?? TestTensors.Random(100, dtype, 8, 4);
        using (no_grad())
        {
            using var output = Model.call(Input);
            Target = TestTensors.Random(101, dtype, output.shape);
        }

        Session = new CompressionSession(Model, Options);
        Reference = new ReferenceObjective(Session, Model, Options, Task);
    }

    public CompressionOptions Options { get; }

    public nn.Module<Tensor, Tensor> Model { get; }

    public CompressionSession Session { get; }

    public Tensor Input { get; }

    public Tensor Target { get; }

    public ReferenceObjective Reference { get; }

    public Parameter[] Parameters => [.. Session.Parameters()];

    public static CompressionOptions Small(Action<CompressionOptions>? change = null)
    {
        var options = new CompressionOptions
        {
            // Five levels, so that rounding, noise and limits all matter at these sizes.
            Quantization = { NoiseLevel = 0.25 },
            Loss = { Lambda = 0.05, Growth = LossGrowth.Full },
            Noise = { Seed = 3 },
        };
        change?.Invoke(options);
        return options;
    }

    public Tensor Output() => Model.call(Input);

    public Tensor Task() => (Model.call(Input) - Target).square().mean();

    /// <summary>One forward and backward; the caller steps.</summary>
    public double Collect(bool loss = true)
    {
        using var scope = NewDisposeScope();
        using (Session.BeginStep())
        {
            var objective = loss ? Task() + Session.Loss() : Task();
            objective.backward();
            return TestTensors.Value(objective);
        }
    }

    public void Train(optim.Optimizer optimizer, int steps)
    {
        for (int i = 0; i < steps; i++)
        {
            optimizer.zero_grad();
            Collect();
            Session.Step(optimizer);
        }
    }

    public optim.Optimizer Adam(double learningRate = 0.01) => optim.Adam(Session.Parameters(), learningRate);

    public optim.Optimizer Sgd(double learningRate = 0.01, double momentum = 0) => optim.SGD(Session.Parameters(), learningRate, momentum);

    public void Dispose()
    {
        Session.Dispose();
        Model.Dispose();
        Input.Dispose();
        Target.Dispose();
    }
}
