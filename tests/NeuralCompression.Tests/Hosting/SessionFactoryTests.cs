using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NeuralCompression.Tests.Hosting;

/// <summary>Options from a host: by name, from configuration, checked at its start, copied into the session.</summary>
public sealed class SessionFactoryTests
{
    [Fact]
    public void Create_NamedOptionsOfTheConfiguration_UsesThem()
    {
        using var host = HostWith(s => { s.AddNeuralCompression().BindConfiguration("C"); s.AddNeuralCompression("small").BindConfiguration("C:Small"); },
            ("C:Loss:Lambda", "0.5"), ("C:Small:Loss:Lambda", "0.25"), ("C:Small:Quantization:NoiseLevel", "0.5"), ("C:Small:Mapping", "Clamp"), ("C:Small:TargetBytes", "100"),
            ("C:Small:Loss:Strengths:0:Pattern", "*"), ("C:Small:Loss:Strengths:0:Factor", "3"), ("C:Small:Noise:Seed", "7"), ("C:Small:Level", "SmallestSize"));
        var factory = host.Services.GetRequiredService<ICompressionSessionFactory>();
        using var first = Linear(4, 3);
        using var second = Linear(4, 3);
        using var plain = factory.Create(first);
        using var small = factory.Create(second, "small");
        Assert.Equal(0.5, plain.Lambda);
        Assert.Equal(0.25, small.Lambda);
        Assert.IsType<ClampMapping>(small.Mapping);

        var options = host.Services.GetRequiredService<IOptionsMonitor<CompressionOptions>>().Get("small");
        Assert.Equal([new LossStrength("*", 3)], options.Loss.Strengths);
        Assert.Equal((100L, 7UL, System.IO.Compression.CompressionLevel.SmallestSize, 3), (options.TargetBytes, options.Noise.Seed, options.Level, options.Quantization.Levels));
        Assert.Equal(0.5, host.Services.GetRequiredService<IOptions<CompressionOptions>>().Value.Loss.Lambda);
    }

    [Fact]
    public void Create_OptionsChangedLater_KeepsItsCopy()
    {
        using var host = HostWith(s => s.AddNeuralCompression());
        var options = host.Services.GetRequiredService<IOptionsMonitor<CompressionOptions>>().CurrentValue;
        using var model = Linear(4, 3);
        using var session = host.Services.GetRequiredService<ICompressionSessionFactory>().Create(model);
        double before = session.Loss().item<float>();
        options.Loss.Lambda = 100;
        options.TargetBytes = 1;
        Assert.Equal(before, session.Loss().item<float>());
        session.Quantize();
        Assert.Null(session.Budget);
    }

    [Fact]
    public void Create_NameThatWasNotAdded_NamesThoseThatWere()
    {
        using var host = HostWith(s => { s.AddNeuralCompression("small"); s.AddNeuralCompression("large"); s.AddNeuralCompression("small"); });
        using var model = Linear(4, 3);
        var factory = host.Services.GetRequiredService<ICompressionSessionFactory>();
        var error = Assert.Throws<ArgumentException>(() => factory.Create(model, "Small"));
        Assert.Equal("There are no compression options named 'Small'; AddNeuralCompression was called for 'small', 'large'. (Parameter 'optionsName')", error.Message);
        Assert.Throws<ArgumentException>(() => factory.Create(model));
        Assert.Throws<ArgumentNullException>(() => factory.Create(null!, "small"));
    }

    [Fact]
    public async Task Start_InvalidOptions_GivesTheMessagesOfTheConstructor()
    {
        using var host = HostWith(s => s.AddNeuralCompression("bad").BindConfiguration("C"),
            ("C:Loss:Lambda", "-1"), ("C:Quantization:UpperLimit", "0.9"), ("C:QuantizedForward", "2"), ("C:BudgetInterval", "0"));
        var started = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());
        using var model = Linear(4, 3);
        var constructed = Assert.Throws<OptionsValidationException>(() => new CompressionSession(
            model, new CompressionOptions { Loss = { Lambda = -1 }, Quantization = { UpperLimit = 0.9 }, QuantizedForward = 2, BudgetInterval = 0 }));
        Assert.Equal(4, constructed.Failures.Count());
        Assert.Equal(constructed.Failures, started.Failures);
        Assert.Equal("bad", started.OptionsName);
        Assert.Contains("Loss.Lambda must be finite and not negative.", started.Failures);
    }

    [Fact]
    public async Task Start_ValidOptions_Starts()
    {
        using var host = HostWith(s => s.AddNeuralCompression("good").BindConfiguration("C"), ("C:Loss:Lambda", "1"));
        await host.StartAsync();
        await host.StopAsync();
    }

    [Fact]
    public void Constructor_MissingPart_SaysSo()
    {
        using var model = Linear(4, 3);
        var error = Assert.Throws<OptionsValidationException>(() => new CompressionSession(model, new CompressionOptions { Noise = null! }));
        Assert.Equal(["Compression.Noise must not be null."], error.Failures);
    }

    private static IHost HostWith(Action<IServiceCollection> register, params (string Key, string Value)[] configuration)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(configuration.Select(c => KeyValuePair.Create(c.Key, (string?)c.Value)));
        register(builder.Services);
        return builder.Build();
    }
}
