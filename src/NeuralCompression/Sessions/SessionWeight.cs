using NeuralCompression.Codec;
using NeuralCompression.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Sessions;

/// <summary>
/// One compressed tensor of a session: raw parameters θ, gain g and the mapped weights m(θ), and what moves between them and the module's parameter w = g · m(θ).
/// </summary>
/// <remarks>
/// Two implementations: <see cref="SpanSessionWeight{T}"/> on contiguous CPU memory, <see cref="TensorSessionWeight"/> with tensor operations for everything else.
/// "Direct" weights (identity mapping, fixed gain) have no θ of their own: the parameter is θ.
/// </remarks>
internal abstract class SessionWeight : IDisposable
{
    // A frozen survivor stays this far outside the interval that rounds to zero, as a fraction of half a step.
    private const double SurvivorMargin = 1e-3;

    private readonly ScalarType _parameterType;
    private readonly (TorchSharp.DeviceType, int) _device;

    protected SessionWeight(string name, int index, Parameter parameter, InitializedWeights start, WeightMapping mapping, CompressionOptions options)
    {
        Name = name;
        Index = index;
        Parameter = parameter;
        Mapping = mapping;
        Quantization = options.Quantization;
        ClippedFraction = start.ClippedFraction;
        _parameterType = parameter.dtype;
        _device = (parameter.device_type, parameter.device_index);
        Gain = start.Gain;
        IsDirect = mapping.Kind == MappingKind.Identity && !options.TrainGains && start.Raw.dtype == parameter.dtype;
        if (IsDirect)
        {
            Theta = parameter;
        }
        else
        {
            using var raw = start.Raw.clone();
            Theta = Keep(new Parameter(raw));
        }

        if (options.TrainGains)
        {
            using var logarithm = tensor(Math.Log(start.Gain), start.Raw.dtype);
            LogGain = Keep(new Parameter(logarithm));
            ReadGain();
        }

        Mapped = Keep(empty_like(start.Raw, requires_grad: false));
    }

    public string Name { get; }

    /// <summary>Position among the session's weights; it selects the noise.</summary>
    public int Index { get; }

    public Parameter Parameter { get; }

    public Parameter Theta { get; }

    public Parameter? LogGain { get; }

    public double Gain { get; private set; }

    public double ClippedFraction { get; }

    public bool IsDirect { get; }

    public bool IsFrozen => Support is not null;

    /// <summary>What the parameter holds after <see cref="CompressionSession.Quantize"/>; null while it holds g · m(θ).</summary>
    public QuantizedTensor? Quantized { get; private set; }

    public WeightMapping Mapping { get; }

    public QuantizationOptions Quantization { get; }

    /// <summary>m(θ), noise-free; zero where frozen. Shape of the parameter, type of θ.</summary>
    public Tensor Mapped { get; }

    /// <summary>Running mean of the squared task gradients of θ; only the proximal mode has one.</summary>
    public Tensor? Moment { get; protected set; }

    /// <summary>Signs (−1, 0, 1; int8) the frozen tensor must keep; null while not frozen.</summary>
    public Tensor? Support { get; private set; }

    public long Length => Parameter.numel();

    /// <summary>Type of θ: that of the parameter, but float32 for half precision.</summary>
    public static ScalarType RawType(Tensor parameter) =>
        parameter.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    public static SessionWeight Create(string name, int index, Parameter parameter, InitializedWeights start, WeightMapping mapping, CompressionOptions options)
    {
        bool span = TensorMemory.IsSpan(parameter);
        return parameter.dtype switch
        {
            ScalarType.Float32 when span => new SpanSessionWeight<float>(name, index, parameter, start, mapping, options),
            ScalarType.Float64 when span => new SpanSessionWeight<double>(name, index, parameter, start, mapping, options),
            _ => new TensorSessionWeight(name, index, parameter, start, mapping, options),
        };
    }

    /// <summary>Whether the module still has this parameter, on the same device and of the same type.</summary>
    public bool IsInPlace => !Parameter.IsInvalid && Parameter.dtype == _parameterType && (Parameter.device_type, Parameter.device_index) == _device;

