using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Interop;

/// <summary>Which parameters of a module are weight tensors. Tied parameters count once, under their first name.</summary>
internal static class WeightSelection
{
    /// <param name="module">The module.</param>
    /// <param name="include">Which of its trainable floating-point parameters; null for those of two or more dimensions that belong to no norm and are no bias.</param>
    /// <param name="isFinished">Whether nobody trains it any more, so that frozen parameters are as good as others.</param>
    public static IEnumerable<(string Name, Parameter Parameter)> Of(nn.Module module, Func<string, Parameter, bool>? include, bool isFinished = false)
    {
        var seen = new HashSet<nint>();
        var norms = include is null ? NormParameters(module) : [];
        foreach (var (name, parameter) in module.named_parameters())
        {
            bool counts = isFinished ? TorchTypes.IsFloating(parameter.dtype) : IsTrainable(parameter);
            if (counts && (include?.Invoke(name, parameter) ?? IsWeight(name, parameter, norms)) && seen.Add(TensorMemory.Identity(parameter)))
            {
                yield return (name, parameter);
            }
        }
    }

    private static bool IsWeight(string name, Parameter parameter, HashSet<nint> norms) =>
        parameter.dim() >= 2
        && !name.EndsWith("bias", StringComparison.Ordinal)
        && !norms.Contains(TensorMemory.Identity(parameter));

    // A layer norm over several dimensions has parameters of several dimensions; all other norms' are vectors.
    private static HashSet<nint> NormParameters(nn.Module module) =>
        [.. module.modules().OfType<LayerNorm>().SelectMany(n => n.parameters()).Select(TensorMemory.Identity)];

    public static bool IsTrainable(Tensor parameter) => parameter.requires_grad && TorchTypes.IsFloating(parameter.dtype);
}
