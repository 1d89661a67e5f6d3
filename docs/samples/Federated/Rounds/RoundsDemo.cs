using Federated.Cluster;
using TrainAndCompress;

namespace Federated.Rounds;

/// <summary>Federated averaging, twice: undisturbed, and with two silos killed.</summary>
internal static class RoundsDemo
{
    public static async Task<bool> RunAsync(LocalCluster cluster, DemoOptions options)
    {
        IdxDataSet data = WorkerImages.Load(options.Data);
        int images = options.Images ?? (int)(data.Train.Count / options.Workers);
        if ((long)images * options.Workers > data.Train.Count)
            throw new IdxException($"'{options.Data}' has {data.Train.Count} images to train on, not {images} for each of {options.Workers} workers.");
        var settings = new RoundSettings(options.Data, options.Seed, options.Workers, images, options.IsExact);
        Console.WriteLine($"\nLeNet-300-100 trained by {options.Workers} workers with {images:N0} images each on {cluster.CountAlive()} silos; float32: {4 * LeNet.ParameterCount:N0} bytes to or from each worker.");

        var undisturbed = await RunAsync(cluster, options, settings, data, "undisturbed", []);
        var disturbed = await RunAsync(
            cluster, options, settings, data, "disturbed",
            [$"worker {options.Workers - 1} half way through round 2", $"coordinator has {options.Workers - 1} of {options.Workers} contributions to round 3"]);

        bool isSame = undisturbed.Count == disturbed.Count && undisturbed.Zip(disturbed).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));
        Console.WriteLine($"  shared model after every round equal in both runs bit for bit: {(isSame ? "yes" : "NO")}");
        return isSame;
    }

    private static async Task<List<byte[]>> RunAsync(LocalCluster cluster, DemoOptions options, RoundSettings settings, IdxDataSet data, string name, IReadOnlyCollection<string> killAt)
    {
        string folder = Directory.CreateDirectory(Path.Combine(options.Output, name)).FullName;
        Console.WriteLine($"\n{name}:\n  round  workers   bytes up  bytes down  of float32  test error %");
        using var watch = new Watch(cluster, killAt);
        var coordinator = cluster.Grains.GetGrain<ICoordinatorGrain>(name);
        using var model = await TorchThread.RunAsync(() => new GlobalModel(settings.Seed));
        var differences = new List<byte[]>();
        for (int number = 1; number <= options.Rounds; number++)
        {
            Round round = await Patience.CallAsync(() => coordinator.RunRoundAsync(number, settings, watch.Reference));
            double error = await TorchThread.RunAsync(() =>
            {
                model.Add(round.Difference);
                return model.ErrorPercent(data.Test.Images, data.Test.Labels);
            });
            long plain = 2 * 4 * LeNet.ParameterCount * options.Workers;
            Console.WriteLine($"  {number,5}  {round.Contributions,7}  {round.BytesUp,9:N0}  {round.BytesDown,10:N0}  {100.0 * (round.BytesUp + round.BytesDown) / plain,8:F2} %  {error,12:F2}");
            await File.WriteAllBytesAsync(Path.Combine(folder, $"round-{number}.ncm"), round.Difference);
            differences.Add(round.Difference);
        }

        watch.CheckAllReached();
        return differences;
    }
}
