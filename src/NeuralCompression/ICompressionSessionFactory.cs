using TorchSharp;

namespace NeuralCompression;

/// <summary>Makes sessions from the options that a host holds by name; <c>services.AddNeuralCompression()</c> registers it.</summary>
/// <remarks>Safe to call from several threads; the sessions are not. Source: this project; docs/hosting.md.</remarks>
/// <example>
/// <code>
/// builder.Services.AddNeuralCompression("small").BindConfiguration("Compression:Small");
/// ...
/// using var session = factory.Create(model, "small");
/// </code>
/// </example>
public interface ICompressionSessionFactory
{
    /// <summary>Makes a session with a copy of the options as they are now; a later reload of the configuration does not change it.</summary>
    /// <param name="model">The module, on the device and of the type it will train in; the session does not own it.</param>
    /// <param name="optionsName">The name given to <c>AddNeuralCompression</c>; null (the default) for the options without a name.</param>
    /// <returns>The session; the caller disposes it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="model"/> is null.</exception>
    /// <exception cref="ArgumentException"><c>AddNeuralCompression</c> was not called with this name, or the module cannot be compressed with the options (see the constructor of <see cref="CompressionSession"/>).</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">An option is out of its range; the error names every one.</exception>
    /// <exception cref="InvalidOperationException">The module already has a session; or a random start cannot reach its occupancy.</exception>
    public CompressionSession Create(torch.nn.Module model, string? optionsName = null);
}
