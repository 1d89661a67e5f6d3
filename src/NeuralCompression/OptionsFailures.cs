using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace NeuralCompression;

/// <summary>Collects what is wrong with an options object, so that one error names everything at once.</summary>
internal sealed class OptionsFailures(string section)
{
    private readonly List<string> _failures = [];

    public void Require(bool condition, string member, string message)
    {
        if (!condition)
        {
            _failures.Add($"{section}.{member} {message}");
        }
    }

    public void Include(OptionsFailures nested) => _failures.AddRange(nested._failures);

    /// <summary>For generated validators. No member names: messages begin with them already.</summary>
    public IEnumerable<ValidationResult> AsResults() => _failures.Select(f => new ValidationResult(f));

    /// <summary>Throws the same exception a host throws when the options come from configuration.</summary>
    public void ThrowIfAny(Type optionsType)
    {
        if (_failures.Count > 0)
        {
            throw new OptionsValidationException(Microsoft.Extensions.Options.Options.DefaultName, optionsType, _failures);
        }
    }
}
