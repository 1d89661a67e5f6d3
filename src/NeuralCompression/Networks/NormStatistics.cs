using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Networks;

/// <summary>Running statistics of batch norms, measured anew as plain averages over given data.</summary>
internal static class NormStatistics
{
    public static int Reestimate(nn.Module module, Action forward)
    {
        var norms = module.modules().OfType<NormBase>().Where(n => n.track_running_stats && n.running_mean is not null).ToList();
        if (module is NormBase own && own.track_running_stats && !norms.Contains(own))
        {
            norms.Add(own);
        }

        if (norms.Count == 0)
        {
            return 0;
        }

        var modes = TrainingModes.Of(module);
        var momenta = norms.ConvertAll(n => n.momentum);
        using var _ = no_grad();
        try
        {
            module.eval();
            foreach (var norm in norms)
            {
                // Without a momentum the statistics are the average over all batches since the reset.
                norm.reset_running_stats();
                norm.momentum = null;
                norm.train();
            }

            using var scope = NewDisposeScope();
            forward();
        }
        finally
        {
            for (int i = 0; i < norms.Count; i++)
            {
                norms[i].momentum = momenta[i];
            }

            modes.Restore();
        }

        return norms.Count;
    }
}
