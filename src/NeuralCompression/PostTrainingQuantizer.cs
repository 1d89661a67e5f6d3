using NeuralCompression.Codec;
using NeuralCompression.Interop;
using NeuralCompression.Networks;
using NeuralCompression.PostTraining;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression;

/// <summary>Makes a finished network small without training it: rounds its weights to few levels, with regard to what goes into its layers if calibration data is given.</summary>
/// <remarks>
/// <para>Floating-point parameters of two or more dimensions, frozen ones too, but not those of norms, are quantised; all others are stored without loss. The steps are chosen as <see cref="PostTrainingOptions"/> says.</para>
/// <para>
/// Calibration data does two things. For linear layers and convolutions of one group an error of a weight counts as much as the mean square of the input it is multiplied with, in the choice of the steps and in rate-distortion rounding.
/// And running statistics of batch norms are measured anew. It needs no labels; some hundred examples do.
/// </para>
/// <para>Without a network in memory <see cref="SafetensorsConverter"/> does the same to files, without data. A network that may be trained gets much smaller with a <see cref="CompressionSession"/>. Not thread-safe.</para>
/// <para>Source: this project; sensitivities as the diagonal of the Hessian of a layer's squared error, as in Optimal Brain Damage (LeCun, Denker and Solla, 1989).</para>
/// </remarks>
public sealed class PostTrainingQuantizer
{
    // Added to all sensitivities as a part of their mean: an input that calibration never saw may still come.
    private const double Damping = 0.01;

    // Statistics of norms that are measured anew may take a few bytes more or fewer than the old ones.
    private const int BudgetAttempts = 4;
    private const int BudgetMargin = 16;

    private readonly nn.Module _module;
    private readonly PostTrainingOptions _options;
    private Dictionary<nint, QuantizedTensor>? _quantized;

    /// <summary>Prepares; nothing is changed.</summary>
    /// <param name="module">The network; kept, not disposed.</param>
    /// <param name="options">Bits, step or byte budget, and which weights.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">None or more than one of bits, step size and target bytes is set.</exception>
    /// <remarks>Source: this project.</remarks>
    public PostTrainingQuantizer(nn.Module module, PostTrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(options);
        options.ThrowIfAmbiguous(nameof(options));
        if (!options.IsQuantizing)
        {
            throw new ArgumentException("Set one of bits, step size and target bytes.", nameof(options));
        }

        (_module, _options) = (module, options);
    }

    /// <summary>Quantises the network, with calibration data if given: afterwards it holds exactly what a reader of the file will decode.</summary>
    /// <param name="calibration">Inputs, each of the shape the network takes, not disposed; read as often as the other form calls its action. Null for none.</param>
    /// <exception cref="InvalidOperationException">The network does not map one tensor to one: use the form with an action. Or it is quantised already, or calibration shows values that are not finite; the network is unchanged then.</exception>
    /// <exception cref="ArgumentException">A weight is not finite, the step is too small for 16-bit symbols, or the budget cannot be reached (the message says what can). The network is unchanged.</exception>
    /// <remarks>Source: this project.</remarks>
    public void Quantize(IEnumerable<Tensor>? calibration = null)
    {
        Run(calibration is null ? null : Batches.Through(_module, calibration));
    }

    /// <summary>The same for a network of any inputs.</summary>
    /// <param name="forward">Runs the network on calibration data; called once, and if it has batch norms once more, with a byte budget up to five times more; in evaluation mode, without gradients, in a dispose scope.</param>
    /// <exception cref="ArgumentNullException"><paramref name="forward"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The network is quantised already, or calibration shows values that are not finite; the network is unchanged then.</exception>
    /// <exception cref="ArgumentException">As for inputs.</exception>
    /// <remarks>Layers that the network's code runs by <c>forward</c> instead of <c>call</c> are not seen; they are quantised as without data. Source: this project.</remarks>
    public void Quantize(Action forward)
    {
        ArgumentNullException.ThrowIfNull(forward);
        Run(forward);
    }

