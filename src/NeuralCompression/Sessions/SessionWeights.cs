using NeuralCompression.Interop;
using NeuralCompression.Networks;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Sessions;

/// <summary>The weights of a module that a session trains: they count as what a reader will decode, and become zero in θ.</summary>
internal sealed class SessionWeights(IEnumerable<SessionWeight> weights) : ModuleWeights
{
    private readonly Dictionary<nint, SessionWeight> _weights = weights.ToDictionary(w => TensorMemory.Identity(w.Parameter));

    public override Tensor Values(Parameter parameter) =>
        _weights.TryGetValue(TensorMemory.Identity(parameter), out var weight) ? weight.DecodedWeights() : base.Values(parameter);

    public override void Clear(Parameter parameter, Tensor entries)
    {
        if (_weights.TryGetValue(TensorMemory.Identity(parameter), out var weight))
        {
            weight.Clear(entries);
        }
        else
        {
            base.Clear(parameter, entries);
        }
    }
}
