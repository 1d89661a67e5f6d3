using System.Diagnostics;
using Federated.Cluster;
using NeuralCompression.Codec;

namespace Federated.Checkpoint;

/// <summary>A large checkpoint, compressed file by file by the silos, twice: undisturbed, and with a silo killed while it is half through a file.</summary>
internal static class CheckpointDemo
{
    public static async Task<bool> RunAsync(LocalCluster cluster, DemoOptions options)
    {
        string index = options.Checkpoint ?? MadeCheckpoint.Write(Directory.CreateDirectory(Path.Combine(options.Output, "checkpoint")).FullName, options.Layers);
        IReadOnlyList<string> sources = MadeCheckpoint.FilesOf(index);
        Console.WriteLine($"\nA checkpoint of {sources.Count} files, {sources.Sum(source => new FileInfo(source).Length):N0} bytes, compressed without loss on {cluster.CountAlive()} silos.");

        string undisturbed = await RunAsync(cluster, options, sources, "undisturbed", []);
        string disturbed = await RunAsync(cluster, options, sources, "disturbed", [$"{Path.GetFileName(sources[^1])} half compressed"]);

        bool isSame = AreEqual(undisturbed, disturbed);
        bool isExact = IsExact(Path.Combine(disturbed, "model.ncms"), index);
        Console.WriteLine($"  files of both runs equal byte for byte: {(isSame ? "yes" : "NO")}; every tensor equal to the checkpoint's bit for bit: {(isExact ? "yes" : "NO")}");
        return isSame && isExact;
    }

    private static async Task<string> RunAsync(LocalCluster cluster, DemoOptions options, IReadOnlyList<string> sources, string name, IReadOnlyCollection<string> killAt)
    {
        Console.WriteLine($"\n{name}:");
        string folder = Directory.CreateDirectory(Path.Combine(options.Output, name)).FullName;
        using var watch = new Watch(cluster, killAt);
        long start = Stopwatch.GetTimestamp();
        var grain = cluster.Grains.GetGrain<ICheckpointGrain>(folder);
        var job = new CheckpointJob(sources, Path.Combine(folder, "model.ncms"));
        IReadOnlyList<Shard> shards = await Patience.CallAsync(() => grain.CompressAsync(job, watch.Reference));
        Console.WriteLine($"  {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s; {string.Join(", ", shards.CountBy(shard => shard.Silo).OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key} made {pair.Value}"))}");
        Console.WriteLine($"  {shards.Sum(shard => shard.Bytes):N0} bytes, {100.0 * shards.Sum(shard => shard.Bytes) / shards.Sum(shard => shard.SourceBytes):F1} % of the checkpoint");
        watch.CheckAllReached();
        return folder;
    }

    private static bool AreEqual(string one, string other)
    {
        string[] names = [.. Directory.GetFiles(one).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
        return names.SequenceEqual(Directory.GetFiles(other).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal))
            && names.All(name => File.ReadAllBytes(Path.Combine(one, name)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(other, name))));
    }

    private static bool IsExact(string manifest, string index)
    {
        using CompressedModelSet set = CompressedModelSet.Open(manifest);
        set.Verify();
        using SafetensorsReader source = SafetensorsReader.Open(index);
        return set.Tensors.Count == source.Tensors.Count && source.Tensors.All(tensor =>
        {
            byte[] before = new byte[tensor.ByteLength];
            byte[] after = new byte[tensor.ByteLength];
            source.Read(tensor, 0, before);
            set.ReaderOf(set[tensor.Name]).DecodeBytes(set[tensor.Name], after);
            return before.AsSpan().SequenceEqual(after);
        });
    }
}
