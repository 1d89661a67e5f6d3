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

    // Whether Term has measured the present m(θ), and whether with its non-zeros counted.
    private bool _isMeasured;
    private bool _isCounted;

    protected SessionWeight(string name, int index, Parameter parameter, InitializedWeights start, WeightMapping mapping, CompressionOptions options, double lossFactor)
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
        Term = new CompressionTerm(options.Loss, parameter.shape, lossFactor);
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

    public WeightMapping Mapping { get; private set; }

    /// <summary>This tensor's part of the compression loss.</summary>
    protected CompressionTerm Term { get; }

    /// <summary>Whether every weight is fixed at its level: <see cref="Mapped"/> stays, and θ counts no more.</summary>
    public bool IsAssigned { get; private set; }

    /// <summary>Whether the parameter itself is what the optimizer trains.</summary>
    protected bool OwnsParameter => IsDirect && !IsAssigned;

    public QuantizationOptions Quantization { get; }

    /// <summary>m(θ), noise-free; zero where frozen. Shape of the parameter, type of θ.</summary>
    public Tensor Mapped { get; }

    /// <summary>Running mean of the squared task gradients of θ; only the proximal mode has one.</summary>
    public Tensor? Moment { get; protected set; }

    /// <summary>Strength of the compression term for each weight, shape and type of θ; null where all are 1.</summary>
    public Tensor? Strength { get; private set; }

    /// <summary>Signs (−1, 0, 1; int8) the frozen tensor must keep; null while not frozen.</summary>
    public Tensor? Support { get; private set; }

    public long Length => Parameter.numel();

    /// <summary>Type of θ: that of the parameter, but float32 for half precision.</summary>
    public static ScalarType RawType(Tensor parameter) =>
        parameter.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    public static SessionWeight Create(string name, int index, Parameter parameter, InitializedWeights start, WeightMapping mapping, CompressionOptions options, double lossFactor)
    {
        bool span = TensorMemory.IsSpan(parameter);
        return parameter.dtype switch
        {
            ScalarType.Float32 when span => new SpanSessionWeight<float>(name, index, parameter, start, mapping, options, lossFactor),
            ScalarType.Float64 when span => new SpanSessionWeight<double>(name, index, parameter, start, mapping, options, lossFactor),
            _ => new TensorSessionWeight(name, index, parameter, start, mapping, options, lossFactor),
        };
    }

    /// <summary>Whether the module still has this parameter, on the same device and of the same type.</summary>
    public bool IsInPlace => !Parameter.IsInvalid && Parameter.dtype == _parameterType && (Parameter.device_type, Parameter.device_index) == _device;

    /// <summary>Recomputes <see cref="Mapped"/> from θ.</summary>
    public void Remap()
    {
        if (!IsAssigned && !Remap(write: true))
        {
            MappedChanged();
        }
    }

    /// <summary>Whether <see cref="Mapped"/> still is m(θ): false after an optimizer's own step, and for a direct weight after any change of the parameter.</summary>
    public bool IsCurrent() => IsAssigned || (IsDirect && Quantized is not null) || Remap(write: false);

    /// <summary>Compares <see cref="Mapped"/> with m(θ), and if asked makes it so; false if it was different.</summary>
    protected abstract bool Remap(bool write);

    /// <summary>Clears what a gradient left before the step would confuse. A direct weight collects in its parameter, so only zeros left by zero_grad go: what is there afterwards came from backward.</summary>
    public void PrepareGradient()
    {
        if (!OwnsParameter)
        {
            Parameter.grad = null;
            return;
        }

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (Parameter.grad is { } gradient && gradient.count_nonzero().item<long>() == 0)
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

    /// <summary>Whether <c>backward</c> left a gradient in the parameter.</summary>
    public bool HasTaskGradient()
    {
        using var gradient = Parameter.grad;
        return gradient is not null;
    }

    /// <summary>Whether the parameter holds exactly g · m(θ).</summary>
    protected abstract bool HoldsEffectiveWeights();

    /// <summary>Writes g · m(θ) into the parameter.</summary>
    public abstract void WriteEffectiveWeights();

    /// <summary>Checks that nothing changed since the last step and writes g · (m(θ), partly rounded, + noise) into the parameter.</summary>
    public abstract StepOpening Open(in StepSettings settings);

    /// <summary>Adds the parameter's gradient, by the chain rule, to those of θ and log g, and that of the compression term if strengths are given; clears it, and writes noise-free weights back.</summary>
    /// <param name="loss">Strengths of the compression term; null for none.</param>
    /// <param name="lossFirst">Whether the term's gradient is added before the task's: sums of floating-point numbers have an order.</param>
    public abstract void Close(LossStrengths? loss, bool lossFirst);

    /// <summary>Writes noise-free weights back from the copy in <see cref="Mapped"/>.</summary>
    public abstract void Restore();

    /// <summary>After the optimizer: the gain, the proximal step if there is one, the domain of θ and frozen signs, m(θ), and the parameter. False if the parameter did not hold what the session had written; now it does.</summary>
    public abstract bool Follow(ProximalSettings? proximal);

    public abstract void UpdateMoment();

    /// <summary>The compression term's value at the noise-free weights.</summary>
    public double LossValue(LossStrengths strengths)
    {
        MeasureTerm(strengths);
        return Term.Value(strengths);
    }

    /// <summary>Strength · ∂loss/∂θ at the noise-free weights; a new tensor like θ.</summary>
    public Tensor LossGradient(LossStrengths strengths)
    {
        PrepareTerm(strengths);
        return PreparedLossGradient();
    }

    protected void PrepareTerm(LossStrengths strengths)
    {
        MeasureTerm(strengths);
        Term.Prepare(strengths);
    }

    protected abstract Tensor PreparedLossGradient();

    /// <summary>Lets <see cref="Term"/> measure <see cref="Mapped"/>.</summary>
    protected abstract void Measure(bool equalizer);

    protected void MappedChanged() => _isMeasured = false;

    /// <summary>Whether the present m(θ) was measured; then the next one will be wanted too.</summary>
    protected bool IsMeasured => _isMeasured;

    /// <summary>Takes the measure of the present m(θ) from a pass that had it at hand.</summary>
    protected void TakeMeasure(SparsityRatio whole)
    {
        Term.TakeMeasure(whole);
        (_isMeasured, _isCounted) = (true, false);
    }

    private void MeasureTerm(LossStrengths strengths)
    {
        bool equalizer = strengths.Equalizer != 0;
        if (!_isMeasured || (equalizer && !_isCounted))
        {
            Measure(equalizer);
            (_isMeasured, _isCounted) = (true, equalizer);
        }
    }

    /// <summary>Keeps θ in the mapping's domain and frozen survivors on their side of zero.</summary>
    protected abstract void Constrain();

    /// <summary>Whether the parameter holds what the session wrote last.</summary>
    public bool IsUntouched() =>
        Quantized is not null ? WeightQuantization.Holds(Parameter, Quantized)
        : OwnsParameter || HoldsEffectiveWeights();

    public virtual void ReadGain()
    {
        if (LogGain is not null)
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            var wide = LogGain.detach().to(ScalarType.Float64);
            SetLogGain(wide.item<double>());
        }
    }

    protected void SetLogGain(double logGain) => Gain = Math.Exp(logGain);

    /// <summary>Standard deviation over mean of the magnitudes that noise alone cannot reach zero from.</summary>
    public double SurvivorVariation()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var magnitudes = Mapped.abs().to(ScalarType.Float64);
        magnitudes = magnitudes.masked_select(magnitudes >= Quantization.NoiseLevel);
        if (magnitudes.numel() == 0)
            return 0;
        double mean = magnitudes.mean().item<double>();
        return Math.Sqrt((magnitudes - mean).square().mean().item<double>()) / mean;
    }

    /// <summary>Symbols of the noise-free weights on the grid of step g · 2a.</summary>
    /// <param name="rate">What a bit is worth; the default rounds to the nearest level.</param>
    public QuantizedTensor Quantize(RoundingRate rate = default)
    {
        // Fixed levels are what they are.
        rate = IsAssigned ? default : rate;
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
        if (OwnsParameter)
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
        if (!IsAssigned)
        {
            Constrain();
        }

        MappedChanged();
        Remap();
        WriteEffectiveWeights();
    }

    /// <summary>Fixes every weight at its level. θ gets no gradient any more, so that an optimizer leaves it alone.</summary>
    /// <param name="rate">What a bit is worth; the default takes the nearest level.</param>
    public void Assign(RoundingRate rate = default)
    {
        if (IsAssigned)
        {
            return;
        }

        using var scope = NewDisposeScope();
        using var _ = no_grad();

        // Before the zeros are frozen: prices of what is left then would make more of it zero than was asked for.
        Tensor? levels = null;
        if (rate.Strength > 0)
        {
            levels = zeros_like(Mapped, requires_grad: false);
            WeightQuantization.WriteTo(Quantize(rate), levels);
            levels = levels.div(Gain * Quantization.StepSize).round().mul(Quantization.StepSize);
        }

        Freeze(rate);
        AssignLevels(levels ?? RoundedWeights());

        WriteEffectiveWeights();
    }

    // The codec's rule: |symbol| = ceil(|m| / 2a - 1/2), clamped.
    protected Tensor RoundedWeights()
    {
        var symbols = Mapped.abs().div(Quantization.StepSize).sub(0.5).ceil().clamp_min(0).mul(Mapped.sign());
        return symbols.clamp(Quantization.MinSymbol, Quantization.MaxSymbol).mul(Quantization.StepSize);
    }

    private void AssignLevels(Tensor levels)
    {
        Mapped.copy_(levels);
        MappedChanged();
        IsAssigned = true;
        Theta.grad = null;
    }

    public void SetStrength(Tensor? strength)
    {
        if (strength is not null && !Term.TakesStrengths)
        {
            throw new InvalidOperationException($"The loss of '{Name}' measures norms of groups, which strengths of single weights have no part in.");
        }

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var previous = Strength;
        Strength = strength?.detach().to(Theta.dtype).to(Theta.device).expand(Theta.shape).contiguous().clone().DetachFromDisposeScope();
        MappedChanged();
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

    /// <summary>What a reader will decode, with tensor operations; a new tensor like θ.</summary>
    public Tensor DecodedWeights() => RoundedWeights().mul(Gain);

    /// <summary>Makes entries zero; for good where zeros are frozen.</summary>
    public void Clear(Tensor entries)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var mask = entries.expand(Theta.shape);
        if (double.IsNaN(ZeroPoint))
        {
            throw new InvalidOperationException($"'{Name}' has its zero at a limit of the range, where θ cannot say zero.");
        }

        Theta.masked_fill_(mask, ZeroPoint);
        Moment?.masked_fill_(mask, 0);
        Support?.masked_fill_(mask, 0);
        if (IsAssigned)
        {
            Mapped.masked_fill_(mask, 0);
            MappedChanged();
        }

        Remap();
        WriteEffectiveWeights();
    }

    /// <summary>
    /// Re-expresses the weights in another mapping, and if an initializer is given with the gain it finds for them: g · m(θ) stays, θ moves. Returns by how much the gradient of θ is larger after it, a new tensor like θ, and how many weights were cut.
    /// </summary>
    public (Tensor SlopeRatio, double Clipped) Refit(WeightMapping mapping, SeedAwareInitializer? initializer)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        double clipped = 0;
        var before = EffectiveSlope();
        double steeper = mapping.Steepness / Mapping.Steepness;
        Mapping = mapping;
        if (initializer is not null)
        {
            using var start = initializer.FromSeed(Mapped.mul(Gain));
            clipped = start.ClippedFraction * Length;
            if (!IsDirect)
            {
                Theta.copy_(start.Raw);
            }

            Gain = start.Gain;
            if (LogGain is not null)
            {
                LogGain.fill_(Math.Log(start.Gain));
                ReadGain();
            }
        }
        else if (steeper != 1)
        {
            Theta.div_(steeper);
        }

        Remap();
        WriteEffectiveWeights();

        // A weight whose slope was zero got no gradient, so there is nothing to scale.
        var ratio = EffectiveSlope().div(before).nan_to_num(0, 0, 0);
        Moment?.mul_(ratio.square());
        return (ratio.DetachFromDisposeScope(), clipped);
    }

    // ∂w/∂θ.
    private Tensor EffectiveSlope() => IsDirect ? ones_like(Theta, requires_grad: false) : Mapping.Derivative(Theta.detach()).mul(Gain);

    public void SetState(Tensor theta, double gain, WeightMapping mapping, Tensor? logGain, Tensor? moment, Tensor? support, Tensor? strength, Tensor? levels)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Quantized = null;
        Mapping = mapping;
        IsAssigned = false;
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
        SetStrength(strength);
        Remap();
        if (levels is not null)
        {
            AssignLevels(levels);
        }

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
        Strength?.Dispose();
    }

    // Made inside a user's dispose scope, what the session owns would die with the scope.
    protected static T Keep<T>(T kept)
        where T : Tensor
    {
        kept.DetachFromDisposeScope();
        return kept;
    }
}
