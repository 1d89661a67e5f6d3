using Federated.Cluster;
using Orleans.Runtime;

namespace Federated.Rounds;

/// <summary>Lets the workers train and averages what they send.</summary>
internal interface ICoordinatorGrain : IGrainWithStringKey
{
    /// <summary>Does one round, or goes on with it where a silo that died has left off. Asked again for a finished round it says the same.</summary>
    public Task<Round> RunRoundAsync(int round, RoundSettings settings, IMilestones milestones);
}

/// <summary>What of the coordinator outlives its silo.</summary>
[GenerateSerializer]
internal sealed class CoordinatorState
{
    [Id(0)]
    public List<Round> Rounds { get; set; } = [];

    /// <summary>What has come in for the round that is not finished, by worker.</summary>
    [Id(1)]
    public SortedDictionary<int, Contribution> Contributions { get; set; } = [];

    /// <summary>What the last average left out, as a file.</summary>
    [Id(2)]
    public byte[] LeftOut { get; set; } = [];
}

[GenerateSerializer, Immutable]
internal sealed record Contribution([property: Id(0)] byte[] Difference, [property: Id(1)] int Images, [property: Id(2)] long BytesDown);

internal sealed class CoordinatorGrain(
    [PersistentState("coordinator", FileGrainStorage.Name)] IPersistentState<CoordinatorState> state, ILocalSiloDetails silo) : Grain, ICoordinatorGrain
{
    private List<Round> Rounds => state.State.Rounds;

    public async Task<Round> RunRoundAsync(int round, RoundSettings settings, IMilestones milestones)
    {
        if (round <= Rounds.Count)
            return Rounds[round - 1];

        SortedDictionary<int, Contribution> contributions = state.State.Contributions;
        var calls = Enumerable.Range(0, settings.Workers).Where(worker => !contributions.ContainsKey(worker)).Select(worker => AskAsync(worker, round, settings, milestones)).ToList();
        await foreach (var call in Task.WhenEach(calls))
        {
            (int worker, Contribution contribution) = await call;
            contributions.Add(worker, contribution);
            await state.WriteStateAsync();
            await milestones.ReachedAsync(silo.Name, $"coordinator has {contributions.Count} of {settings.Workers} contributions to round {round}");
        }

        byte[] leftOut = state.State.LeftOut;
        (byte[] difference, state.State.LeftOut) = await TorchThread.RunAsync(() => Average(contributions.Values, leftOut, settings.IsExact));
        long bytesUp = contributions.Values.Sum(contribution => (long)contribution.Difference.Length);
        Rounds.Add(new Round(difference, contributions.Count, bytesUp, contributions.Values.Sum(contribution => contribution.BytesDown)));
        contributions.Clear();
        await state.WriteStateAsync();
        return Rounds[^1];
    }

    private async Task<(int Worker, Contribution Contribution)> AskAsync(int worker, int round, RoundSettings settings, IMilestones milestones)
    {
        var grain = GrainFactory.GetGrain<IWorkerGrain>(worker, this.GetPrimaryKeyString());
        long bytesDown = 0;

        // A worker that is where it was last time has all rounds but the last; one whose silo died says what it lacks.
        int first = Math.Max(0, round - 2);
        while (true)
        {
            var assignment = new Assignment(round, first, [.. Rounds.Skip(first).Select(finished => finished.Difference)]);
            WorkerAnswer answer = await Patience.CallAsync(() =>
            {
                bytesDown += assignment.Differences.Sum(difference => (long)difference.Length);
                return grain.TrainAsync(settings, assignment, milestones);
            });
            if (answer.Difference is { } difference)
                return (worker, new Contribution(difference, answer.Images, bytesDown));
            first = answer.Rounds;
        }
    }

    // In the order of the workers, whatever the order their answers came in: sums of floats depend on it.
    private static (byte[] Difference, byte[] LeftOut) Average(IReadOnlyCollection<Contribution> contributions, byte[] leftOut, bool isExact)
    {
        double images = contributions.Sum(contribution => (double)contribution.Images);
        using var mean = LeNet.CreateZero();
        foreach (Contribution contribution in contributions)
        {
            using var difference = ModelDifference.Decode(contribution.Difference);
            ModelDifference.AddTo(mean, difference, contribution.Images / images);
        }

        return ModelDifference.Encode(mean, leftOut, isExact);
    }
}
