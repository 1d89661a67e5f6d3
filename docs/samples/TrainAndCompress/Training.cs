using NeuralCompression;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TrainAndCompress;

/// <summary>The main part: an ordinary training loop, wrapped in the calls of a <see cref="CompressionSession"/>.</summary>
internal static class Training
{
    private const int BatchSize = 256;

    public static void Run(
        CompressionSession session, Module<Tensor, Tensor> network, Distillation distillation, Schedule schedule,
        DemoOptions options, IdxDataSet data, Action<EpochReport> report, CancellationToken stop)
    {
        using var optimizer = optim.Adam(session.Parameters());
        using var generator = new Generator((ulong)options.Seed);

        var progress = new TrainingProgress(options.Epochs, data.Train.Count, BatchSize);
        bool frozen = false;
        for (int epoch = 1; epoch <= options.Epochs; epoch++)
        {
            double lossSum = 0;
            network.train();
            foreach (Tensor indices in data.Train.ShuffledBatches(BatchSize, generator))
            {
                stop.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                if (!frozen && progress.Fraction >= schedule.FreezeAt)
                {
                    session.FreezeZeros();
                    frozen = true;
                }
                schedule.Apply(progress, session, optimizer);

                var images = data.Train.Images.index_select(0, indices);
                optimizer.zero_grad();
                using (session.BeginStep())
                {
                    var loss = distillation.Loss(network.call(images), indices) + session.Loss();
                    loss.backward();
                    lossSum += loss.item<float>();
                }
                session.Step(optimizer);
                progress.StepDone();
            }

            // Measured as it would be read from a file; the next BeginStep goes back to the weights in training.
            session.Quantize();
            report(new EpochReport(
                epoch, lossSum / progress.StepsPerEpoch, Evaluation.ErrorPercent(network, data.Validation),
                session.Sparsity, session.EstimateBytes()));
        }
    }
}
