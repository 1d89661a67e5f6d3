using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Federated.Rounds;

/// <summary>LeNet-300-100, started from a seed: whoever knows the seed has the same network, to the bit.</summary>
internal static class LeNet
{
    private const int Pixels = 28 * 28;
    private const int Classes = 10;

    public const long ParameterCount = (Pixels * 300) + 300 + (300 * 100) + 100 + (100 * Classes) + Classes;

    public static Module<Tensor, Tensor> Create(int seed)
    {
        var network = Sequential(
            ("fc1", Linear(Pixels, 300)), ("relu1", ReLU()),
            ("fc2", Linear(300, 100)), ("relu2", ReLU()),
            ("fc3", Linear(100, Classes)));

        // A generator of its own: torch's is shared by everything that runs in the process.
        using var generator = new Generator((ulong)seed);
        using var noGradient = no_grad();
        double bound = 0;
        foreach (var parameter in network.parameters())
        {
            // Each bias comes after its matrix and has the same bound.
            bound = parameter.dim() == 2 ? 1 / Math.Sqrt(parameter.shape[1]) : bound;
            parameter.uniform_(-bound, bound, generator);
        }

        return network;
    }

    /// <summary>The same layers, every parameter zero.</summary>
    public static Module<Tensor, Tensor> CreateZero()
    {
        var network = Create(seed: 0);
        using var noGradient = no_grad();
        foreach (var parameter in network.parameters())
            parameter.zero_();
        return network;
    }
}
