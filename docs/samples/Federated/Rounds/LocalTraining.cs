using TorchSharp;
using TrainAndCompress;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Federated.Rounds;

/// <summary>One worker's part of a round: an epoch over its own images, from the shared model on. The same model, images and seed give the same weights.</summary>
internal sealed class LocalTraining : IDisposable
{
    private const int BatchSize = 32;
    private const double LearningRate = 0.1;
    private const double Momentum = 0.9;

    private readonly Split _images;
    private readonly optim.Optimizer _optimizer;
    private readonly Generator _generator;
    private readonly IEnumerator<Tensor> _batches;
    private long _steps;

    /// <param name="start">The shared model; not changed.</param>
    /// <param name="images">The worker's own; not disposed.</param>
    /// <param name="seed">Of the order of the images.</param>
    public LocalTraining(Module<Tensor, Tensor> start, Split images, int seed)
    {
        Network = LeNet.CreateZero();
        ModelDifference.AddTo(Network, start);
        _images = images;
        _optimizer = optim.SGD(Network.parameters(), LearningRate, Momentum);
        _generator = new Generator((ulong)seed);
        _batches = images.ShuffledBatches(BatchSize, _generator).GetEnumerator();
    }

    public Module<Tensor, Tensor> Network { get; }

    /// <summary>Goes on until so much of the epoch is done.</summary>
    public void RunTo(double fraction)
    {
        long goal = (long)Math.Ceiling(fraction * _images.Count / BatchSize);
        for (; _steps < goal && _batches.MoveNext(); _steps++)
        {
            using var scope = NewDisposeScope();
            using var batch = _images.Select(_batches.Current);
            _optimizer.zero_grad();
            functional.cross_entropy(Network.call(batch.Images), batch.Labels).backward();
            _optimizer.step();
        }
    }

    public void Dispose()
    {
        _batches.Dispose();
        _generator.Dispose();
        _optimizer.Dispose();
        Network.Dispose();
    }
}
