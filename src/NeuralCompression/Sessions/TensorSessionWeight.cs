using NeuralCompression.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Sessions;

/// <summary>
/// A session weight on any device, of any floating-point type and strides, by tensor operations. Half-precision parameters have θ and gain in float32, so that small steps are not lost.
/// </summary>
internal sealed class TensorSessionWeight : SessionWeight
{
    private Tensor? _direct;

    public TensorSessionWeight(string name, int index, Parameter parameter, InitializedWeights start, WeightMapping mapping, CompressionOptions options, double lossFactor)
        : base(name, index, parameter, start, mapping, options, lossFactor)
    {
        Remap();
        WriteEffectiveWeights();
    }

    protected override bool Remap(bool write)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var theta = Theta.detach();
        var mapped = IsDirect ? theta.div(Gain) : Mapping.Map(theta);
        if (!IsDirect && !double.IsNaN(ZeroPoint))
        {
            // Where the limits are not symmetric, m of the zero point is a roundoff away from zero; a zero weight is exactly zero.
            var zero = full(1, ZeroPoint, theta.dtype, theta.device);
            mapped = mapped.where(theta.ne(zero), zeros_like(mapped));
        }

        mapped = InSupport(mapped);
        // NaN differs from itself; a diverged weight counts as unchanged, and Quantize reports it.
        bool same = mapped.eq(Mapped).logical_or(mapped.isnan()).all().item<bool>();
        if (write)
        {
            Mapped.copy_(mapped);
        }

