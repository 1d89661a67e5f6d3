using Federated.Cluster;
using NeuralCompression.Codec;

namespace Federated.Checkpoint;

/// <summary>Has the files of a checkpoint compressed, each wherever there is room, and makes one model of them.</summary>
internal interface ICheckpointGrain : IGrainWithStringKey
{
    /// <summary>Compresses all files, or those that are left where a silo that died has left off.</summary>
    public Task<IReadOnlyList<Shard>> CompressAsync(CheckpointJob job, IMilestones milestones);
}

/// <param name="Sources">The safetensors files, in a folder that all silos see.</param>
/// <param name="Manifest">The manifest to write, with the compressed files beside it.</param>
[GenerateSerializer, Immutable]
internal sealed record CheckpointJob([property: Id(0)] IReadOnlyList<string> Sources, [property: Id(1)] string Manifest);

/// <summary>What outlives the silo: the files that are done.</summary>
[GenerateSerializer]
internal sealed class CheckpointState
{
    [Id(0)]
    public Dictionary<string, Shard> Done { get; set; } = [];
}

internal sealed class CheckpointGrain(
    [PersistentState("checkpoint", FileGrainStorage.Name)] IPersistentState<CheckpointState> state, ILocalSiloDetails silo) : Grain, ICheckpointGrain
{
    public async Task<IReadOnlyList<Shard>> CompressAsync(CheckpointJob job, IMilestones milestones)
    {
        Dictionary<string, Shard> done = state.State.Done;
        string folder = Path.GetDirectoryName(job.Manifest)!;
        string work = Directory.CreateDirectory(Path.Combine(folder, "unfinished")).FullName;
        var calls = job.Sources.Where(source => !done.ContainsKey(source)).Select(source => CompressAsync(source, folder, work, milestones)).ToList();
        await foreach (var call in Task.WhenEach(calls))
        {
            (string source, Shard shard) = await call;
            done.Add(source, shard);
            await state.WriteStateAsync();
            await milestones.ReachedAsync(silo.Name, $"{done.Count} of {job.Sources.Count} files compressed");
        }

        List<Shard> shards = [.. job.Sources.Select(source => done[source])];
        CompressedModelSet.Combine(job.Manifest, [.. shards.Select(shard => shard.FileName)]);

        // What a killed silo was writing.
        Directory.Delete(work, recursive: true);
        return shards;
    }

    private async Task<(string Source, Shard Shard)> CompressAsync(string source, string folder, string work, IMilestones milestones)
    {
        string target = Path.Combine(folder, Path.ChangeExtension(Path.GetFileName(source), ".ncm"));
        var grain = GrainFactory.GetGrain<IShardGrain>(target);
        return (source, await Patience.CallAsync(() => grain.CompressAsync(new ShardJob(source, target, work), milestones)));
    }
}
