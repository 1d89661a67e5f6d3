using NeuralCompression.Interop;
using NeuralCompression.Networks;
using TorchSharp;
using static TorchSharp.torch;

namespace NeuralCompression.PostTraining;

/// <summary>What goes into the layers of a network while calibration data runs through it: the squares of every input.</summary>
internal sealed class LayerInputs : IDisposable
{
    private readonly List<Observed> _layers = [];

    private LayerInputs()
    {
    }

    /// <summary>Layers that the data went through.</summary>
    public IEnumerable<Observed> Layers => _layers.Where(layer => layer.HasSquares);

    /// <summary>Runs the network, in evaluation mode and without gradients.</summary>
    /// <param name="module">The network.</param>
    /// <param name="forward">Runs it.</param>
    public static LayerInputs Observe(nn.Module module, Action forward)
    {
        var inputs = new LayerInputs();
        var removals = new List<Action>();
        var modes = TrainingModes.Of(module);
        try
        {
            foreach (var candidate in module.modules().Prepend(module).Distinct())
            {
                if (UnitLayer.TryOf(candidate) is { } layer && candidate is nn.Module<Tensor, Tensor> hooked)
                {
                    var observed = new Observed(layer);
                    inputs._layers.Add(observed);
                    removals.Add(hooked.register_forward_pre_hook((_, input) => observed.Add(input)).remove);
                }
            }

            module.eval();
            using var _ = no_grad();
            using var scope = NewDisposeScope();
            forward();
            if (inputs.Layers.Any(layer => !layer.Squares.isfinite().all().item<bool>()))
            {
                throw new InvalidOperationException("The inputs of a layer are not finite: the calibration data, or what the network makes of it, has NaN or infinity. Check the data and how it is scaled.");
            }
        }
        catch
        {
            inputs.Dispose();
            throw;
        }
        finally
        {
            removals.ForEach(remove => remove());
            modes.Restore();
        }

        return inputs;
    }

    public void Dispose() => _layers.ForEach(layer => layer.Dispose());

    /// <summary>One layer's inputs.</summary>
    internal sealed class Observed(UnitLayer layer) : IDisposable
    {
        private Tensor? _squares;

        public nint Weight => TensorMemory.Identity(layer.Weight);

        public bool HasSquares => _squares is not null;

        /// <summary>Sum of the squares of every input; shape [inputs], float64.</summary>
        public Tensor Squares => _squares!;

        // A hook before the layer must give its input on.
        public Tensor Add(Tensor input)
        {
            using var scope = NewDisposeScope();

            // [inputs, all else]. A convolution may be given one image without a batch, a linear layer one vector.
            var values = input.detach().to(ScalarType.Float64);
            int axis = !layer.IsConvolution ? (int)values.dim() - 1 : values.dim() == layer.Weight.dim() ? 1 : 0;
            var squares = (values.dim() == 1 ? values.unsqueeze(1) : values.transpose(0, axis).flatten(1)).square().sum(1);
            if (_squares is null)
            {
                _squares = squares.DetachFromDisposeScope();
            }
            else
            {
                _squares.add_(squares);
            }

            return input;
        }

        public void Dispose() => _squares?.Dispose();
    }
}
