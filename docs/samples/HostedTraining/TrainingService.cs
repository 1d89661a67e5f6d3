using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NeuralCompression;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace HostedTraining;

/// <summary>Trains a small network on data made up here, saves it and stops the host.</summary>
internal sealed partial class TrainingService(ICompressionSessionFactory sessions, IHostApplicationLifetime lifetime, ILogger<TrainingService> logger) : BackgroundService
{
    private const int Steps = 400;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.Run(() => Train(stoppingToken), stoppingToken);

    private void Train(CancellationToken stoppingToken)
    {
        try
        {
            random.manual_seed(1);
            using var model = Sequential(("hidden", Linear(20, 64)), ("relu", ReLU()), ("out", Linear(64, 2)));
            using var x = randn(1024, 20);
            using var y = x.select(1, 3).mul(x.select(1, 7)).gt(0).to_type(ScalarType.Int64);

            using var session = sessions.Create(model, "small");
            using var optimizer = optim.Adam(session.Parameters(), 1e-2);
            for (int step = 0; step < Steps; step++)
            {
                stoppingToken.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                optimizer.zero_grad();
                using (session.BeginStep())
                    (functional.cross_entropy(model.call(x), y) + session.Loss()).backward();
                session.Step(optimizer);
            }

            string path = Path.Combine(Path.GetTempPath(), $"hosted-training-{Environment.ProcessId}.ncm");
            session.Save(path);
            using var loaded = Sequential(("hidden", Linear(20, 64)), ("relu", ReLU()), ("out", Linear(64, 2)));
            loaded.LoadCompressed(path);
            File.Delete(path);
            using var noGradient = no_grad();
            double error = 100 * loaded.call(x).argmax(1).ne(y).to_type(float64).mean().item<double>();
            Trained(logger, Steps, session.Sparsity, error);
        }
        finally
        {
            lifetime.StopApplication();
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Steps} steps, {Sparsity:P1} zeros, training error of the loaded network {Error:F2} %")]
    private static partial void Trained(ILogger logger, int steps, double sparsity, double error);
}
