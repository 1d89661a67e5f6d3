using Federated.Cluster;
using Orleans.Runtime;

namespace Federated.Rounds;

/// <summary>Has images that it shows nobody, and says what it learned from them.</summary>
internal interface IWorkerGrain : IGrainWithIntegerCompoundKey
{
    /// <summary>Trains for one round. Asked again for the same round it gives the same answer.</summary>
    public Task<WorkerAnswer> TrainAsync(RoundSettings settings, Assignment assignment, IMilestones milestones);
}

/// <summary>What of a worker outlives its silo.</summary>
[GenerateSerializer]
internal sealed class WorkerState
{
    /// <summary>The last round it has worked for; 0 before the first.</summary>
    [Id(0)]
    public int Round { get; set; }

    /// <summary>What it sent.</summary>
    [Id(1)]
    public byte[] Difference { get; set; } = [];

    /// <summary>What rounding left out of that, as a file: it goes into the next difference.</summary>
    [Id(2)]
    public byte[] LeftOut { get; set; } = [];
}

internal sealed class WorkerGrain([PersistentState("worker", FileGrainStorage.Name)] IPersistentState<WorkerState> state, ILocalSiloDetails silo) : Grain, IWorkerGrain
{
    // Lost with the silo: put together again from the differences.
    private GlobalModel? _model;

    public async Task<WorkerAnswer> TrainAsync(RoundSettings settings, Assignment assignment, IMilestones milestones)
    {
        int worker = (int)this.GetPrimaryKeyLong(out _);
        if (state.State.Round == assignment.Round)
            return new WorkerAnswer(state.State.Difference, settings.ImagesPerWorker, assignment.Round - 1);

        _model ??= await TorchThread.RunAsync(() => new GlobalModel(settings.Seed));
        GlobalModel model = _model;
        if (model.Rounds < assignment.First)
            return new WorkerAnswer(null, 0, model.Rounds);

        LocalTraining training = await TorchThread.RunAsync(() =>
        {
            while (model.Rounds < assignment.Round - 1)
                model.Add(assignment.Differences[model.Rounds - assignment.First]);
            var started = new LocalTraining(model.Network, WorkerImages.Of(worker, settings), SeedOf(settings.Seed, worker, assignment.Round));
            started.RunTo(0.5);
            return started;
        });
        using (training)
        {
            await milestones.ReachedAsync(silo.Name, $"worker {worker} half way through round {assignment.Round}");
            byte[] leftOut = state.State.LeftOut;
            (state.State.Difference, state.State.LeftOut) = await TorchThread.RunAsync(() =>
            {
                training.RunTo(1);
                using var difference = LeNet.CreateZero();
                ModelDifference.AddTo(difference, training.Network);
                ModelDifference.AddTo(difference, model.Network, times: -1);
                return ModelDifference.Encode(difference, leftOut, settings.IsExact);
            });
        }

        // Kept before it is sent: what is left out now must go into the next difference exactly once, whoever dies in between.
        state.State.Round = assignment.Round;
        await state.WriteStateAsync();
        return new WorkerAnswer(state.State.Difference, settings.ImagesPerWorker, model.Rounds);
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (_model is { } model)
            await TorchThread.RunAsync(model.Dispose);
    }

    // The same in every process.
    private static int SeedOf(int seed, int worker, int round) => (((seed * 1009) + worker) * 1009) + round;
}
