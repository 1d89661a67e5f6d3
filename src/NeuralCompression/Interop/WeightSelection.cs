using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Interop;

/// <summary>Which parameters of a module are weight tensors. Tied parameters count once, under their first name.</summary>
internal static class WeightSelection
{
    public static IEnumerable<(string Name, Parameter Parameter)> Of(nn.Module module, Func<string, Parameter, bool>? include)
    {
        var seen = new HashSet<nint>();
        foreach (var (name, parameter) in module.named_parameters())
        {
            if (IsTrainable(parameter) && (include?.Invoke(name, parameter) ?? parameter.dim() >= 2) && seen.Add(TensorMemory.Identity(parameter)))
            {
                yield return (name, parameter);
            }
        }
    }

    public static bool IsTrainable(Tensor parameter) => parameter.requires_grad && TorchTypes.IsFloating(parameter.dtype);
}
