using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Federated.Rounds;

/// <summary>The model that all share: what the seed gives, and the differences of the rounds so far added in their order. So it is the same to the bit wherever it is put together, and reaches a machine that has nothing as a few small files.</summary>
internal sealed class GlobalModel(int seed) : IDisposable
{
    public Module<Tensor, Tensor> Network { get; } = LeNet.Create(seed);

    /// <summary>How many rounds it holds.</summary>
    public int Rounds { get; private set; }

    public void Add(byte[] difference)
    {
        using var change = ModelDifference.Decode(difference);
        ModelDifference.AddTo(Network, change);
        Rounds++;
    }

    public double ErrorPercent(Tensor images, Tensor labels)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return 100.0 * Network.call(images).argmax(1).ne(labels).sum().item<long>() / labels.shape[0];
    }

    public void Dispose() => Network.Dispose();
}
