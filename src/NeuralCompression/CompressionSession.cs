using System.Runtime.CompilerServices;
using NeuralCompression.Codec;
using NeuralCompression.Codec.Container;
using NeuralCompression.Diagnostics;
using NeuralCompression.Interop;
using NeuralCompression.Sessions;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression;

/// <summary>
/// Trains a module to be small: holds raw parameters θ and a gain g for every weight tensor, lends the module g · (m(θ) + noise) while a step is open, and saves what training arrived at.
/// </summary>
/// <remarks>
/// <para>Outside a step the module's parameters are its effective weights g · m(θ), without noise, so evaluating it, <c>state_dict()</c> and other libraries see the truth. Give the optimizer
/// <see cref="Parameters"/>, not the module's.</para>
/// <para>One session per module. Not thread-safe: one thread at a time. The session keeps what it owns outside every dispose scope until it is disposed; the module keeps its weights then.</para>
/// <para>The objective, with every gradient, is written out in docs/training.md.</para>
/// <para>Source: claims 1, 7, 8, 9, 11, 13, 15, 16.</para>
/// </remarks>
/// <example>
/// <code>
/// using var session = new CompressionSession(model, new CompressionOptions { Loss = { Lambda = 1e-3 } });
/// var optimizer = torch.optim.Adam(session.Parameters(), 1e-3);
/// foreach (var (x, y) in batches)
/// {
///     using var scope = torch.NewDisposeScope();
///     optimizer.zero_grad();
///     using (session.BeginStep())
///         (criterion.call(model.call(x), y) + session.Loss()).backward();
///     session.Step(optimizer);
/// }
/// session.Quantize();
/// CompressionReport report = session.Save("model.ncm");
/// </code>
/// </example>
public sealed partial class CompressionSession : IDisposable
{
    // One session per module: two would each take the other's weights for a change behind their backs.
    private static readonly ConditionalWeakTable<nn.Module, CompressionSession> Owners = [];

    private readonly nn.Module _model;
    private readonly CompressionOptions _options;
    private readonly List<SessionWeight> _weights = [];
    private readonly List<OtherParameter> _others = [];
    private StepScope? _scope;
    private bool _stepOpen;
    private bool _lossAsked;
    private bool _hasGradients;
    private bool _inClosure;
    private ulong _draws;
    private long _steps;

    // The step whose schedule was applied last.
    private long _scheduledStep = -1;
    private OptimizerGroups? _groups;

    // The zero that Loss adds to the term in an open step, and the strengths it was asked with there (see OffsetFor).
    private Tensor? _offset;
    private LossStrengths? _offsetStrengths;
    private bool _disposed;

    /// <summary>Takes a module's weights under control. Its function does not change, but for rounding and clipped seed weights; with <see cref="StartingPoint.Random"/> it gets new weights.</summary>
    /// <param name="model">The module, on the device and of the type it will train in; the session does not own it.</param>
    /// <param name="options">What to do; copied. Null takes the defaults.</param>
    /// <exception cref="ArgumentNullException"><paramref name="model"/> is null.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">An option is out of its range; the error names every one.</exception>
    /// <exception cref="ArgumentException">The module has no parameter to compress, its weights are not finite or do not fit the range, or a pattern of <see cref="LossOptions.Strengths"/> matches none of them.</exception>
    /// <exception cref="InvalidOperationException">The module already has a session; or a random start cannot reach its occupancy.</exception>
    public CompressionSession(nn.Module model, CompressionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        Name = model.GetName();
        options ??= new CompressionOptions();
        options.ThrowIfInvalid();
        _options = options.Copy();
        Lambda = _options.Loss.Lambda;
        LambdaScale = 1;
        LearningRateScale = 1;
        Equalizer = _options.Loss.Equalizer;
        if (_options.TargetBytes is { } target)
        {
            _budget = new BudgetController(TrainingAim * target, _options.BudgetSteps / (double)_options.BudgetInterval);
            _budgetMeter = new ModelMeter(_options.Level);
        }

        NoiseScale = _options.Noise.Scale;
        QuantizedForward = _options.QuantizedForward;
        Mapping = WeightMapping.Create(_options.Mapping, _options.Quantization.LowerLimit, _options.Quantization.UpperLimit);
        if (!Owners.TryAdd(model, this))
        {
            throw new InvalidOperationException("The module already has a session; dispose that one first.");
        }

        try
        {
            TakeOver();
        }
        catch
        {
            Dispose();
            throw;
        }

        CompressionEventSource.Log.SessionStarted(Name, _weights.Count, _weights.Sum(w => w.Length));
    }

