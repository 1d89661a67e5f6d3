using static TorchSharp.torch;

namespace NeuralCompression.Networks;

/// <summary>Runs modules of one input on data, for what they measure on the way.</summary>
internal static class Batches
{
    /// <summary>What runs the module on every batch.</summary>
    /// <param name="module">The module.</param>
    /// <param name="batches">Inputs, not disposed; enumerated at every run.</param>
    /// <exception cref="InvalidOperationException">The module does not map one tensor to one.</exception>
    public static Action Through(nn.Module module, IEnumerable<Tensor> batches)
    {
        var network = module as nn.Module<Tensor, Tensor>
            ?? throw new InvalidOperationException("The module does not map one tensor to one; give an action that calls it.");
        return () =>
        {
            foreach (var batch in batches)
            {
                // Not the result itself, which may be the batch.
                using var scope = NewDisposeScope();
                network.call(batch);
            }
        };
    }
}
