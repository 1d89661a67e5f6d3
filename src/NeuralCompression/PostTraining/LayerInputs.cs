using NeuralCompression.Interop;
using NeuralCompression.Networks;
using TorchSharp;
using static TorchSharp.torch;

namespace NeuralCompression.PostTraining;

/// <summary>What goes into the layers of a network while calibration data runs through it: mean and mean square of every input.</summary>
internal sealed class LayerInputs : IDisposable
{
    private readonly List<Observed> _layers = [];

    private LayerInputs()
    {
    }

    /// <summary>Layers that the data went through.</summary>
    public IEnumerable<Observed> Layers => _layers.Where(layer => layer.Count > 0);

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
        private Tensor? _sums;
        private Tensor? _squares;

        public UnitLayer Layer => layer;

        /// <summary>How often an input was seen: images, times positions.</summary>
        public double Count { get; private set; }

        public nint Weight => TensorMemory.Identity(layer.Weight);

        /// <summary>Mean of every input; shape [inputs], float64. The zeros of a padding are not counted.</summary>
        public Tensor Means() => _sums! / Count;

        /// <summary>Mean square of every input; shape [inputs], float64.</summary>
        public Tensor Squares() => _squares! / Count;

        // A hook before the layer must give its input on.
        public Tensor Add(Tensor input)
        {
            using var scope = NewDisposeScope();

            // [inputs, all else]. A convolution may be given one image without a batch, a linear layer one vector.
            var values = input.detach().to(ScalarType.Float64);
            int axis = !layer.IsConvolution ? (int)values.dim() - 1 : values.dim() == layer.Weight.dim() ? 1 : 0;
            values = values.dim() == 1 ? values.unsqueeze(1) : values.transpose(0, axis).flatten(1);
            Replace(ref _sums, values.sum(1));
            Replace(ref _squares, values.square().sum(1));
            Count += values.shape[1];
            return input;
        }

        public void Dispose()
        {
            _sums?.Dispose();
            _squares?.Dispose();
        }

        private static void Replace(ref Tensor? total, Tensor more)
        {
            var next = (total is null ? more : total + more).DetachFromDisposeScope();
            total?.Dispose();
            total = next;
        }
    }
}
