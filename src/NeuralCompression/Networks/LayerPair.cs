using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Networks;

/// <summary>Two layers with units, and what lies between them.</summary>
internal sealed class LayerPair
{
    private readonly string _name;
    private readonly UnitLayer _first;
    private readonly UnitLayer _second;
    private readonly List<nn.Module<Tensor, Tensor>> _pointwise;

    // Inputs of the second layer that come from one unit of the first: the positions that a Flatten puts side by side.
    private readonly long _inputsPerUnit;

    private LayerPair(string name, UnitLayer first, UnitLayer second, List<nn.Module<Tensor, Tensor>> pointwise, long inputsPerUnit)
    {
        (_name, _first, _second, _pointwise, _inputsPerUnit) = (name, first, second, pointwise, inputsPerUnit);
    }

    public static LayerPair? TryMake(string name, UnitLayer first, List<nn.Module> between, UnitLayer second, out string problem)
    {
        problem = "";
        bool flattens = false;
        var pointwise = new List<nn.Module<Tensor, Tensor>>();
        foreach (var module in between)
        {
            switch (module)
            {
                case Flatten { start_dim: 1, end_dim: -1 }:
                    flattens = true;
                    break;
                case var _ when IsPointwise(module) && !(flattens && module is BatchNorm):
                    pointwise.Add((nn.Module<Tensor, Tensor>)module);
                    break;
                case var _ when KeepsConstants(module) && !flattens:
                    break;
                default:
                    problem = $"{module.GetName()} lies between.";
                    return null;
            }
        }

        long inputsPerUnit = first.Outputs == 0 ? 0 : second.Inputs / first.Outputs;
        bool fits = first.IsConvolution == second.IsConvolution ? second.Inputs == first.Outputs
            : flattens && first.IsConvolution && inputsPerUnit * first.Outputs == second.Inputs;
        if (!fits)
        {
            problem = "the units of the one are not the inputs of the other.";
            return null;
        }

        return new LayerPair(name, first, second, pointwise, inputsPerUnit);
    }

    /// <summary>Clears the rows of units without outgoing weights; returns how many had something to clear.</summary>
    public int RemoveUnused(ModuleWeights weights)
    {
        var used = Outgoing(weights).ne(0).any(1);
        var incoming = weights.Values(_first.Weight).flatten(1).ne(0).any(1);
        if (_first.Bias is { } bias)
        {
            incoming = incoming.logical_or(bias.ne(0));
        }

        var remove = used.logical_not().logical_and(incoming);
        int count = (int)remove.sum().item<long>();
        if (count > 0)
        {
            weights.Clear(_first.Weight, remove.reshape([-1, .. Enumerable.Repeat(1L, (int)_first.Weight.dim() - 1)]));
            _first.Bias?.masked_fill_(remove, 0);
        }

        return count;
    }

    /// <summary>Moves what units without incoming weights give into the next bias, and clears their columns; returns how many.</summary>
    public int FoldConstants(ModuleWeights weights, List<string> skipped)
    {
        var outgoing = Outgoing(weights);
        var idle = weights.Values(_first.Weight).flatten(1).ne(0).any(1).logical_not();
        var remove = idle.logical_and(outgoing.ne(0).any(1));
        if (!remove.any().item<bool>())
        {
            return 0;
        }

        var constants = Constants();
        var isZero = constants.eq(0);
        bool needsBias = remove.logical_and(isZero.logical_not()).any().item<bool>();
        if (needsBias && (_second.Bias is null || _second.PadsWithZeros))
        {
            skipped.Add($"{_name}: {(_second.Bias is null ? "the second has no bias" : "the second pads with zeros, so its borders would differ")}; constants that are not zero stay.");
            remove = remove.logical_and(isZero);
        }

        int count = (int)remove.sum().item<long>();
        if (count == 0)
        {
            return 0;
        }

        // Σ over the unit's inputs and kernel positions; shape [units, outputs].
        if (_second.Bias is { } bias)
        {
            var moved = outgoing.reshape(_first.Outputs, _inputsPerUnit, _second.Outputs, -1).sum([1, 3]);
            bias.add_(moved.mul(constants.where(remove, zeros_like(constants)).unsqueeze(1)).sum([0L]).to(bias.dtype));
        }

        var columns = remove.unsqueeze(1).expand(-1, _inputsPerUnit).reshape(-1);
        weights.Clear(_second.Weight, columns.reshape([1, -1, .. Enumerable.Repeat(1L, (int)_second.Weight.dim() - 2)]));
        _first.Bias?.masked_fill_(remove, 0);
        return count;
    }

    // [units, everything of the second layer that reads the unit], inputs first, then outputs, then kernel positions.
    private Tensor Outgoing(ModuleWeights weights)
    {
        var second = weights.Values(_second.Weight);
        return second.reshape(_second.Outputs, _second.Inputs, -1).transpose(0, 1).reshape(_first.Outputs, -1);
    }

    // What every unit gives when nothing comes in, after all between.
    private Tensor Constants()
    {
        var values = _first.Bias is { } bias ? bias.detach().clone() : zeros(_first.Outputs, _first.Weight.dtype, _first.Weight.device);
        var shaped = values.reshape([1, -1, .. Enumerable.Repeat(1L, (int)_first.Weight.dim() - 2)]);
        foreach (var module in _pointwise)
        {
            var modes = TrainingModes.Of(module);
            module.eval();
            shaped = module.call(shaped);
            modes.Restore();
        }

        return shaped.reshape(-1);
    }

    // Each value goes its own way, the same at every position.
    private static bool IsPointwise(nn.Module module) =>
        module is BatchNorm or ReLU or ReLU6 or LeakyReLU or ELU or CELU or SELU or GELU or SiLU or Mish or Tanh or Sigmoid or Softplus or Hardswish or Hardsigmoid or Hardtanh or Identity
            or Dropout or Dropout1d or Dropout2d or Dropout3d or AlphaDropout;

    // A channel that is constant stays what it is.
    private static bool KeepsConstants(nn.Module module) => module switch
    {
        MaxPool1d or MaxPool2d or MaxPool3d or AdaptiveMaxPool1d or AdaptiveMaxPool2d or AdaptiveMaxPool3d => true,
        AdaptiveAvgPool1d or AdaptiveAvgPool2d or AdaptiveAvgPool3d => true,
        AvgPool2d pool => pool.padding?.All(p => p == 0) != false && pool.divisor_override is null,
        _ => false,
    };
}
