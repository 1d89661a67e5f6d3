using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Experiments;

/// <summary>The task loss: the mean answers of the teachers instead of the labels (Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015).</summary>
internal sealed class Distillation
{
    private readonly double _temperature;
    private readonly Tensor _answers;

    public Distillation(IReadOnlyCollection<Module<Tensor, Tensor>> teachers, Tensor images, double temperature)
    {
        using var scope = NewDisposeScope();
        _temperature = temperature;
        var mean = teachers.Select(t => Evaluation.Logits(t, images)).Aggregate((sum, logits) => sum.add(logits)).div(teachers.Count);
        _answers = mean.div(temperature).softmax(1).MoveToOuterDisposeScope();
    }

    /// <summary>Mean over the batch of T² · cross entropy, whose gradient is T · (softmax(z / T) - softmax(z of the teachers / T)).</summary>
    public Tensor Loss(Tensor logits, Tensor indices) =>
        functional.cross_entropy(logits.div(_temperature), _answers.index_select(0, indices)).mul(_temperature * _temperature);
}
