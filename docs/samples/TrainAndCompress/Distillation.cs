using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TrainAndCompress;

/// <summary>
/// The small network learns the teacher's answers instead of the labels (Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural
/// Network, 2015): how sure the teacher is, and what else an image looks like, is worth more per image than the label alone.
/// </summary>
internal sealed class Distillation : IDisposable
{
    // Softens both answers; 2 did best of 1.3, 2 and 4.
    private const double Temperature = 2;

    private readonly Tensor _answers;

    /// <summary>Asks the teacher once for all images, without dropout.</summary>
    public Distillation(Module<Tensor, Tensor> teacher, Tensor images)
    {
        using var logits = Evaluation.Logits(teacher, images);
        using var softened = logits.div(Temperature);
        _answers = softened.softmax(1);
    }

    /// <summary>Mean over the batch of T² · cross entropy, whose gradient is T · (softmax(z / T) - softmax(z of the teacher / T)).</summary>
    public Tensor Loss(Tensor logits, Tensor indices) =>
        functional.cross_entropy(logits.div(Temperature), _answers.index_select(0, indices)).mul(Temperature * Temperature);

    public void Dispose() => _answers.Dispose();
}
