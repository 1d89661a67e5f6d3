using Federated.Cluster;
using NeuralCompression.Codec;
using Orleans.Runtime;

namespace Federated.Checkpoint;

/// <summary>Compresses one file of a checkpoint.</summary>
internal interface IShardGrain : IGrainWithStringKey
{
    /// <summary>Writes the compressed file. Asked again it writes the same bytes.</summary>
    public Task<Shard> CompressAsync(ShardJob job, IMilestones milestones);
}

/// <param name="Source">The safetensors file, in a folder that all silos see.</param>
/// <param name="Target">The compressed file to write.</param>
/// <param name="WorkFolder">Where to put what is not finished; somebody else cleans up.</param>
[GenerateSerializer, Immutable]
internal sealed record ShardJob([property: Id(0)] string Source, [property: Id(1)] string Target, [property: Id(2)] string WorkFolder);

/// <param name="FileName">The compressed file.</param>
/// <param name="Silo">Who made it.</param>
/// <param name="SourceBytes">Length of the safetensors file.</param>
/// <param name="Bytes">Length of the compressed file.</param>
[GenerateSerializer, Immutable]
internal sealed record Shard([property: Id(0)] string FileName, [property: Id(1)] string Silo, [property: Id(2)] long SourceBytes, [property: Id(3)] long Bytes);

internal sealed class ShardGrain(ILocalSiloDetails silo) : Grain, IShardGrain
{
    public async Task<Shard> CompressAsync(ShardJob job, IMilestones milestones)
    {
        // A name of its own for every attempt: one that was given up may still be at work.
        string unfinished = Path.Combine(Directory.CreateDirectory(Path.Combine(job.WorkFolder, Path.GetRandomFileName())).FullName, "shard.ncm");
        string milestone = $"{Path.GetFileName(job.Source)} half compressed";
        var options = new ModelConversionOptions { Progress = new HalfWay(() => milestones.ReachedAsync(silo.Name, milestone).GetAwaiter().GetResult()) };

        // A thread of its own, so that the silo goes on answering.
        CompressionReport report = await Task.Factory.StartNew(
            () =>
            {
                using SafetensorsReader source = SafetensorsReader.Open(job.Source);
                return SafetensorsConverter.Compress(source, unfinished, options);
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        File.Move(unfinished, job.Target, overwrite: true);
        return new Shard(Path.GetFileName(job.Target), silo.Name, new FileInfo(job.Source).Length, report.TotalBytes);
    }

    private sealed class HalfWay(Action action) : IProgress<double>
    {
        private bool _isDone;

        public void Report(double value)
        {
            if (_isDone || value < 0.5)
                return;
            _isDone = true;
            action();
        }
    }
}