    /// <summary>Strength of the compression term now; range [0, ∞). Settable between steps, for schedules.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or not finite.</exception>
    public double Lambda
    {
        get;
        set => field = double.IsFinite(value) && value >= 0
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "The strength must be finite and not negative.");
    }

    /// <summary>Schedule factor of <see cref="Lambda"/> now: the strength in force is the product. Dimensionless, range [0, ∞), 1 at first. Settable between steps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or not finite.</exception>
    public double LambdaScale
    {
        get;
        set => field = double.IsFinite(value) && value >= 0
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "The factor must be finite and not negative.");
    }

    /// <summary>Strength of the equaliser now, in force once zeros are frozen (<see cref="LossOptions.Equalizer"/>); loss units, range [0, ∞). Settable between steps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or not finite.</exception>
    public double Equalizer
    {
        get;
        set => field = double.IsFinite(value) && value >= 0
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "The strength must be finite and not negative.");
    }

    /// <summary>
    /// What the schedule wants the learning rate to be now, as a factor of the initial one; dimensionless, range [0, ∞), 1 without a schedule. Where the schedule drives it, <see cref="Step(optim.Optimizer)"/> sets every
    /// learning rate of the optimizer to its initial value times this, so no other scheduler must run.
    /// </summary>
    public double LearningRateScale { get; internal set; }

    /// <summary>Optimizer steps so far.</summary>
    public long Steps => _steps;

    /// <summary>The schedule's phase of the next step; null without a schedule.</summary>
    public SchedulePhase? Phase => _options.Schedule?.PhaseAt(_steps);

    // For diagnostics: the type, or the name the module was made with.
    private string Name { get; }

    private LossStrengths Strengths => new(Strength, IsFrozen ? Equalizer : 0);

    /// <summary>Schedule factor s of the noise now; fraction, range [0, 1]. Settable between steps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value lies outside [0, 1].</exception>
    public double NoiseScale
    {
        get;
        set => field = value is >= 0 and <= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "The noise scale must lie in [0, 1].");
    }

    /// <summary>
    /// Fraction t of the rounded weight in the forward pass, g · ((1 − t) · m + t · Q(m) + noise); fraction, range [0, 1]. The gradient passes straight through the rounding: a surrogate, exact only at 0. Settable between steps.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value lies outside [0, 1].</exception>
    public double QuantizedForward
    {
        get;
        set => field = value is >= 0 and <= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "The quantised fraction must lie in [0, 1].");
    }

    /// <summary>The mapping of all compressed tensors.</summary>
    public WeightMapping Mapping { get; private set; }

    /// <summary>The compressed tensors, in the module's order.</summary>
    public IReadOnlyList<CompressedWeight> Weights { get; private set; } = [];

    /// <summary>Whether <see cref="FreezeZeros"/> was called.</summary>
    public bool IsFrozen => _weights[0].IsFrozen;

    /// <summary>Whether <see cref="FixLevels"/> was called.</summary>
    public bool IsFixed => _weights[0].IsAssigned;

    /// <summary>Fraction of the compressed weights that quantise to zero now, in [0, 1].</summary>
    public double Sparsity
    {
        get
        {
            double zeros = 0;
            long count = 0;
            foreach (var weight in _weights)
            {
                zeros += weight.Quantize().Sparsity * weight.Length;
                count += weight.Length;
            }

            return count == 0 ? 0 : zeros / count;
        }
    }

    /// <summary>What an optimizer must train: θ of every compressed tensor, its log-gain unless gains are fixed, and every other trainable parameter; each once, tied ones once.</summary>
    /// <returns>The same parameters at every call, owned by the session or the module.</returns>
    public IEnumerable<Parameter> Parameters()
    {
        foreach (var weight in _weights)
        {
            yield return weight.Theta;
            if (weight.LogGain is not null)
            {
                yield return weight.LogGain;
            }
        }

        foreach (var other in _others)
        {
            yield return other.Parameter;
        }
    }

    /// <summary>
    /// Opens a step: until the result is disposed the module's parameters hold g · (m(θ) + noise), with fresh noise. Run forward and <c>backward</c> inside. Disposing it adds the parameters' gradients, by the chain rule, to those of
    /// θ and log g, clears them, and restores the noise-free weights, also after an exception. Several steps before one <see cref="Step(optim.Optimizer)"/> accumulate gradients.
    /// </summary>
    /// <returns>The open step; dispose it with <c>using</c>.</returns>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">
    /// A step is open already; a parameter changed behind the session's back; θ changed other than by <see cref="Step(optim.Optimizer)"/>; or the module moved to another device or type.
    /// </exception>
    public IDisposable BeginStep()
    {
        ThrowIfUnusable();
        ApplySchedule();
        PrepareToOpen();
        var settings = new StepSettings(_options.Noise.Seed, _draws, _model.training ? NoiseScale : 0, _options.Noise.Target, QuantizedForward);
        for (int i = 0; i < _weights.Count; i++)
        {
            // A gradient left in a parameter from outside would be taken for this step's.
            _weights[i].PrepareGradient();
            try
            {
                ThrowUnlessOpen(_weights[i], _weights[i].Open(settings));
            }
            catch (Exception e) when (e is ArgumentException or InvalidOperationException)
            {
                _weights[..i].ForEach(w => w.Restore());
                throw e is InvalidOperationException ? e
                    : new InvalidOperationException($"A weight is not a number: the training has diverged; lower the learning rate. ({e.Message})", e);
            }
        }

        _draws++;
        _stepOpen = true;
        _lossAsked = false;
        _offsetStrengths = null;
        if (_offset is not null)
        {
            _offset.grad = null;
        }

        // A new one each time: disposing an earlier one again must not close this step.
        return _scope = new StepScope(this);
    }

    /// <summary>The compression term, λ times the sum over the compressed tensors, at the noise-free m(θ).</summary>
    /// <returns>
    /// Shape <c>[]</c>, loss units; the caller owns it. With <see cref="LossMode.Autograd"/> it carries the gradient, which within a step reaches θ when the step is closed, with the task's; with the other modes it is a plain number to show and add, and the session applies the gradient itself,
    /// once per step in which this was called (direct) or at every <see cref="Step(optim.Optimizer)"/> (proximal).
    /// </returns>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    public Tensor Loss()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _lossAsked = true;
        using var scope = NewDisposeScope();
        var resultType = _weights.Any(w => w.Theta.dtype == ScalarType.Float64) ? ScalarType.Float64 : ScalarType.Float32;
        var strengths = Strengths;
        bool graph = _options.Loss.Mode == LossMode.Autograd && strengths.Any && is_grad_enabled();
        if (graph && _stepOpen && OffsetFor(strengths, resultType) is { } offset)
        {
            return offset.add(tensor(_weights.Sum(w => w.LossValue(strengths)), resultType, offset.device)).MoveToOuterDisposeScope();
        }

        double value = 0;
        double constant = 0;
        Tensor? sum = null;
        foreach (var weight in _weights)
        {
            double term = weight.LossValue(strengths);
            value += term;
            if (graph && !weight.IsAssigned)
            {
                var surrogate = SparsityEqualizingLoss.LinearSurrogate(weight.Theta, weight.LossGradient(strengths), term, resultType);
                sum = sum is null ? surrogate : sum.add(surrogate.to(sum.device));
            }
            else
            {
                constant += term;
            }
        }

        if (sum is not null && constant != 0)
        {
            sum = sum.add(constant);
        }

        return (sum ?? tensor(value, resultType, _weights[0].Theta.device)).MoveToOuterDisposeScope();
    }

    /// <summary>The optimizer's step and everything that must follow it: the proximal step, the mapping's domain, frozen zeros, and the module's effective weights.</summary>
    /// <param name="optimizer">An optimizer over <see cref="Parameters"/>.</param>
    /// <exception cref="ArgumentNullException"><paramref name="optimizer"/> is null.</exception>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">
    /// A step is still open; no step collected gradients since the last call; or the optimizer lacks a parameter of the session (it was probably made from <c>model.parameters()</c>).
    /// </exception>
    public void Step(optim.Optimizer optimizer) => StepWith(optimizer, closure: null);

    /// <summary>The same for optimizers that evaluate the objective themselves (LBFGS).</summary>
    /// <param name="optimizer">An optimizer over <see cref="Parameters"/>.</param>
    /// <param name="closure">Clears the gradients, opens a step with <see cref="BeginStep"/>, runs forward and backward, and returns the objective.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">A step is open, or the optimizer lacks a parameter of the session; or the proximal mode is on, which has no meaning here.</exception>
    public void Step(optim.Optimizer optimizer, Func<Tensor> closure)
    {
        ArgumentNullException.ThrowIfNull(closure);
        if (_options.Loss.Mode == LossMode.Proximal)
        {
            throw new InvalidOperationException("A closure has many evaluations and no single step for LossMode.Proximal to follow; use Autograd or DirectGradient.");
        }

        StepWith(optimizer, closure);
    }

    /// <summary>Freezes the zero pattern and the signs: what quantises to zero now stays zero, without noise and gradient, and the rest stays off zero with its sign.</summary>
    /// <remarks>With <see cref="CompressionOptions.TargetBytes"/> or <see cref="QuantizationOptions.RateDistortion"/> more becomes zero, as at <see cref="Quantize"/>, so that the training that follows can make up for it.</remarks>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">A step is open, or a parameter changed behind the session's back.</exception>
    public void FreezeZeros()
    {
        ThrowIfUnusable();
        ThrowIfChanged();
        ThrowIfStale();
        LeaveQuantized();
        var rate = FitBudget(FreezeAim);
        _weights.ForEach(w => w.Freeze(rate));
        CompressionEventSource.Log.ZerosFrozen(Name, _steps);
    }

    /// <summary>
    /// Fixes every weight at its level, zeros included: from here on only gains, biases and norms are trained, and the forward pass sees what a reader will decode, but for the rounding of those. θ gets no gradient any more.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">A step is open, a parameter changed behind the session's back, or gradients are waiting for a step.</exception>
    public void FixLevels()
    {
        ThrowIfUnusable();
        ThrowIfChanged();
        ThrowIfStale();
        if (_hasGradients)
        {
            throw new InvalidOperationException("Gradients are waiting for a Step; fix the levels after it, or they would be lost.");
        }

        LeaveQuantized();
        var rate = FitBudget(share: 1);
        _weights.ForEach(w => w.Assign(rate));
        CompressionEventSource.Log.LevelsFixed(Name, _steps);
    }

    /// <summary>
    /// Rounds the module's weights to their grids, so that the module holds exactly what a reader of the saved file will decode. Training may go on: the next <see cref="BeginStep"/> returns to the effective weights.
    /// </summary>
    /// <remarks>
    /// With <see cref="CompressionOptions.TargetBytes"/> it rounds as far from the nearest levels as the budget asks (<see cref="RateDistortionQuantizer"/>, with the running mean of squared task gradients for sensitivities): step and
    /// limits stay, and <see cref="Budget"/> says what came of it. Else <see cref="QuantizationOptions.RateDistortion"/> is the strength.
    /// </remarks>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">A step is open, a parameter changed behind the session's back, or a weight is not finite.</exception>
    public void Quantize()
    {
        ThrowIfUnusable();
        ThrowIfChanged();
        ThrowIfStale();
        LeaveQuantized();
        var rate = FitBudget(1);
        foreach (var weight in _weights)
        {
            weight.WriteQuantizedWeights(rate);
        }

        foreach (var other in _others)
        {
            other.Quantize(_options.Quantization.OtherBits);
        }
    }

    /// <summary>Releases what the session owns. The module keeps its present weights and is an ordinary module again; an open step is closed first.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        if (_stepOpen)
        {
            CloseStep();
        }

        _disposed = true;
        Owners.Remove(_model);
        _offset?.Dispose();
        foreach (var weight in _weights)
        {
            weight.Dispose();
        }

        foreach (var other in _others)
        {
            other.Dispose();
        }
    }

    private void TakeOver()
    {
        var initializer = new SeedAwareInitializer(Mapping, _options.Initialization, _options.Quantization);
        var compressed = new HashSet<nint>();
        var selected = WeightSelection.Of(_model, _options.Include).ToList();
        double[] factors = selected.Count == 0 ? [] : _options.Loss.FactorsOf(selected.ConvertAll(w => w.Name));
        foreach (var (name, parameter) in selected)
        {
            compressed.Add(TensorMemory.Identity(parameter));
            try
            {
                using var start = _options.Initialization.Start == StartingPoint.Random
                    ? initializer.Random(parameter.shape, initializer.TargetSpread(parameter.shape), _weights.Count, SessionWeight.RawType(parameter), parameter.device)
                    : initializer.FromSeed(parameter);
                _weights.Add(SessionWeight.Create(name, _weights.Count, parameter, start, Mapping, _options, factors[_weights.Count]));
            }
            catch (ArgumentException e)
            {
                throw new ArgumentException($"'{name}' cannot be compressed: {e.Message}", e);
            }
        }

        if (_weights.Count == 0)
        {
            throw new ArgumentException("The module has no trainable floating-point parameter of two or more dimensions; name others with CompressionOptions.Include.", "model");
        }

        foreach (var (_, parameter) in WeightSelection.Of(_model, include: static (_, _) => true))
        {
            if (!compressed.Contains(TensorMemory.Identity(parameter)))
            {
                _others.Add(new OtherParameter(parameter));
            }
        }

        Weights = _weights.ConvertAll(w => new CompressedWeight(w));
    }

    // In an open step the term is its value plus a zero of the session's, whose gradient is then the objective's by the term: all that is needed for the closing pass over the weights, which reads them anyway, to add the
    // term's gradient. Null where that would not be the whole of it: a second call at other strengths, or nothing to train.
    private Tensor? OffsetFor(LossStrengths strengths, ScalarType type)
    {
        if ((_offsetStrengths is { } earlier && earlier != strengths) || _weights.TrueForAll(w => w.IsAssigned))
        {
            return null;
        }

        _offsetStrengths = strengths;
        // Not tensor(0.0, ...): of float32 that is a conversion, which has no gradient of its own.
        return _offset ??= zeros(Array.Empty<long>(), type, _weights[0].Theta.device, requires_grad: true).DetachFromDisposeScope();
    }

    // The strengths times the objective's derivative by the term; null if no backward went through it.
    private LossStrengths? ReceivedStrengths()
    {
        if (_offsetStrengths is not { } strengths)
        {
            return null;
        }

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return _offset!.grad is { } gradient ? strengths * gradient.to(ScalarType.Float64).item<double>() : null;
    }

    private void CloseStep()
    {
        _stepOpen = false;
        var mode = _options.Loss.Mode;
        bool any = _weights.Exists(w => w.HasTaskGradient());
        var received = ReceivedStrengths();
        var strengths = received ?? (any && _lossAsked && mode == LossMode.DirectGradient && Strengths.Any ? Strengths : default(LossStrengths?));
        try
        {
            _weights.ForEach(w => w.Close(strengths, lossFirst: received is not null));
        }
        catch
        {
            _weights.ForEach(w => w.Restore());
            throw;
        }

        // The compression term alone, without a task, leaves nothing in the parameters; its gradient is in θ already.
        _hasGradients |= any || received is not null || (_lossAsked && mode == LossMode.Autograd && _weights.Exists(w => w.HasGradient()));
    }

    private void StepWith(optim.Optimizer optimizer, Func<Tensor>? closure)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ThrowIfUnusable();
        if (closure is null && !_hasGradients)
        {
            throw new InvalidOperationException("There are no gradients: open a step with BeginStep and call backward inside it before Step.");
        }

        var groups = GroupsOf(optimizer);
        ApplySchedule();
        if (closure is not null || _weights.Exists(w => w.Quantized is not null))
        {
            ThrowIfChanged();
            LeaveQuantized();
        }

        _weights.ForEach(ThrowUnlessInPlace);
        if (_options.Schedule is { DrivesLearningRate: true })
        {
            groups.ScaleLearningRates(LearningRateScale);
        }

        if (_options.KeepsMoments)
        {
            foreach (var weight in _weights)
            {
                weight.UpdateMoment();
            }
        }

        // An optimizer that throws on the way leaves θ moved; the module follows it, so the two never disagree.
        SessionWeight? changed;
        try
        {
            _inClosure = closure is not null;
            optimizer.step(closure)?.Dispose();
        }
        finally
        {
            _inClosure = false;
            _hasGradients = false;
            changed = FollowTheta(groups);
        }

        if (changed is not null)
        {
            throw new InvalidOperationException(ChangedMessage(changed));
        }
    }

    // Gives the weight, if any, whose parameter was changed behind the session's back since the step was closed; it is overwritten.
    private SessionWeight? FollowTheta(OptimizerGroups groups)
    {
        SessionWeight? changed = null;
        _steps++;
        var strengths = Strengths;
        bool proximal = _options.Loss.Mode == LossMode.Proximal;
        double biasCorrection = proximal ? 1 - Math.Pow(ProximalSettings.Beta2, _steps) : 1;
        foreach (var weight in _weights)
        {
            if (!weight.Follow(proximal ? new ProximalSettings(strengths, groups.LearningRateOf(weight.Theta), biasCorrection) : null))
            {
                changed ??= weight;
            }
        }

        SteerStrength();
        CompressionMeter.Step(Name, Strength);
        return changed;
    }

    private OptimizerGroups GroupsOf(optim.Optimizer optimizer)
    {
        if (_groups?.IsOf(optimizer) != true)
        {
            _groups = new OptimizerGroups(optimizer, Parameters());
        }

        return _groups;
    }

    private void ApplySchedule()
    {
        if (_options.Schedule is not { } schedule || _scheduledStep == _steps)
        {
            return;
        }

        var (phase, fraction, isFirst) = schedule.At(_steps);
        LambdaScale = phase.LambdaScale?.At(fraction) ?? LambdaScale;
        NoiseScale = phase.NoiseScale?.At(fraction) ?? NoiseScale;
        QuantizedForward = phase.QuantizedForward?.At(fraction) ?? QuantizedForward;
        Equalizer = phase.Equalizer?.At(fraction) ?? Equalizer;
        LearningRateScale = phase.LearningRateScale?.At(fraction) ?? LearningRateScale;
        if (isFirst)
        {
            CompressionEventSource.Log.PhaseStarted(Name, _steps, phase.Name);
        }

        if (isFirst && phase.FreezeZeros)
        {
            FreezeZeros();
        }

        if (isFirst && phase.FixLevels)
        {
            FixLevels();
        }

        _scheduledStep = _steps;
    }

    // Everything that need not be checked weight by weight as they are opened.
    private void PrepareToOpen()
    {
        if (_inClosure)
        {
            // The optimizer itself moves θ between evaluations.
            ThrowIfChanged();
            foreach (var weight in _weights)
            {
                weight.ReadGain();
                weight.Remap();
                weight.WriteEffectiveWeights();
            }

            return;
        }

        if (_weights.Exists(w => w.Quantized is not null))
        {
            ThrowIfChanged();
            LeaveQuantized();
        }

        _weights.ForEach(ThrowUnlessInPlace);
        ThrowIfOthersChanged();
        foreach (var other in _others)
        {
            other.LeaveQuantized();
        }
    }

    private static void ThrowUnlessOpen(SessionWeight weight, StepOpening opening)
    {
        switch (opening)
        {
            case StepOpening.ParameterChanged:
                throw new InvalidOperationException(ChangedMessage(weight));
            case StepOpening.RawChanged:
                weight.Remap();
                weight.WriteEffectiveWeights();
                throw new InvalidOperationException(
                    $"The raw parameter of '{weight.Name}' changed outside the session; call session.Step(optimizer) instead of optimizer.step().");
        }
    }

    private static string ChangedMessage(SessionWeight weight) =>
        $"'{weight.Name}' was changed behind the session's back (an optimizer over model.parameters(), load_state_dict, or an initialiser); train session.Parameters(), or make a new session from the new weights.";

    private static void ThrowUnlessInPlace(SessionWeight weight)
    {
        if (!weight.IsInPlace)
        {
            throw new InvalidOperationException(
                $"'{weight.Name}' moved to another device or type; move the module first and make the session then.");
        }
    }

    private void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_stepOpen)
        {
            throw new InvalidOperationException("A step is open; dispose what BeginStep returned first.");
        }
    }

    private void ThrowIfChanged()
    {
        foreach (var weight in _weights)
        {
            ThrowUnlessInPlace(weight);
            if (!weight.IsUntouched())
            {
                throw new InvalidOperationException(ChangedMessage(weight));
            }
        }

        ThrowIfOthersChanged();
    }

    // What is saved or frozen is the last m(θ); an optimizer that stepped on its own would be left out silently.
    private void ThrowIfStale()
    {
        if (_weights.Find(w => !w.IsCurrent()) is { } stale)
        {
            throw new InvalidOperationException(
                $"The raw parameter of '{stale.Name}' changed outside the session; call session.Step(optimizer) instead of optimizer.step().");
        }
    }

    private void ThrowIfOthersChanged()
    {
        if (_others.Exists(o => !o.IsUntouched()))
        {
            throw new InvalidOperationException("A bias or norm was changed after Quantize; call Quantize again when the network is final.");
        }
    }

    private void LeaveQuantized()
    {
        foreach (var weight in _weights)
        {
            weight.LeaveQuantized();
        }

        foreach (var other in _others)
        {
            other.LeaveQuantized();
        }
    }

    private sealed class StepScope(CompressionSession session) : IDisposable
    {
        public void Dispose()
        {
            if (session._stepOpen && ReferenceEquals(session._scope, this))
            {
                session.CloseStep();
            }
        }
    }
}
