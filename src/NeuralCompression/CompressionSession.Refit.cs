using NeuralCompression.Interop;
using NeuralCompression.Networks;
using NeuralCompression.Sessions;
using static TorchSharp.torch;

namespace NeuralCompression;

/// <content>Changing gains and the mapping's steepness while training, and the statistics of norms after it.</content>
public sealed partial class CompressionSession
{
    /// <summary>
    /// Fits the gains to the present weights again, or makes the mapping steeper, without changing the network: θ ← the inverse of the new mapping at the old weights. Running means of gradients, the session's own and the optimizer's, are rescaled by the ratio of
    /// the slopes, so that training goes on as before.
    /// </summary>
    /// <param name="optimizer">The optimizer over <see cref="Parameters"/>, whose state (Adam, AdamW, SGD) is carried over. Null where there is none to carry.</param>
    /// <param name="gains">Whether gains are fitted as at the start (<see cref="InitializationOptions.SeedReach"/> and <see cref="InitializationOptions.SeedQuantile"/>); default true.</param>
    /// <param name="steepness">New <see cref="WeightMapping.Steepness"/>; dimensionless, range (0, ∞). Null keeps it. Only tanh and sigmoid have one.</param>
    /// <returns>What was clipped, and whether the optimizer's state was carried over.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steepness"/> is not positive and finite, or the mapping has none.</exception>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">
    /// A step is open, gradients are waiting, a parameter changed behind the session's back, levels are fixed, or gains are to be fitted although zeros are frozen, since the levels would move under them; or a weight is not finite.
    /// </exception>
    /// <remarks>Exact but for rounding where nothing is clipped; with gains fixed (<see cref="CompressionOptions.TrainGains"/>) the fitted gain is fixed from then on. Source: claim 14; this project.</remarks>
    public RefitReport Refit(optim.Optimizer? optimizer = null, bool gains = true, double? steepness = null)
    {
        ThrowIfUnusable();
        ThrowIfChanged();
        ThrowIfStale();
        if (_hasGradients)
        {
            throw new InvalidOperationException("Gradients are waiting for a Step; refit after it, or they would be lost.");
        }

        if (IsFixed || (gains && IsFrozen))
        {
            throw new InvalidOperationException("Zeros or levels are frozen, and a new gain would move them; refit first and freeze then.");
        }

        if (steepness is not null && Mapping.Kind is MappingKind.Clamp or MappingKind.Identity)
        {
            throw new ArgumentOutOfRangeException(nameof(steepness), steepness, $"{Mapping} has no steepness.");
        }

        var mapping = WeightMapping.Create(Mapping.Kind, _options.Quantization.LowerLimit, _options.Quantization.UpperLimit, steepness ?? Mapping.Steepness);
        var initializer = gains ? new SeedAwareInitializer(mapping, _options.Initialization, _options.Quantization) : null;
        LeaveQuantized();
        using var scope = NewDisposeScope();
        var ratios = new Dictionary<nint, Tensor>();
        double clipped = 0;
        long count = 0;
        try
        {
            foreach (var weight in _weights)
            {
                var (ratio, cut) = weight.Refit(mapping, initializer);
                ratios[TensorMemory.Identity(weight.Theta)] = ratio;
                clipped += cut;
                count += weight.Length;
            }
        }
        catch (ArgumentException e)
        {
            throw new InvalidOperationException($"A weight cannot be refitted: {e.Message}", e);
        }

        Mapping = mapping;
        bool carried = optimizer is not null && OptimizerMoments.Rescale(optimizer, ratios);
        foreach (var ratio in ratios.Values)
        {
            ratio.Dispose();
        }

        return new RefitReport(count == 0 ? 0 : clipped / count, carried);
    }

    /// <summary>Quantises the module and measures the statistics of its batch norms anew, with the weights a reader will decode: what rounding and zeroing shifted is put right, at no cost in bytes.</summary>
    /// <param name="forward">Runs the model on training data, a few hundred batches at most; it is called once, in evaluation mode but for the norms, without gradients.</param>
    /// <returns>Number of norms measured.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="forward"/> is null.</exception>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">As <see cref="Quantize"/>; or what was measured is not finite, and the norms keep what they had.</exception>
    /// <remarks>Call it last before <see cref="Save(string, System.IO.Compression.CompressionLevel?)"/>. Source: this project.</remarks>
    public int ReestimateNorms(Action forward)
    {
        ArgumentNullException.ThrowIfNull(forward);
        Quantize();
        return _model.ReestimateNorms(forward);
    }

    /// <summary>The same for a module of one input.</summary>
    /// <param name="batches">Inputs; each of the shape the model takes, not disposed.</param>
    /// <returns>Number of norms measured.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="batches"/> is null.</exception>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">As <see cref="Quantize"/>; the model does not map one tensor to one; or what was measured is not finite.</exception>
    public int ReestimateNorms(IEnumerable<Tensor> batches)
    {
        ArgumentNullException.ThrowIfNull(batches);
        Quantize();
        return _model.ReestimateNorms(batches);
    }

    /// <summary>
    /// Removes units that do nothing, by the weights a reader will decode: one whose incoming weights are all zero gives a constant, which goes through the activation into the next bias; one whose outgoing weights are all zero loses its row and bias. Their
    /// weights become zero, and stay so once zeros are frozen. Between steps, at any time.
    /// </summary>
    /// <param name="chain">The module's layers in the order in which data goes through them, each feeding only the next. Null takes the children of a <c>Sequential</c>.</param>
    /// <returns>How many units were removed, and where none could be and why.</returns>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">A step is open, gradients are waiting, a parameter changed behind the session's back, or the weight range begins or ends at zero.</exception>
    /// <remarks>The quantised network computes the same as before, but for rounding. Source: this project.</remarks>
    public NetworkCleanupReport RemoveDeadUnits(IEnumerable<nn.Module>? chain = null)
    {
        ThrowIfUnusable();
        ThrowIfChanged();
        ThrowIfStale();
        if (_hasGradients)
        {
            throw new InvalidOperationException("Gradients are waiting for a Step; remove units after it, or they would move again.");
        }

        LeaveQuantized();
        return LayerChain.Of(_model, chain).RemoveDeadUnits(new SessionWeights(_weights));
    }
}