        return same;
    }

    protected override bool HoldsEffectiveWeights()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var expected = Mapped.mul(Gain).to(Parameter.dtype);
        return Parameter.detach().eq(expected).logical_or(expected.isnan()).all().item<bool>();
    }

    public override void WriteEffectiveWeights()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (!OwnsParameter)
        {
            Parameter.copy_(Mapped.mul(Gain));
        }
        else if (Support is not null)
        {
            Parameter.copy_(InSupport(Parameter.detach()));
        }
    }

    public override StepOpening Open(in StepSettings settings)
    {
        if (!OwnsParameter && !HoldsEffectiveWeights())
        {
            return StepOpening.ParameterChanged;
        }

        if (!IsAssigned && !Remap(write: false))
        {
            return StepOpening.RawChanged;
        }

        WriteNoisyWeights(settings);
        return StepOpening.Open;
    }

    private void WriteNoisyWeights(in StepSettings settings)
    {
        if (OwnsParameter)
        {
            SaveDirect();
        }

        double amplitude = settings.NoiseScale * Quantization.NoiseLevel;
        if (IsAssigned || (amplitude == 0 && settings.QuantizedForward == 0))
        {
            return;
        }

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var rounded = RoundedWeights();
        var noisy = Mapped.lerp(rounded, settings.QuantizedForward);
        if (amplitude > 0)
        {
            var noise = Noise(settings, amplitude);
            noisy = noisy.add(settings.Target == NoiseTarget.NonZeroWeights ? noise.mul(rounded.ne(0).to(noise.dtype)) : noise);
        }

        Parameter.copy_(InSupport(noisy).mul(Gain));
    }

    public override void Close(LossStrengths? loss, bool lossFirst)
    {
        if (lossFirst)
        {
            AddLossGradient(loss);
        }

        CollectGradient();
        Restore();
        if (!lossFirst)
        {
            AddLossGradient(loss);
        }
    }

    private void AddLossGradient(LossStrengths? loss)
    {
        if (loss is { } strengths && !IsAssigned)
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            Accumulate(Theta, LossGradient(strengths));
        }
    }

    private void CollectGradient()
    {
        using var gradient = DenseGradient();
        if (gradient is null || OwnsParameter)
        {
            return;
        }

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var received = gradient.to(Theta.dtype);
        if (!IsAssigned)
        {
            Accumulate(Theta, InSupport(received.mul(Mapping.Derivative(Theta)).mul(Gain)));
        }

        if (LogGain is not null)
        {
            var wide = received.to(ScalarType.Float64).mul(Parameter.detach().to(ScalarType.Float64)).sum();
            Accumulate(LogGain, wide.to(LogGain.dtype).to(LogGain.device));
        }

        Parameter.grad = null;
    }

    public override void Restore()
    {
        if (OwnsParameter && _direct is not null)
        {
            using var _ = no_grad();
            Parameter.copy_(_direct);
            return;
        }

        WriteEffectiveWeights();
    }

    protected override void Measure(bool equalizer) => Term.Measure(Mapped, Strength, equalizer);

    protected override Tensor PreparedLossGradient()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var gradient = Term.Gradient(Mapped, Strength);
        gradient = IsDirect ? gradient.div(Gain) : gradient.mul(Mapping.Derivative(Theta));
        return gradient.to(Theta.dtype).MoveToOuterDisposeScope();
    }

    public override bool Follow(ProximalSettings? proximal)
    {
        bool untouched = OwnsParameter || HoldsEffectiveWeights();
        ReadGain();
        if (IsAssigned)
        {
            WriteEffectiveWeights();
            return untouched;
        }

        if (proximal is { Strengths.Any: true } settings && Moment is not null)
        {
            ProximalStep(settings);
        }

        Constrain();
        Remap();
        WriteEffectiveWeights();
        return untouched;
    }

    public override void UpdateMoment()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (Theta.grad is not { } gradient)
        {
            return;
        }

        Moment ??= Keep(zeros_like(Theta, requires_grad: false));
        Moment.mul_(ProximalSettings.Beta2).add_(gradient.square(), alpha: 1 - ProximalSettings.Beta2);
    }

    private void ProximalStep(in ProximalSettings settings)
    {
        Remap();
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var step = LossGradient(settings.Strengths * settings.LearningRate)
            .div(Moment!.div(settings.BiasCorrection).sqrt().add(ProximalSettings.Epsilon));
        var before = Theta.detach().sub(ZeroPoint);
        var after = Theta.detach().sub(step);
        if (!double.IsNaN(ZeroPoint))
        {
            var crossed = before.mul(after.sub(ZeroPoint)).lt(0);
            after = after.where(crossed.logical_not(), full_like(after, ZeroPoint));
        }

        Theta.copy_(after);
    }

    protected override void Constrain()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (lower, upper) = Mapping.Domain;
        if (double.IsFinite(lower))
        {
            Theta.copy_(Theta.detach().clamp(lower, upper));
        }

        if (Support is not null)
        {
            var (largestNegative, smallestPositive) = SurvivorBounds();
            var theta = Theta.detach();
            var positive = theta.clamp_min(smallestPositive);
            var negative = theta.clamp_max(largestNegative);
            Theta.copy_(positive.where(Support.gt(0), negative.where(Support.lt(0), theta)));
        }
    }

    public override void Dispose()
    {
        _direct?.Dispose();
        base.Dispose();
    }

    protected override void SaveDirect()
    {
        using var _ = no_grad();
        _direct ??= Keep(empty_like(Theta, requires_grad: false));
        _direct.copy_(Theta);
    }

    private Tensor Noise(in StepSettings settings, double amplitude)
    {
        var noise = empty(Mapped.shape, ScalarType.Float32);
        var span = TensorMemory.Span<float>(noise);
        for (int i = 0; i < span.Length; i += UniformNoise.BlockLength)
        {
            var block = span.Slice(i, Math.Min(UniformNoise.BlockLength, span.Length - i));
            UniformNoise.Fill(settings.Seed, settings.Draw, Index, i, amplitude, block);
        }

        return noise.to(Mapped.device).to(Mapped.dtype);
    }

    private Tensor InSupport(Tensor values) => Support is null ? values : values.mul(Support.ne(0).to(values.dtype));

    private static void Accumulate(Parameter parameter, Tensor gradient)
    {
        if (parameter.grad is { } existing)
        {
            existing.add_(gradient);
        }
        else
        {
            parameter.grad = gradient.clone();
        }
    }
}
