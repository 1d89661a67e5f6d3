using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Runtime.Hosting;
using Orleans.Serialization;
using Orleans.Storage;

namespace Federated.Cluster;

/// <summary>One silo: the process that watches has one without grains, which keeps the list of members; the others do the work.</summary>
internal static class SiloHost
{
    /// <summary>What a silo is told on its command line.</summary>
    internal sealed record Settings(string Name, int Port, int PrimaryPort, string Storage, string Log);

    public static IHost Build(Settings settings)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "Federated" });
        builder.Logging.AddProvider(new FileLog(settings.Log));
        builder.Services.AddSingleton<IHostLifetime, CallerLifetime>();
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(settings.Port, gatewayPort: 0, new IPEndPoint(IPAddress.Loopback, settings.PrimaryPort), "federated", "federated");
            silo.Configure<SiloOptions>(options => options.SiloName = settings.Name);

            // The silo of a dead process is declared dead after three probes.
            silo.Configure<ClusterMembershipOptions>(options => options.ProbeTimeout = TimeSpan.FromSeconds(2));

            // A call that takes longer is made again, and waits for the first to end: no harm, since every grain gives the same answer twice.
            silo.Configure<SiloMessagingOptions>(options => options.ResponseTimeout = TimeSpan.FromMinutes(2));
            silo.Services.AddSingleton<IGrainStorageSerializer, OrleansGrainStorageSerializer>();
            silo.Services.AddGrainStorage(FileGrainStorage.Name, (services, _) => new FileGrainStorage(settings.Storage, services.GetRequiredService<IGrainStorageSerializer>()));
            if (settings.Port == settings.PrimaryPort)
                silo.Services.PostConfigure<GrainTypeOptions>(options => options.Classes.RemoveWhere(type => type.Assembly == typeof(SiloHost).Assembly));
        });
        return builder.Build();
    }

    /// <summary>The process of a working silo: until it is killed, or the one that started it is gone and with it this one's input.</summary>
    public static async Task RunAsync(Settings settings)
    {
        IHost host = Build(settings);
        await host.StartAsync();
        while (await Console.In.ReadLineAsync() is not null)
        {
        }

        // Not stopped in an orderly way: the one with the list of members is gone.
        Environment.Exit(0);
    }

    /// <summary>Ctrl-C is the program's business, not the host's.</summary>
    private sealed class CallerLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
