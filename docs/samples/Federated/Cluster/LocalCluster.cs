using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Runtime;

namespace Federated.Cluster;

/// <summary>A cluster on one machine: a silo without grains in this process, and working ones in processes of their own, which can be killed.</summary>
internal sealed class LocalCluster : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(3);

    private readonly IHost _host;
    private readonly Dictionary<string, Process> _silos = [];

    private LocalCluster(IHost host) => _host = host;

    public IGrainFactory Grains => _host.Services.GetRequiredService<IGrainFactory>();

    /// <param name="silos">How many working silos.</param>
    /// <param name="storage">The folder in which grains keep their state; exists.</param>
    /// <param name="logs">The folder for what each silo writes; exists.</param>
    public static async Task<LocalCluster> StartAsync(int silos, string storage, string logs)
    {
        int[] ports = FreePorts(silos + 1);
        SiloHost.Settings Settings(string name, int port) => new(name, port, ports[0], storage, Path.Combine(logs, name + ".log"));
        var cluster = new LocalCluster(SiloHost.Build(Settings("watching", ports[0])));
        try
        {
            await cluster._host.StartAsync();
            for (int i = 1; i <= silos; i++)
                cluster.StartSilo(Settings($"silo-{i}", ports[i]));
            await cluster.WaitForAllAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends a silo at once, as a power cut would: no message, no handing over.</summary>
    public async Task KillAsync(string silo)
    {
        _silos[silo].Kill();
        await _silos[silo].WaitForExitAsync();
    }

    public int CountAlive() => _silos.Values.Count(process => !process.HasExited);

    public async ValueTask DisposeAsync()
    {
        foreach (Process process in _silos.Values)
        {
            if (!process.HasExited)
                process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }

        // There is nobody left to hand anything over to.
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        try
        {
            await _host.StopAsync(now.Token);
        }
        catch (OperationCanceledException)
        {
        }

        _host.Dispose();
    }

    private void StartSilo(SiloHost.Settings settings)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("The path of this program is unknown.");
        string[] arguments =
            ["silo", settings.Name, settings.Port.ToString(CultureInfo.InvariantCulture), settings.PrimaryPort.ToString(CultureInfo.InvariantCulture), settings.Storage, settings.Log];
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            arguments = [typeof(LocalCluster).Assembly.Location, .. arguments];

        // Its input ends when this process does, however that comes about.
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true };
        _silos.Add(settings.Name, Process.Start(start) ?? throw new IOException($"'{program}' cannot be started."));
    }

    private async Task WaitForAllAsync()
    {
        var management = Grains.GetGrain<IManagementGrain>(0);
        long start = Stopwatch.GetTimestamp();
        while ((await management.GetHosts(onlyActive: true)).Count <= _silos.Count)
        {
            if (CountAlive() < _silos.Count)
                throw new IOException("A silo ended while it started; its log says why.");
            if (Stopwatch.GetElapsedTime(start) > StartLimit)
                throw new IOException("The silos do not find each other.");
            await Task.Delay(200);
        }
    }

    // Below the ports that systems give to outgoing connections, so that none of these takes one before it is used.
    private static int[] FreePorts(int count)
    {
        var listeners = new List<TcpListener>();
        try
        {
            while (listeners.Count < count)
            {
                var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(12_000, 32_000));
                try
                {
                    listener.Start();
                    listeners.Add(listener);
                }
                catch (SocketException)
                {
                    listener.Dispose();
                }
            }

            return [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
        }
        finally
        {
            listeners.ForEach(listener => listener.Dispose());
        }
    }
}
