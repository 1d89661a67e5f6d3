using Microsoft.Extensions.Options;

namespace NeuralCompression.Hosting;

/// <summary>
/// What a host runs at its start and the session's constructor on options made by hand, so both give the same messages. The rules themselves are in the options classes: most speak of two members, which attributes cannot.
/// </summary>
[OptionsValidator]
internal sealed partial class CompressionOptionsValidator : IValidateOptions<CompressionOptions>
{
    internal static CompressionOptionsValidator Instance { get; } = new();
}
