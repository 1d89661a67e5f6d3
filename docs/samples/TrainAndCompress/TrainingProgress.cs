using TorchSharp;
using static TorchSharp.torch;

namespace TrainAndCompress;

/// <summary>What is told after every epoch; the last two are known for the compressed network only.</summary>
/// <param name="Epoch">From 1.</param>
/// <param name="Loss">Mean over the epoch.</param>
/// <param name="ValidationError">Percent.</param>
/// <param name="Sparsity">Share of zeros among the weights.</param>
/// <param name="Bytes">Estimated size of the file.</param>
internal sealed record EpochReport(int Epoch, double Loss, double ValidationError, double? Sparsity = null, long? Bytes = null);

/// <summary>Counts optimizer steps, on which all schedules run.</summary>
internal sealed class TrainingProgress(int epochs, long images, int batchSize)
{
    private long _steps;

    public long StepsPerEpoch { get; } = (images + batchSize - 1) / batchSize;

    /// <summary>From 0 to just below 1.</summary>
    public double Fraction => (double)_steps / (epochs * StepsPerEpoch);

    public double Epochs => (double)_steps / StepsPerEpoch;

    public void StepDone()
    {
        // Numbers passed to libtorch are small native blocks that only a finalizer frees. A training loop allocates so little managed
        // memory that the collector would not run for minutes, while they scatter over the native heap and make it grow.
        if (++_steps % 50 == 0)
        {
            GC.Collect(0);
            GC.WaitForPendingFinalizers();
        }
    }
}

internal static class OptimizerExtensions
{
    public static void SetLearningRate(this optim.Optimizer optimizer, double learningRate)
    {
        foreach (var group in optimizer.ParamGroups)
            group.LearningRate = learningRate;
    }
}
