using System.IO.Compression;
using NeuralCompression.Codec;
using NeuralCompression.Interop;
using NeuralCompression.Networks;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression;

/// <summary>Compressed saving and loading of modules, beside torch's own <c>save</c> and <c>load</c>.</summary>
public static class ModuleCompressionExtensions
{
    /// <summary>
    /// Quantises a finished module's weights and writes it to a file, without a session. Each weight tensor gets the gain that leaves the smallest squared error, so a few large weights do not take the levels from all others; the module itself is not changed.
    /// </summary>
    /// <param name="module">The module.</param>
    /// <param name="path">The file; an existing one is replaced only by a complete new one.</param>
    /// <param name="options">Noise level and limits. Null takes the defaults.</param>
    /// <param name="level">How hard to compress, default <see cref="CompressionLevel.Optimal"/>.</param>
    /// <param name="include">Which parameters are quantised; null takes the trainable floating-point ones of two or more dimensions. The others are stored without loss, or as <see cref="QuantizationOptions.OtherBits"/> says.</param>
    /// <param name="targetBytes">
    /// What the whole file may weigh; bytes, range [1, ∞). Weights are rounded as far from their nearest levels as that asks, each error counting alike; step and limits stay. A few percent cost little; a network that is to shrink
    /// much needs training (<see cref="CompressionOptions.TargetBytes"/>). Null for no budget.
    /// </param>
    /// <returns>Real bytes per tensor and of the whole file.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="module"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty; or a weight is not finite or lies on a side where the range has no room.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="targetBytes"/> is not positive.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">An option is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The budget cannot be met: the message says what the smallest file is. None was written.</exception>
    /// <exception cref="IOException">The file cannot be written; an old file is still whole.</exception>
    /// <remarks>Source: claims 8, 10, 1 and 2.</remarks>
    public static CompressionReport SaveCompressed(
        this nn.Module module,
        string path,
        QuantizationOptions? options = null,
        CompressionLevel level = CompressionLevel.Optimal,
        Func<string, Parameter, bool>? include = null,
        long? targetBytes = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentException.ThrowIfNullOrEmpty(path);
        var stored = Quantize(module, options, include, level, targetBytes);
        using var writer = CompressedModelWriter.Create(path, level);
        ModuleStorage.Write(writer, module, stored);
        return writer.Complete();
    }

    /// <summary>The same to a stream, which may be a pipe or a socket.</summary>
    /// <param name="module">The module.</param>
    /// <param name="stream">A writable stream; left open.</param>
    /// <param name="options">Noise level and limits. Null takes the defaults.</param>
    /// <param name="level">How hard to compress, default <see cref="CompressionLevel.Optimal"/>.</param>
    /// <param name="include">Which parameters are quantised; as for a path.</param>
    /// <param name="targetBytes">What the whole file may weigh; as for a path.</param>
    /// <returns>Real bytes per tensor and of the whole file.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="module"/> or <paramref name="stream"/> is null.</exception>
    /// <exception cref="ArgumentException">A weight is not finite or lies on a side where the range has no room.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="targetBytes"/> is not positive.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">An option is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The budget cannot be met: the message says what the smallest file is. None was written.</exception>
    /// <exception cref="IOException">The stream's own.</exception>
    public static CompressionReport SaveCompressed(
        this nn.Module module,
        Stream stream,
        QuantizationOptions? options = null,
        CompressionLevel level = CompressionLevel.Optimal,
        Func<string, Parameter, bool>? include = null,
        long? targetBytes = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(stream);
        var stored = Quantize(module, options, include, level, targetBytes);
        using var writer = CompressedModelWriter.Create(stream, level, leaveOpen: true);
        ModuleStorage.Write(writer, module, stored);
        return writer.Complete();
    }

    /// <summary>Loads a compressed file into a module of exactly the same names and shapes. Element types may differ among floating-point types; tied tensors stay tied.</summary>
    /// <param name="module">The module; unchanged on any error.</param>
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; null takes the defaults.</param>
    /// <exception cref="ArgumentNullException"><paramref name="module"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty.</exception>
    /// <exception cref="InvalidOperationException">The file does not fit the module; the message names every difference.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or over a limit.</exception>
    /// <exception cref="NotSupportedException">The file is of a newer format.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <remarks>Source: claim 2.</remarks>
    public static void LoadCompressed(this nn.Module module, string path, DecodeLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var reader = CompressedModelReader.Open(path, limits);
        ModuleStorage.Load(reader, module);
    }

    /// <summary>The same from a stream, which may be a pipe or a socket.</summary>
    /// <param name="module">The module; unchanged on any error.</param>
    /// <param name="stream">A readable stream; left open.</param>
    /// <param name="limits">What the stream may ask for; null takes the defaults.</param>
    /// <exception cref="ArgumentNullException"><paramref name="module"/> or <paramref name="stream"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The content does not fit the module; the message names every difference.</exception>
    /// <exception cref="InvalidDataException">The content is damaged or over a limit.</exception>
    /// <exception cref="NotSupportedException">The content is of a newer format.</exception>
    /// <exception cref="IOException">The stream's own.</exception>
    public static void LoadCompressed(this nn.Module module, Stream stream, DecodeLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(stream);
        using var reader = CompressedModelReader.Open(stream, limits, leaveOpen: true);
        ModuleStorage.Load(reader, module);
    }