    /// <summary>Recomputes <see cref="Mapped"/> from θ; false if it came out different from before.</summary>
    public bool Remap() => Remap(write: true);

    /// <summary>Whether <see cref="Mapped"/> still is m(θ): false after an optimizer's own step, and for a direct weight after any change of the parameter.</summary>
    public bool IsCurrent() => (IsDirect && Quantized is not null) || Remap(write: false);

    protected abstract bool Remap(bool write);

    /// <summary>Clears what a gradient left before the step would confuse. A direct weight collects in its parameter, so only zeros left by zero_grad go: what is there afterwards came from backward.</summary>
    public void PrepareGradient()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (!IsDirect || Parameter.grad is { } gradient && gradient.count_nonzero().item<long>() == 0)
        {
            Parameter.grad = null;
        }
    }

    /// <summary>Whether θ has a gradient with a non-zero entry.</summary>
    public bool HasGradient()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return Theta.grad is { } gradient && gradient.count_nonzero().item<long>() > 0;
    }

    /// <summary>Whether the parameter holds exactly g · m(θ).</summary>
    protected abstract bool HoldsEffectiveWeights();

    /// <summary>Writes g · m(θ) into the parameter.</summary>
    public abstract void WriteEffectiveWeights();

    /// <summary>Writes g · (m(θ), partly rounded, + noise) into the parameter.</summary>
    public abstract void WriteNoisyWeights(in StepSettings settings);

    /// <summary>Adds the parameter's gradient, by the chain rule, to those of θ and log g, and clears it. False if there is none.</summary>
    public abstract bool CollectGradient();

    /// <summary>Writes noise-free weights back from the copy in <see cref="Mapped"/>.</summary>
    public abstract void Restore();

    public abstract SparsityRatio Ratio();

    /// <summary>λ · ∂loss/∂θ at the noise-free weights; a new tensor like θ.</summary>
    public abstract Tensor LossGradient(SparsityRatio ratio, double lambda, LossOptions loss);

    /// <summary>Adds λ · ∂loss/∂θ to θ's gradient.</summary>
    public abstract void AddLossGradient(double lambda, LossOptions loss);

    public abstract void UpdateMoment();

    public abstract void ProximalStep(in ProximalSettings settings);

    /// <summary>Keeps θ in the mapping's domain and frozen survivors on their side of zero.</summary>
    public abstract void Constrain();

    /// <summary>Whether the parameter holds what the session wrote last.</summary>
    public bool IsUntouched() =>
        Quantized is not null ? WeightQuantization.Holds(Parameter, Quantized)
        : IsDirect || HoldsEffectiveWeights();

    public void ReadGain()
    {
        if (LogGain is not null)
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            var wide = LogGain.detach().to(ScalarType.Float64);
            Gain = Math.Exp(wide.item<double>());
        }
    }

    /// <summary>Symbols of the noise-free weights on the grid of step g · 2a.</summary>
    /// <param name="rate">What a bit is worth; the default rounds to the nearest level.</param>
    public QuantizedTensor Quantize(RoundingRate rate = default)
    {
        try
        {
            using var scope = NewDisposeScope();
            TorchTypes.TryFrom(_parameterType, out var elementType);
            return WeightQuantization.Quantize(
                Mapped, Quantization.StepSize, WeightQuantization.Step(Gain, Quantization, _parameterType), Quantization.MinSymbol, Quantization.MaxSymbol, elementType,
                rate, rate.Strength > 0 ? Sensitivities() : null);
        }
        catch (ArgumentException e)
        {
            throw new InvalidOperationException($"'{Name}' cannot be quantised: {e.Message} The training has probably diverged; lower the learning rate.", e);
        }
    }

    // Squared task gradients of m, from those of θ; they stand for the curvature. A saturated weight, whose gradient the mapping holds back, counts as one whose slope is a tenth.
    private Tensor? Sensitivities()
    {
        using var _ = no_grad();
        var slope = IsDirect ? null : Mapping.Derivative(Theta.detach()).clamp_min(0.1);
        return Moment is null ? null
            : slope is null ? Moment.mul(Gain * Gain)
            : Moment.div(slope.square());
    }

    public void WriteQuantizedWeights(RoundingRate rate = default)
    {
        if (IsDirect)
        {
            SaveDirect();
        }

        Quantized = Quantize(rate);
        WeightQuantization.WriteTo(Quantized, Parameter);
    }

    /// <summary>Back from the quantised to the effective weights, before training goes on.</summary>
    public void LeaveQuantized()
    {
        if (Quantized is not null)
        {
            Quantized = null;
            Restore();
        }
    }

    /// <summary>The parameter's gradient; that of a sparse embedding made dense.</summary>
    protected Tensor? DenseGradient()
    {
        var gradient = Parameter.grad;
        if (gradient is not { is_sparse: true })
        {
            return gradient;
        }

        using var _ = no_grad();
        using (gradient)
        {
            using var dense = gradient.to_dense();
            Parameter.grad = dense;
        }

        return Parameter.grad;
    }

    /// <summary>Copies a direct weight's θ before the parameter is overwritten.</summary>
    protected abstract void SaveDirect();

    /// <summary>Freezes the zeros and signs.</summary>
    /// <param name="rate">What a bit is worth; the default makes zero what rounds to zero.</param>
    public void Freeze(RoundingRate rate = default)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var previous = Support;
        // On a side where the range has no room every weight rounds to zero.
        var negative = Quantization.MinSymbol < 0 ? Mapped.lt(-Quantization.NoiseLevel) : zeros_like(Mapped, ScalarType.Bool);
        var positive = Quantization.MaxSymbol > 0 ? Mapped.gt(Quantization.NoiseLevel) : zeros_like(Mapped, ScalarType.Bool);
        var support = positive.to(ScalarType.Int8).sub(negative.to(ScalarType.Int8));
        if (rate.Strength > 0)
        {
            var kept = zeros_like(Mapped, ScalarType.Float32);
            WeightQuantization.WriteTo(Quantize(rate), kept);
            support = support.mul(kept.ne(0).to(ScalarType.Int8));
        }

        Support = support.contiguous().DetachFromDisposeScope();
        Constrain();
    }

    /// <summary>Bounds of θ for a frozen survivor of either sign.</summary>
    protected (double LargestNegative, double SmallestPositive) SurvivorBounds()
    {
        double magnitude = Quantization.NoiseLevel * (1 + SurvivorMargin);
        double scale = IsDirect ? Gain : 1;
        return (
            -magnitude > Quantization.LowerLimit ? scale * Mapping.Inverse(-magnitude) : double.PositiveInfinity,
            magnitude < Quantization.UpperLimit ? scale * Mapping.Inverse(magnitude) : double.NegativeInfinity);
    }

    /// <summary>θ of a zero weight, towards which the proximal step moves; NaN if zero lies at or beyond a limit.</summary>
    protected double ZeroPoint => Mapping.LowerLimit < 0 && Mapping.UpperLimit > 0 ? Mapping.Inverse(0.0) : double.NaN;

    public void SetState(Tensor theta, double gain, Tensor? logGain, Tensor? moment, Tensor? support)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Quantized = null;
        Theta.copy_(theta);
        Gain = gain;
        if (logGain is not null)
        {
            LogGain!.copy_(logGain);
            ReadGain();
        }

        Moment?.Dispose();
        Moment = moment?.clone().DetachFromDisposeScope();
        Support?.Dispose();
        Support = support?.clone().DetachFromDisposeScope();
        Remap();
        WriteEffectiveWeights();
    }

    public virtual void Dispose()
    {
        if (!IsDirect)
        {
            Theta.Dispose();
        }

        LogGain?.Dispose();
        Mapped.Dispose();
        Moment?.Dispose();
        Support?.Dispose();
    }

    // Made inside a user's dispose scope, what the session owns would die with the scope.
    protected static T Keep<T>(T kept)
        where T : Tensor
    {
        kept.DetachFromDisposeScope();
        return kept;
    }
}
