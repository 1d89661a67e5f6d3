using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Networks;

/// <summary>Running statistics of batch norms, measured anew as plain averages over given data.</summary>
internal static class NormStatistics
{
    /// <summary>Runs the module and keeps what it measures; a norm that no data went through, and all of them where running fails, keep what they had.</summary>
    /// <returns>Number of norms measured.</returns>
    public static int Reestimate(nn.Module module, Action forward)
    {
        // Not instance norms: without a momentum those measure nothing.
        var norms = module.modules().Prepend(module).OfType<BatchNorm>().Distinct().Where(n => n.track_running_stats && n.running_mean is not null).ToList();
        if (norms.Count == 0)
        {
            return 0;
        }

        var modes = TrainingModes.Of(module);
        var momenta = norms.ConvertAll(n => n.momentum);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var before = norms.ConvertAll(Statistics.Of);
        bool succeeded = false;
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

            forward();
            if (norms.Any(n => !IsFinite(n.running_mean!) || !IsFinite(n.running_var!)))
            {
                throw new InvalidOperationException("The statistics measured for batch norms are not finite, so they keep what they had: the data, or what the network makes of it, has NaN or infinity. Check the data and how it is scaled.");
            }

            succeeded = true;
        }
        finally
        {
            for (int i = 0; i < norms.Count; i++)
            {
                norms[i].momentum = momenta[i];
            }

            before.RemoveAll(statistics => succeeded && statistics.Norm.num_batches_tracked!.item<long>() > 0);
            before.ForEach(statistics => statistics.Restore());
            modes.Restore();
        }

        return norms.Count - before.Count;
    }

    private static bool IsFinite(Tensor tensor) => tensor.isfinite().all().item<bool>();

    private sealed record Statistics(BatchNorm Norm, Tensor Mean, Tensor Variance, Tensor Batches)
    {
        public static Statistics Of(BatchNorm norm) => new(norm, norm.running_mean!.clone(), norm.running_var!.clone(), norm.num_batches_tracked!.clone());

        public void Restore()
        {
            Norm.running_mean!.copy_(Mean);
            Norm.running_var!.copy_(Variance);
            Norm.num_batches_tracked!.copy_(Batches);
        }
    }
}
