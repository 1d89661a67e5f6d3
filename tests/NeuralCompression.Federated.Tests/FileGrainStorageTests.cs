using Federated.Cluster;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using Orleans.Storage;

namespace NeuralCompression.Federated.Tests;

/// <summary>The sample's store of grain states: what is written is there for the next silo, and of two activations one is refused.</summary>
public sealed class FileGrainStorageTests : IDisposable
{
    private static readonly GrainId Grain = GrainId.Create("worker", "1/run");

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("federated-test-");
    private readonly ServiceProvider services = new ServiceCollection().AddSerializer().BuildServiceProvider();

    public void Dispose()
    {
        services.Dispose();
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Write_ThenReadElsewhere_GivesTheState()
    {
        var written = new GrainState<List<int>>([1, 2]);
        await Storage().WriteStateAsync("state", Grain, written);
        written.State = [3];
        await Storage().WriteStateAsync("state", Grain, written);

        GrainState<List<int>> read = await ReadAsync();
        Assert.Equal([3], read.State);
        Assert.True(read.RecordExists);
        Assert.Equal(written.ETag, read.ETag);

        await Storage().ClearStateAsync("state", Grain, read);
        Assert.Equal([], read.State);
        Assert.False((await ReadAsync()).RecordExists);
    }

    [Fact]
    public async Task Write_ByOneWhoHasNotSeenTheLastState_IsRefused()
    {
        var first = new GrainState<List<int>>([1]);
        var second = new GrainState<List<int>>([2]);
        await Storage().WriteStateAsync("state", Grain, first);
        await Assert.ThrowsAsync<InconsistentStateException>(() => Storage().WriteStateAsync("state", Grain, second));
        await Assert.ThrowsAsync<InconsistentStateException>(() => Storage().ClearStateAsync("state", Grain, second));
        Assert.Equal([1], (await ReadAsync()).State);
    }

    private FileGrainStorage Storage() => new(folder.FullName, new OrleansGrainStorageSerializer(services.GetRequiredService<Serializer>()));

    private async Task<GrainState<List<int>>> ReadAsync()
    {
        var state = new GrainState<List<int>>();
        await Storage().ReadStateAsync("state", Grain, state);
        return state;
    }
}