    /// <summary>Writes the quantised network to a file; quantises it first, without data, if that was not done.</summary>
    /// <param name="path">The file; an existing one is replaced only by a complete new one.</param>
    /// <returns>Real bytes per tensor and of the whole file.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is null or empty; or as for <see cref="Quantize(IEnumerable{Tensor})"/>.</exception>
    /// <exception cref="InvalidOperationException">A quantised weight was changed since.</exception>
    /// <exception cref="IOException">The file cannot be written; an old file is still whole.</exception>
    /// <remarks>Source: this project.</remarks>
    public CompressionReport Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var quantized = Quantized();
        using var writer = CompressedModelWriter.Create(path, _options.Level);
        ModuleStorage.Write(writer, _module, quantized);
        return writer.Complete();
    }

    /// <summary>The same to a stream, which may be a pipe or a socket.</summary>
    /// <param name="stream">A writable stream; left open.</param>
    /// <returns>Real bytes per tensor and of the whole file.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="stream"/> is null.</exception>
    /// <exception cref="ArgumentException">As for <see cref="Quantize(IEnumerable{Tensor})"/>.</exception>
    /// <exception cref="InvalidOperationException">A quantised weight was changed since.</exception>
    /// <exception cref="IOException">The stream's own.</exception>
    /// <remarks>Source: this project.</remarks>
    public CompressionReport Save(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var quantized = Quantized();
        using var writer = CompressedModelWriter.Create(stream, _options.Level, leaveOpen: true);
        ModuleStorage.Write(writer, _module, quantized);
        return writer.Complete();
    }

    private Dictionary<nint, QuantizedTensor> Quantized()
    {
        if (_quantized is null)
        {
            Run(forward: null);
        }

        foreach (var (name, parameter) in Weights())
        {
            if (!_quantized!.TryGetValue(TensorMemory.Identity(parameter), out var quantized) || !WeightQuantization.Holds(parameter, quantized))
            {
                throw new InvalidOperationException($"'{name}' was changed, or its module moved to another device or type, since it was quantised.");
            }
        }

        return _quantized!;
    }

    private IEnumerable<(string Name, Parameter Parameter)> Weights() =>
        WeightSelection.Of(_module, include: null, isFinished: true).Where(weight => weight.Parameter.numel() > 0 && _options.IsSelected(weight.Name));

    private void Run(Action? forward)
    {
        if (_quantized is not null)
        {
            throw new InvalidOperationException("The network is quantised already.");
        }

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var inputs = forward is null ? null : LayerInputs.Observe(_module, forward);
        var weights = Weights().Select(weight => new Weight(weight.Name, weight.Parameter, inputs)).ToList();
        var original = _module.state_dict().Values.Select(tensor => (Tensor: tensor, Copy: tensor.detach().clone())).ToList();
        try
        {
            _quantized = _options.TargetBytes is { } target ? RunWithin(target) : Apply(multiple: null);
        }
        catch
        {
            Restore();
            throw;
        }

        void Restore() => original.ForEach(o => o.Tensor.detach().copy_(o.Copy));

        Dictionary<nint, QuantizedTensor> Apply(double? multiple)
        {
            var quantized = Round(weights, multiple);
            weights.ForEach(weight => weight.Replace(quantized[weight.Identity]));
            if (forward is not null)
            {
                NormStatistics.Reestimate(_module, forward);
            }

            return quantized;
        }

        Dictionary<nint, QuantizedTensor> RunWithin(long target)
        {
            long aim = target;
            for (int attempt = 0; ; attempt++)
            {
                double multiple = StepBudget.Find(aim, candidate => Length(Round(weights, candidate)), () => weights.Sum(weight => (double)weight.Parameter.numel()));
                var quantized = Apply(multiple);
                long length = Length(quantized);
                if (length <= target)
                {
                    return quantized;
                }

                if (attempt == BudgetAttempts)
                {
                    throw new ArgumentException($"{target} bytes cannot be reached: {length} were.");
                }

                Restore();
                aim -= length - target + BudgetMargin;
            }
        }
    }

    private Dictionary<nint, QuantizedTensor> Round(List<Weight> weights, double? multiple)
    {
        var quantized = new Dictionary<nint, QuantizedTensor>();
        foreach (var weight in weights)
        {
            try
            {
                quantized[weight.Identity] = PostTrainingRounding.Quantize(weight.Values, weight.Sensitivities, weight.Parameter.shape, _options, multiple, weight.Type);
            }
            catch (ArgumentException e)
            {
                throw new ArgumentException($"'{weight.Name}' cannot be quantised: {e.Message}", e);
            }
        }

        return quantized;
    }

    private long Length(Dictionary<nint, QuantizedTensor> quantized)
    {
        using var writer = CompressedModelWriter.Create(Stream.Null, _options.Level, leaveOpen: true);
        ModuleStorage.Write(writer, _module, quantized);
        return writer.Complete().TotalBytes;
    }

    /// <summary>One weight tensor and what is known of it.</summary>
    private sealed class Weight
    {
        public Weight(string name, Parameter parameter, LayerInputs? inputs)
        {
            (Name, Parameter, Identity) = (name, parameter, TensorMemory.Identity(parameter));
            using var scope = NewDisposeScope();
            Values = parameter.detach().to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
            if (!Array.TrueForAll(Values, float.IsFinite))
            {
                throw new ArgumentException($"'{name}' has values that are not finite.");
            }

            Type = TorchTypes.TryFrom(parameter.dtype, out var type) ? type : throw new ArgumentException($"'{name}' is of type {parameter.dtype}, which cannot be stored.");
            Sensitivities = SensitivitiesOf(inputs is null ? [] : [.. inputs.Layers.Where(layer => layer.Weight == Identity)]);
        }

        public string Name { get; }

        public Parameter Parameter { get; }

        public nint Identity { get; }

        public ElementType Type { get; }

        public float[] Values { get; }

        /// <summary>Shape of the weights, 1 on average; empty without data.</summary>
        public float[] Sensitivities { get; }

        /// <summary>Takes the values that the file will hold.</summary>
        public void Replace(QuantizedTensor quantized) => WeightQuantization.WriteTo(quantized, Parameter.detach());

        private float[] SensitivitiesOf(List<LayerInputs.Observed> layers)
        {
            if (layers.Count == 0)
            {
                return [];
            }

            // A tensor that several layers share costs what all of them lose.
            var squares = layers.Select(layer => layer.Squares).Aggregate((sum, more) => sum + more);
            double mean = squares.mean().item<double>();
            if (!(mean > 0) || !double.IsFinite(mean))
            {
                return [];
            }

            var relative = ((squares / mean) + Damping) / (1 + Damping);
            long[] shape = [1, relative.shape[0], .. Enumerable.Repeat(1L, Parameter.shape.Length - 2)];
            return relative.reshape(shape).expand(Parameter.shape).to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        }
    }
}
