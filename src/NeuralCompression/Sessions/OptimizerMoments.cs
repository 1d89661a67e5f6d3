using NeuralCompression.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Sessions;

/// <summary>Running means of gradients inside TorchSharp's optimizers, rescaled where the parameters they belong to were re-expressed.</summary>
internal static class OptimizerMoments
{
    /// <summary>Multiplies first moments by each parameter's slope ratio and second moments by its square; false if the optimizer's state is of an unknown kind.</summary>
    public static bool Rescale(optim.Optimizer optimizer, IReadOnlyDictionary<nint, Tensor> slopeRatios)
    {
        if (optimizer is not OptimizerHelper helper)
        {
            return false;
        }

        // The state dict lists states in the order of the groups' parameters.
        var states = helper.state_dict().State;
        var parameters = optimizer.ParamGroups.OfType<ParamGroup>().SelectMany(g => g.Parameters).ToList();
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        bool known = states.Count == parameters.Count;
        for (int i = 0; known && i < parameters.Count; i++)
        {
            if (slopeRatios.TryGetValue(TensorMemory.Identity(parameters[i]), out var ratio))
            {
                known = Rescale(states[i], ratio);
            }
        }

        return known;
    }

    private static bool Rescale(OptimizerState state, Tensor ratio)
    {
        switch (state)
        {
            case Adam.State adam:
                Scale(ratio, [adam.exp_avg], [adam.exp_avg_sq, adam.max_exp_avg_sq]);
                return true;
            case AdamW.State adam:
                Scale(ratio, [adam.exp_avg], [adam.exp_avg_sq, adam.max_exp_avg_sq]);
                return true;
            case SGD.State sgd:
                Scale(ratio, [sgd.momentum_buffer], []);
                return true;
            default:
                return false;
        }
    }

    private static void Scale(Tensor ratio, ReadOnlySpan<Tensor?> first, ReadOnlySpan<Tensor?> second)
    {
        foreach (var moment in first)
        {
            moment?.mul_(ratio.to(moment.dtype));
        }

        foreach (var moment in second)
        {
            moment?.mul_(ratio.square().to(moment.dtype));
        }
    }
}
