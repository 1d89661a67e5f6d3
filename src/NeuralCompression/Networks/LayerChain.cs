using NeuralCompression.Interop;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Networks;

/// <summary>Layers in the order in which data goes through them, each feeding only the next.</summary>
internal sealed class LayerChain
{
    private readonly List<nn.Module> _modules;
    private readonly List<string> _skipped = [];

    private LayerChain(List<nn.Module> modules) => _modules = modules;

    public static LayerChain Of(nn.Module module, IEnumerable<nn.Module>? chain)
    {
        if (chain is not null)
        {
            return new LayerChain([.. chain.SelectMany(Flattened)]);
        }

        var result = new LayerChain([.. Flattened(module)]);
        if (module is not Sequential && result._modules.Count <= 1)
        {
            result._skipped.Add($"{module.GetName()} is not a Sequential, so the order of its layers is not known; give them as a chain.");
        }

        return result;
    }

    public NetworkCleanupReport FoldNorms()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        int folded = 0;
        for (int i = 1; i < _modules.Count; i++)
        {
            if (_modules[i] is not BatchNorm norm)
            {
                continue;
            }

            if (UnitLayer.TryOf(_modules[i - 1]) is not { } layer)
            {
                _skipped.Add($"{Describe(i)} does not follow a linear layer or convolution.");
            }
            else if (!norm.track_running_stats || norm.running_mean is null || norm.running_var is null)
            {
                _skipped.Add($"{Describe(i)} has no running statistics.");
            }
            else if (IsShared(layer.Weight))
            {
                _skipped.Add($"{Describe(i - 1)} shares its weight.");
            }
            else
            {
                Fold(layer, norm);
                folded++;
            }
        }

        return new NetworkCleanupReport(folded, 0, 0, _skipped);
    }

    public NetworkCleanupReport RemoveDeadUnits(ModuleWeights weights)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var pairs = Pairs();
        int constants = 0;
        int unused = 0;

        // Backwards a unit without outgoing weights takes its incoming ones along, forwards one without incoming its outgoing ones; until nothing changes.
        for (bool again = true; again;)
        {
            int before = constants + unused;
            foreach (var pair in pairs.AsEnumerable().Reverse())
            {
                unused += pair.RemoveUnused(weights);
            }

            foreach (var pair in pairs)
            {
                constants += pair.FoldConstants(weights, _skipped);
            }

            again = constants + unused > before;
        }

        return new NetworkCleanupReport(0, constants, unused, [.. _skipped.Distinct()]);
    }

    private static void Fold(UnitLayer layer, BatchNorm norm)
    {
        var scale = norm.running_var!.add(norm.eps).rsqrt();
        var mean = norm.running_mean!.clone();
        if (norm.affine)
        {
            scale = scale.mul(norm.weight!);
        }

        layer.Weight.mul_(scale.reshape([-1, .. Enumerable.Repeat(1L, (int)layer.Weight.dim() - 1)]));
        var shift = norm.affine ? norm.bias!.detach().clone() : zeros_like(mean);
        if (layer.Bias is { } bias)
        {
            bias.copy_(bias.sub(mean).mul(scale).add(shift));
            norm.running_mean!.zero_().Dispose();
            norm.bias?.zero_().Dispose();
        }
        else
        {
            // The shift stays where it can be: as the norm's mean, which is subtracted.
            norm.running_mean!.copy_(mean.mul(scale).sub(shift));
            norm.bias?.zero_().Dispose();
        }

        norm.weight?.fill_(1);
        norm.running_var!.fill_(1 - norm.eps);
    }

    private List<LayerPair> Pairs()
    {
        var pairs = new List<LayerPair>();
        int previous = -1;
        for (int i = 0; i < _modules.Count; i++)
        {
            if (UnitLayer.TryOf(_modules[i]) is not { } layer)
            {
                continue;
            }

            if (previous >= 0)
            {
                var between = _modules[(previous + 1)..i];
                var first = UnitLayer.TryOf(_modules[previous])!;
                string name = $"{Describe(previous)} -> {Describe(i)}";
                if (IsShared(first.Weight) || IsShared(layer.Weight))
                {
                    _skipped.Add($"{name}: a weight is shared.");
                }
                else if (LayerPair.TryMake(name, first, between, layer, out string problem) is { } pair)
                {
                    pairs.Add(pair);
                }
                else
                {
                    _skipped.Add($"{name}: {problem}");
                }
            }

            previous = i;
        }

        return pairs;
    }

    private bool IsShared(Parameter weight) =>
        _modules.Count(m => m.parameters(recurse: false).Any(p => TensorMemory.Identity(p) == TensorMemory.Identity(weight))) > 1;

    private string Describe(int index) => $"{_modules[index].GetName()} (number {index})";

    private static IEnumerable<nn.Module> Flattened(nn.Module module) =>
        module is Sequential ? module.children().SelectMany(Flattened) : [module];
}
