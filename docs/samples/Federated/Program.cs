// Training and compressing on several silos of Orleans, on one machine, with some of them killed on the way.
using System.Globalization;
using Federated;
using Federated.Checkpoint;
using Federated.Cluster;
using Federated.Rounds;
using TrainAndCompress;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;

// What this program starts as its silos.
if (args is ["silo", var name, var port, var primaryPort, var storage, var log])
{
    await SiloHost.RunAsync(new SiloHost.Settings(name, int.Parse(port, CultureInfo.InvariantCulture), int.Parse(primaryPort, CultureInfo.InvariantCulture), storage, log));
    return 0;
}

if (args.Contains("--help"))
{
    Console.WriteLine(DemoOptions.Usage);
    return 0;
}

if (DemoOptions.TryParse(args, out string problem) is not { } options)
    return Refuse(problem);
bool isTemporary = options.Output.Length == 0;
if (isTemporary)
    options = options with { Output = Directory.CreateTempSubdirectory("federated-").FullName };
else if (Directory.Exists(options.Output) && Directory.EnumerateFileSystemEntries(options.Output).Any())
    return Refuse($"'{options.Output}' is not empty");
var stopped = new TaskCompletionSource<bool>();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stopped.TrySetResult(false);
};
try
{
    string Folder(string folder) => Directory.CreateDirectory(Path.Combine(options.Output, folder)).FullName;
    await using LocalCluster cluster = await LocalCluster.StartAsync(options.Silos, Folder("states"), Folder("logs"));
    Task<bool> run = options.Part == "rounds" ? RoundsDemo.RunAsync(cluster, options) : CheckpointDemo.RunAsync(cluster, options);
    bool isSame = await await Task.WhenAny(run, stopped.Task);
    return stopped.Task.IsCompleted ? 130 : isSame ? 0 : 1;
}
catch (Exception error) when (error is IdxException or IOException or InvalidDataException or UnauthorizedAccessException or InvalidOperationException or OrleansException or TimeoutException)
{
    Console.Error.WriteLine($"Federated: {error.Message}");
    return 1;
}
finally
{
    if (isTemporary)
        Directory.Delete(options.Output, recursive: true);
}

static int Refuse(string problem)
{
    Console.Error.WriteLine($"Federated: {problem}\n\n{DemoOptions.Usage}");
    return 2;
}
