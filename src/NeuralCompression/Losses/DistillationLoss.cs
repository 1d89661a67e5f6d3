using static TorchSharp.torch;

namespace NeuralCompression;

/// <summary>A task loss that teaches a network the answers of another: T² times the Kullback-Leibler divergence of the two softened distributions, averaged over the batch.</summary>
/// <remarks>
/// <para>value = T² · mean Σ p log(p / q) with p = softmax(teacher / T), q = softmax(logits / T); its gradient by the logits is T · (q − p) / N. Zero where both agree.</para>
/// <para>How sure the teacher is, and what else an example looks like to it, is worth more than the label alone. Compressing from 8 to 4 kB, this was decisive (docs/training.md).</para>
/// <para>Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (2015).</para>
/// </remarks>
public sealed class DistillationLoss : nn.Module<Tensor, Tensor, Tensor>
{
    /// <summary>Makes the loss.</summary>
    /// <param name="temperature">T; dimensionless, range (0, ∞), default 2, the best of 1.3, 2 and 4 in the experiments.</param>
    /// <param name="teacherWeight">Share of the teacher in <see cref="forward(Tensor, Tensor, Tensor)"/>, the rest is the labels'; fraction, range [0, 1], default 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The temperature is not positive and finite, or the share lies outside [0, 1].</exception>
    public DistillationLoss(double temperature = 2, double teacherWeight = 1)
        : base(nameof(DistillationLoss))
    {
        if (!(double.IsFinite(temperature) && temperature > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "The temperature must be positive and finite.");
        }

        if (teacherWeight is not (>= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(teacherWeight), teacherWeight, "The teacher's share must lie in [0, 1].");
        }

        Temperature = temperature;
        TeacherWeight = teacherWeight;
    }

    /// <summary>T; dimensionless, range (0, ∞).</summary>
    public double Temperature { get; }

    /// <summary>Share of the teacher where labels are given too; fraction, range [0, 1].</summary>
    public double TeacherWeight { get; }

    /// <summary>The loss against a teacher's answers.</summary>
    /// <param name="logits">The network's answers; shape <c>[N, classes]</c> or <c>[N, classes, …]</c>, floating point.</param>
    /// <param name="teacherLogits">The teacher's, same shape; no gradient flows into them.</param>
    /// <returns>Shape <c>[]</c>, loss units; the caller owns it.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The shapes differ, or have less than two dimensions.</exception>
    public override Tensor forward(Tensor logits, Tensor teacherLogits)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(teacherLogits);
        if (logits.dim() < 2 || !logits.shape.AsSpan().SequenceEqual(teacherLogits.shape))
        {
            throw new ArgumentException($"The answers [{string.Join(", ", logits.shape)}] and the teacher's [{string.Join(", ", teacherLogits.shape)}] must have one shape, [N, classes] or more.", nameof(teacherLogits));
        }

        using var scope = NewDisposeScope();
        var teacher = teacherLogits.detach().div(Temperature);
        var (p, logP) = (teacher.softmax(1), teacher.log_softmax(1));
        var divergence = p.mul(logP.sub(logits.div(Temperature).log_softmax(1))).sum(1);
        return divergence.mean().mul(Temperature * Temperature).MoveToOuterDisposeScope();
    }

    /// <summary>The loss against a teacher's answers and labels: <see cref="TeacherWeight"/> of the one, the rest of the cross entropy.</summary>
    /// <param name="logits">The network's answers; shape <c>[N, classes]</c> or <c>[N, classes, …]</c>, floating point.</param>
    /// <param name="teacherLogits">The teacher's, same shape; no gradient flows into them.</param>
    /// <param name="labels">Classes; shape <c>[N]</c> or <c>[N, …]</c>, int64.</param>
    /// <returns>Shape <c>[]</c>, loss units; the caller owns it.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">As without labels.</exception>
    public Tensor forward(Tensor logits, Tensor teacherLogits, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        using var scope = NewDisposeScope();
        var taught = forward(logits, teacherLogits).mul(TeacherWeight);
        return taught.add(nn.functional.cross_entropy(logits, labels).mul(1 - TeacherWeight)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc cref="forward(Tensor, Tensor, Tensor)"/>
    public Tensor call(Tensor logits, Tensor teacherLogits, Tensor labels) => forward(logits, teacherLogits, labels);
}