    /// <summary>Measures the running statistics of a module's batch norms anew, as plain averages over the data: after weights were rounded the old ones are off.</summary>
    /// <param name="module">The module; its parameters are not changed.</param>
    /// <param name="forward">Runs the module on training data; called once, in evaluation mode but for the norms, without gradients, in a dispose scope.</param>
    /// <returns>Number of norms measured; one that no data goes through keeps its statistics.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <remarks>What <paramref name="forward"/> throws passes through; all statistics are then what they were. Source: this project.</remarks>
    public static int ReestimateNorms(this nn.Module module, Action forward)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(forward);
        return NormStatistics.Reestimate(module, forward);
    }

    /// <summary>The same for a module of one input.</summary>
    /// <param name="module">The module; its parameters are not changed.</param>
    /// <param name="batches">Inputs; each of the shape the module takes, not disposed.</param>
    /// <returns>Number of norms measured; one that no data goes through keeps its statistics.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="InvalidOperationException">The module does not map one tensor to one; use the form with an action.</exception>
    /// <remarks>Source: this project.</remarks>
    public static int ReestimateNorms(this nn.Module module, IEnumerable<Tensor> batches)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(batches);
        return NormStatistics.Reestimate(module, Batches.Through(module, batches));
    }

    /// <summary>
    /// Folds every batch norm that follows a linear layer or convolution into it: the layer's rows are scaled, its bias takes the shift, and the norm becomes the identity. Shapes and names stay; the module computes the same in evaluation mode.
    /// </summary>
    /// <param name="module">The module; before a session is made of it, since rows are scaled differently.</param>
    /// <param name="chain">The module's layers in the order in which data goes through them, each feeding only the next. Null takes the children of a <c>Sequential</c>.</param>
    /// <returns>What was folded, and what was not and why.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="module"/> is null.</exception>
    /// <remarks>Source: this project.</remarks>
    public static NetworkCleanupReport FoldNorms(this nn.Module module, IEnumerable<nn.Module>? chain = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        return LayerChain.Of(module, chain).FoldNorms();
    }

    /// <summary>
    /// Removes units that do nothing: one whose incoming weights are all zero gives a constant, which goes through the activation into the next bias; one whose outgoing weights are all zero loses its row and bias. Shapes and names stay, rows become zeros, the module
    /// computes the same.
    /// </summary>
    /// <param name="module">The module, finished or between two steps. If a session trains it, call <see cref="CompressionSession.RemoveDeadUnits"/>.</param>
    /// <param name="chain">The module's layers in the order in which data goes through them, each feeding only the next. Null takes the children of a <c>Sequential</c>.</param>
    /// <returns>How many units were removed, and where none could be and why.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="module"/> is null.</exception>
    /// <remarks>Through linear layers and convolutions, with activations, norms, dropout, pooling and flattening between; anything else is left alone and named in the report. Source: this project.</remarks>
    public static NetworkCleanupReport RemoveDeadUnits(this nn.Module module, IEnumerable<nn.Module>? chain = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        return LayerChain.Of(module, chain).RemoveDeadUnits(new ModuleWeights());
    }

    private static Dictionary<nint, QuantizedTensor> Quantize(
        nn.Module module, QuantizationOptions? options, Func<string, Parameter, bool>? include, CompressionLevel level, long? targetBytes)
    {
        options ??= new QuantizationOptions();
        options.Validate().ThrowIfAny(typeof(QuantizationOptions));
        var gains = new Dictionary<nint, double>();
        if (targetBytes is not { } target)
        {
            return Quantize(module, options, include, new RoundingRate(options.RateDistortion, level), gains);
        }

        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(target, nameof(targetBytes));
        var budget = new BudgetSearch(module, level, rate => Quantize(module, options, include, rate, gains)).Run(target, share: 1);
        return budget.IsMet ? Quantize(module, options, include, new RoundingRate(budget.Strength, level), gains)
            : throw new InvalidOperationException($"The file cannot be made as small as asked: {budget}.");
    }

    // Gains are found once, however often the rounding is tried.
    private static Dictionary<nint, QuantizedTensor> Quantize(
        nn.Module module, QuantizationOptions options, Func<string, Parameter, bool>? include, RoundingRate rate, Dictionary<nint, double> gains)
    {
        var stored = new Dictionary<nint, QuantizedTensor>();
        foreach (var (name, parameter) in WeightSelection.Of(module, include))
        {
            try
            {
                nint identity = TensorMemory.Identity(parameter);
                if (!gains.TryGetValue(identity, out double gain))
                {
                    gains[identity] = gain = WeightQuantization.BestGain(parameter, options);
                }

                stored[identity] = WeightQuantization.Quantize(parameter, gain, options, rate);
            }
            catch (ArgumentException e)
            {
                throw new ArgumentException($"'{name}' cannot be quantised: {e.Message}", nameof(module), e);
            }
        }

        if (options.OtherBits is { } bits)
        {
            foreach (var (_, parameter) in WeightSelection.Of(module, include: static (_, _) => true))
            {
                nint identity = TensorMemory.Identity(parameter);
                if (!stored.ContainsKey(identity) && WeightQuantization.QuantizeToBits(parameter, bits) is { } quantized)
                {
                    stored[identity] = quantized;
                }
            }
        }

        return stored;
    }
}
