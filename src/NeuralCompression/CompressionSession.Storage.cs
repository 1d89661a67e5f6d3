using System.IO.Compression;
using NeuralCompression.Codec;
using NeuralCompression.Diagnostics;
using NeuralCompression.Interop;
using NeuralCompression.Sessions;

namespace NeuralCompression;

/// <content>The session's files: the compressed model, and the state to go on from.</content>
public sealed partial class CompressionSession
{
    /// <summary>Writes the module to a file: weights as symbols, entropy-coded; other parameters and buffers without loss, or as <see cref="QuantizationOptions.OtherBits"/> says. Calls <see cref="Quantize"/> if that is still to do.</summary>
    /// <param name="path">The file; an existing one is replaced only by a complete new one.</param>
    /// <param name="level">How hard to compress; null (the default) takes <see cref="CompressionOptions.Level"/>.</param>
    /// <returns>Real bytes per tensor and of the whole file.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty; or there is a budget and <paramref name="level"/> is not the one it is for.</exception>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">A step is open, a parameter changed behind the session's back, the module moved, or a weight is not finite.</exception>
    /// <exception cref="IOException">The file cannot be written; an old file is still whole.</exception>
    public CompressionReport Save(string path, CompressionLevel? level = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var fileLevel = LevelOf(level);
        PrepareToSave();
        using var writer = CompressedModelWriter.Create(path, fileLevel);
        return Write(writer);
    }

    /// <summary>The same to a stream, which may be a pipe or a socket.</summary>
    /// <param name="stream">A writable stream; left open.</param>
    /// <param name="level">How hard to compress; null (the default) takes <see cref="CompressionOptions.Level"/>.</param>
    /// <returns>Real bytes per tensor and of the whole file.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="stream"/> is null.</exception>
    /// <exception cref="ArgumentException">There is a budget and <paramref name="level"/> is not the one it is for.</exception>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">As for a path.</exception>
    /// <exception cref="IOException">The stream's own.</exception>
    public CompressionReport Save(Stream stream, CompressionLevel? level = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var fileLevel = LevelOf(level);
        PrepareToSave();
        using var writer = CompressedModelWriter.Create(stream, fileLevel, leaveOpen: true);
        return Write(writer);
    }

    /// <summary>Writes everything needed to go on in another process: θ, gains, running means, frozen signs, counters, schedule values, and the module's other parameters and buffers. The optimizer's state is saved with its own method.</summary>
    /// <param name="path">The file; an existing one is replaced only by a complete new one.</param>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty.</exception>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">A step is open, or gradients were collected but no step taken.</exception>
    /// <exception cref="IOException">The file cannot be written; an old file is still whole.</exception>
    public void SaveState(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ThrowIfUnusable();
        ThrowIfChanged();
        ThrowIfStale();
        if (_hasGradients)
        {
            throw new InvalidOperationException("Gradients are waiting for a Step; save the state after it, or they would be lost.");
        }

        bool quantized = _weights.Exists(w => w.Quantized is not null);
        LeaveQuantized();
        SessionState.Save(path, this, _model, _options, _weights, new SessionCounters(_draws, _steps), _budget, _budgetMeter);
        if (quantized)
        {
            Quantize();
        }
    }

    /// <summary>Continues where <see cref="SaveState"/> stopped: on the CPU training goes on bit for bit as if it had not stopped, given the optimizer's state too.</summary>
    /// <param name="path">A file from <see cref="SaveState"/> of a session of the same module and options.</param>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty.</exception>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">A step is open; or the file belongs to another module or other options: the message names every difference, and nothing was changed.</exception>
    /// <exception cref="InvalidDataException">The file is damaged; nothing was changed.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void LoadState(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ThrowIfUnusable();
        LeaveQuantized();
        (_draws, _steps) = SessionState.Load(path, this, _model, _options, _weights, _budget, _budgetMeter);
        _hasGradients = false;
        _scheduledStep = -1;
    }

    internal WeightMapping WithSteepness(double steepness) =>
        Mapping = WeightMapping.Create(_options.Mapping, _options.Quantization.LowerLimit, _options.Quantization.UpperLimit, steepness);

    private void PrepareToSave()
    {
        ThrowIfUnusable();
        if (_weights.Exists(w => w.Quantized is null))
        {
            Quantize();
        }
        else
        {
            ThrowIfChanged();
            ThrowIfStale();
        }
    }

    private CompressionReport Write(CompressedModelWriter writer)
    {
        ModuleStorage.Write(writer, _model, StoredForm(quantizeWeights: w => w.Quantized!));
        var report = writer.Complete();
        CompressionEventSource.Log.Saved(Name, report.TotalBytes, report.OriginalBytes);
        CompressionMeter.Saved(Name, report.TotalBytes);
        return report;
    }

    private Dictionary<nint, QuantizedTensor> StoredForm(Func<SessionWeight, QuantizedTensor> quantizeWeights)
    {
        var stored = new Dictionary<nint, QuantizedTensor>();
        foreach (var weight in _weights)
        {
            stored[TensorMemory.Identity(weight.Parameter)] = quantizeWeights(weight);
        }

        foreach (var other in _others)
        {
            if ((other.Quantized ?? other.Preview(_options.Quantization.OtherBits)) is { } quantized)
            {
                stored[TensorMemory.Identity(other.Parameter)] = quantized;
            }
        }

        return stored;
    }
}
