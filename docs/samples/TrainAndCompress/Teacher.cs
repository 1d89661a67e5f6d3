using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TrainAndCompress;

/// <summary>A dense network, trained in the ordinary way with dropout. The small one starts from its weights and imitates its answers.</summary>
internal static class Teacher
{
    private const int BatchSize = 256;

    // Regularisation that the LeNets need to get below 1.7 % test error without augmentation.
    private const double InputDropout = 0.1;
    private const double HiddenDropout = 0.2;

    // Up during the first fifth, then down: reaches in 12 epochs what 1e-3 down to 1e-4 does not reach in 20.
    private const double PeakLearningRate = 5e-3;
    private const double WarmUp = 0.2;

    public static Module<Tensor, Tensor> Create(string network, IdxDataSet data) => Networks.Create(network, data, InputDropout, HiddenDropout);

    public static void Train(
        Module<Tensor, Tensor> network, int epochs, DemoOptions options, IdxDataSet data, Action<EpochReport> report, CancellationToken stop)
    {
        using var optimizer = optim.Adam(network.parameters());
        using var generator = new Generator((ulong)options.Seed);

        var progress = new TrainingProgress(epochs, data.Train.Count, BatchSize);
        for (int epoch = 1; epoch <= epochs; epoch++)
        {
            double lossSum = 0;
            network.train();
            foreach (Tensor indices in data.Train.ShuffledBatches(BatchSize, generator))
            {
                stop.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                optimizer.SetLearningRate(LearningRateAt(progress.Fraction));

                var batch = data.Train.Select(indices);
                optimizer.zero_grad();
                var loss = functional.cross_entropy(network.call(batch.Images), batch.Labels);
                loss.backward();
                optimizer.step();

                lossSum += loss.item<float>();
                progress.StepDone();
            }
            report(new EpochReport(epoch, lossSum / progress.StepsPerEpoch, Evaluation.ErrorPercent(network, data.Validation)));
        }
        network.eval();
    }

    private static double LearningRateAt(double fraction) => PeakLearningRate *
        (fraction < WarmUp ? 0.1 + 0.9 * fraction / WarmUp : (1 - fraction) / (1 - WarmUp));
}
