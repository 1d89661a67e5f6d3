using TorchSharp;
using TrainAndCompress;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Experiments;

/// <summary>Error and cross entropy of a network on a split.</summary>
internal readonly record struct Evaluation(double ErrorPercent, double CrossEntropy)
{
    private const int BatchSize = 1000;

    public static Evaluation Of(Module<Tensor, Tensor> network, Split split) => Of(network, split.Images, split.Labels);

    public static Evaluation Of(Module<Tensor, Tensor> network, Tensor images, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var logits = Logits(network, images);
        return new Evaluation(
            100.0 * logits.argmax(1).ne(labels).sum().item<long>() / labels.shape[0],
            functional.cross_entropy(logits, labels).item<float>());
    }

    /// <summary>The network's answers [n, classes], without dropout and without a graph.</summary>
    public static Tensor Logits(Module<Tensor, Tensor> network, Tensor images)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        bool training = network.training;
        network.eval();
        var batches = images.split(BatchSize).Select(network.call).ToArray();
        network.train(training);
        return cat(batches).MoveToOuterDisposeScope();
    }
}
