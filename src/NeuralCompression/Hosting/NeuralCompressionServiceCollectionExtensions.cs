using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using NeuralCompression;
using NeuralCompression.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers NeuralCompression with a host.</summary>
public static class NeuralCompressionServiceCollectionExtensions
{
    /// <summary>Registers <see cref="ICompressionSessionFactory"/> and <see cref="CompressionOptions"/> of a name, which the host validates when it starts.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="name">Name of the options, exact; null (the default) for the options without a name. Call once for every name.</param>
    /// <returns>The builder of these options: where values come from (<c>.BindConfiguration("Compression")</c>, <c>.Configure(o => ...)</c>) is the application's choice.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is null.</exception>
    /// <remarks>
    /// <para>Options out of range make the host's start fail with <see cref="OptionsValidationException"/>, with the messages that the constructor of <see cref="CompressionSession"/> gives.</para>
    /// <para>Source: this project; docs/hosting.md.</para>
    /// </remarks>
    public static OptionsBuilder<CompressionOptions> AddNeuralCompression(this IServiceCollection services, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        name ??= Options.Options.DefaultName;
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<CompressionOptions>, CompressionOptionsValidator>());
        services.TryAddSingleton<ICompressionSessionFactory, CompressionSessionFactory>();
        services.AddSingleton(new CompressionOptionsName(name));
        return services.AddOptions<CompressionOptions>(name).ValidateOnStart();
    }
}
