using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Networks;

/// <summary>The weights of a module as they count for the network's function, and how parts of them become zero.</summary>
internal class ModuleWeights
{
    /// <summary>The values that the network computes with once it is finished; not to be modified or disposed.</summary>
    public virtual Tensor Values(Parameter parameter) => parameter.detach();

    /// <summary>Sets entries to zero for good.</summary>
    /// <param name="parameter">Which weights.</param>
    /// <param name="entries">True where an entry shall be zero; broadcasts to the parameter's shape.</param>
    public virtual void Clear(Parameter parameter, Tensor entries) => parameter.masked_fill_(entries.expand(parameter.shape), 0);
}
