using Microsoft.Extensions.Options;
using TorchSharp;

namespace NeuralCompression.Hosting;

/// <summary>Options by name from the host, and a session of them.</summary>
internal sealed class CompressionSessionFactory(IOptionsMonitor<CompressionOptions> options, IEnumerable<CompressionOptionsName> names) : ICompressionSessionFactory
{
    private readonly string[] _names = [.. names.Select(n => n.Name).Distinct(StringComparer.Ordinal)];

    public CompressionSession Create(torch.nn.Module model, string? optionsName = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        string name = optionsName ?? Options.DefaultName;
        return _names.Contains(name, StringComparer.Ordinal)
            ? new CompressionSession(model, options.Get(name))
            : throw new ArgumentException(
                $"There are no compression options named '{name}'; AddNeuralCompression was called for {string.Join(", ", _names.Select(n => $"'{n}'"))}.", nameof(optionsName));
    }
}
