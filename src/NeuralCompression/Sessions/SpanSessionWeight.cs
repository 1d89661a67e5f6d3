using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using NeuralCompression.Codec;
using NeuralCompression.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression.Sessions;

/// <summary>A session weight in contiguous CPU memory: every pass goes block by block, so that nothing of the tensor's size is allocated and scratch stays in cache.</summary>
/// <remarks>Spans bypass autograd's version check; every method here runs before the forward or after the backward of a step.</remarks>
internal sealed class SpanSessionWeight<T> : SessionWeight
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int BlockLength = UniformNoise.BlockLength;

    // θ of a direct weight while its parameter holds something else.
    private Tensor? _direct;

    public SpanSessionWeight(string name, int index, Parameter parameter, InitializedWeights start, WeightMapping mapping, CompressionOptions options)
        : base(name, index, parameter, start, mapping, options)
    {
        Remap();
        WriteEffectiveWeights();
    }

    private Span<T> ThetaSpan => TensorMemory.Span<T>(Theta);

    private Span<T> ParameterSpan => TensorMemory.Span<T>(Parameter);

    private Span<T> MappedSpan => TensorMemory.Span<T>(Mapped);

    private ReadOnlySpan<sbyte> SupportSpan => Support is null ? default : TensorMemory.Span<sbyte>(Support);

    private ReadOnlySpan<T> StrengthSpan => Strength is null ? default : TensorMemory.Span<T>(Strength);

    private T GainValue => T.CreateTruncating(Gain);

    protected override bool Remap(bool write)
    {
        Span<T> scratch = stackalloc T[BlockLength];
        var theta = ThetaSpan;
        var mapped = MappedSpan;
        var support = SupportSpan;
        var zero = T.CreateTruncating(ZeroPoint);
        bool same = true;
        for (int i = 0; i < theta.Length; i += BlockLength)
        {
            int n = Math.Min(BlockLength, theta.Length - i);
            var block = scratch[..n];
            if (IsDirect)
            {
                TensorPrimitives.Divide(theta.Slice(i, n), GainValue, block);
            }
            else
            {
                Mapping.Map<T>(theta.Slice(i, n), block);

                // Where the limits are not symmetric, m of the zero point is a roundoff away from zero; a zero weight is exactly zero.
                ClearWhereEqual(theta.Slice(i, n), zero, block);
            }

            if (!support.IsEmpty)
            {
                ClearOutside(support.Slice(i, n), block);
            }

            var target = mapped.Slice(i, n);
            if (!SameBits(block, target))
            {
                same = false;
                if (write)
                {
                    block.CopyTo(target);
                }
            }
        }

        return same;
    }

    protected override bool HoldsEffectiveWeights()
    {
        Span<T> scratch = stackalloc T[BlockLength];
        var parameter = ParameterSpan;
        var mapped = MappedSpan;
        for (int i = 0; i < parameter.Length; i += BlockLength)
        {
            int n = Math.Min(BlockLength, parameter.Length - i);
            TensorPrimitives.Multiply(mapped.Slice(i, n), GainValue, scratch);
            if (!SameBits(scratch[..n], parameter.Slice(i, n)))
            {
                return false;
            }
        }

        return true;
    }

    public override void WriteEffectiveWeights()
    {
        if (!IsDirect)
        {
            TensorPrimitives.Multiply(MappedSpan, GainValue, ParameterSpan);
        }
        else if (Support is not null)
        {
            ClearOutside(SupportSpan, ParameterSpan);
        }
    }

    public override void WriteNoisyWeights(in StepSettings settings)
    {
        SaveDirect();
        Span<T> blended = stackalloc T[BlockLength];
        Span<T> rounded = stackalloc T[BlockLength];
        Span<T> noise = stackalloc T[BlockLength];
        var mapped = MappedSpan;
        var parameter = ParameterSpan;
        var support = SupportSpan;
        var step = T.CreateTruncating(Quantization.StepSize);
        var t = T.CreateTruncating(settings.QuantizedForward);
        double amplitude = settings.NoiseScale * Quantization.NoiseLevel;
        bool needsRounded = settings.QuantizedForward > 0 || (amplitude > 0 && settings.Target == NoiseTarget.NonZeroWeights);
        for (int i = 0; i < mapped.Length; i += BlockLength)
        {
            int n = Math.Min(BlockLength, mapped.Length - i);
            var m = mapped.Slice(i, n);
            var u = blended[..n];
            var q = rounded[..n];
            m.CopyTo(u);
            if (needsRounded)
            {
                Round(m, step, q);
            }

            if (amplitude > 0)
            {
                var noiseBlock = noise[..n];
                UniformNoise.Fill(settings.Seed, settings.Draw, Index, i, amplitude, noiseBlock);
                if (settings.Target == NoiseTarget.NonZeroWeights)
                {
                    ClearWhereZero(q, noiseBlock);
                }
            }

            if (settings.QuantizedForward > 0)
            {
                // u = m + t (2a q - m); at t = 1 the level itself.
                TensorPrimitives.Multiply(q, step, q);
                if (settings.QuantizedForward == 1)
                {
                    q.CopyTo(u);
                }
                else
                {
                    TensorPrimitives.Subtract(q, m, q);
                    TensorPrimitives.MultiplyAdd(q, t, m, u);
                }
            }

            if (amplitude > 0)
            {
                TensorPrimitives.Add(u, noise[..n], u);
            }

            if (!support.IsEmpty)
            {
                ClearOutside(support.Slice(i, n), u);
            }

            TensorPrimitives.Multiply(u, GainValue, parameter.Slice(i, n));
        }
    }

    public override bool CollectGradient()
    {
        using var gradient = DenseGradient();
        if (gradient is null)
        {
            return false;
        }

        // θ of a direct weight is the parameter: its gradient already is where it belongs.
        if (IsDirect)
        {
            return true;
        }

        using var contiguous = gradient.contiguous();
        using var thetaGradient = GradientOf(Theta);
        ReadOnlySpan<T> received = TensorMemory.Span<T>(contiguous);
        var collected = TensorMemory.Span<T>(thetaGradient);
        ReadOnlySpan<T> theta = ThetaSpan;
        ReadOnlySpan<T> mapped = MappedSpan;
        ReadOnlySpan<T> parameter = ParameterSpan;
        var support = SupportSpan;
        Span<T> scratch = stackalloc T[BlockLength];
        double gainGradient = 0;
        for (int i = 0; i < received.Length; i += BlockLength)
        {
            int n = Math.Min(BlockLength, received.Length - i);
            var slope = scratch[..n];
            Mapping.Derivative(theta.Slice(i, n), mapped.Slice(i, n), slope);
            TensorPrimitives.Multiply(slope, GainValue, slope);
            if (!support.IsEmpty)
            {
                ClearOutside(support.Slice(i, n), slope);
            }

            var target = collected.Slice(i, n);
            TensorPrimitives.MultiplyAdd(received.Slice(i, n), slope, target, target);

            // w = exp(log g) u, so dw/d log g = w, noise included.
            gainGradient += double.CreateTruncating(TensorPrimitives.Dot(received.Slice(i, n), parameter.Slice(i, n)));
        }

        if (LogGain is not null)
        {
            using var logGainGradient = GradientOf(LogGain);
            TensorMemory.Span<T>(logGainGradient)[0] += T.CreateTruncating(gainGradient);
        }

        Parameter.grad = null;
        return true;
    }

    public override void Restore()
    {
        if (_direct is not null)
        {
            TensorMemory.Span<T>(_direct).CopyTo(ParameterSpan);
            return;
        }

        WriteEffectiveWeights();
    }

    public override SparsityRatio Ratio() => SparsityRatio.Of<T>(MappedSpan, StrengthSpan);

    public override Tensor LossGradient(SparsityRatio ratio, double lambda, LossOptions loss)
    {
        var gradient = zeros_like(Theta, requires_grad: false);
        AddLossGradient(ratio, lambda, loss, TensorMemory.Span<T>(gradient));
        return gradient;
    }

    public override void AddLossGradient(double lambda, LossOptions loss)
    {
        using var gradient = GradientOf(Theta);
        AddLossGradient(Ratio(), lambda, loss, TensorMemory.Span<T>(gradient));
    }

    public override void UpdateMoment()
    {
        using var gradient = Theta.grad;
        if (gradient is null)
        {
            return;
        }

        Moment ??= Keep(zeros_like(Theta, requires_grad: false));
        using var contiguous = gradient.contiguous();
        ReadOnlySpan<T> g = TensorMemory.Span<T>(contiguous);
        var v = TensorMemory.Span<T>(Moment);
        Span<T> scratch = stackalloc T[BlockLength];
        for (int i = 0; i < v.Length; i += BlockLength)
        {
            int n = Math.Min(BlockLength, v.Length - i);
            var block = v.Slice(i, n);
            var square = scratch[..n];
            TensorPrimitives.Multiply(g.Slice(i, n), g.Slice(i, n), square);
            TensorPrimitives.Multiply(square, T.CreateTruncating(1 - ProximalSettings.Beta2), square);
            TensorPrimitives.MultiplyAdd(block, T.CreateTruncating(ProximalSettings.Beta2), square, block);
        }
    }

    public override void ProximalStep(in ProximalSettings settings)
    {
        if (settings.Lambda == 0 || Moment is null)
        {
            return;
        }

        Remap();
        var ratio = Ratio();
        var theta = ThetaSpan;
        ReadOnlySpan<T> mapped = MappedSpan;
        ReadOnlySpan<T> moment = TensorMemory.Span<T>(Moment);
        Span<T> scratch = stackalloc T[BlockLength];
        Span<T> slopes = stackalloc T[BlockLength];
        var zero = T.CreateTruncating(ZeroPoint);
        var correction = T.CreateTruncating(settings.BiasCorrection);
        var epsilon = T.CreateTruncating(ProximalSettings.Epsilon);
        double strength = settings.Lambda * settings.LearningRate;
        var strengths = StrengthSpan;
        for (int i = 0; i < theta.Length; i += BlockLength)
        {
            int n = Math.Min(BlockLength, theta.Length - i);
            var step = scratch[..n];
            var other = slopes[..n];
            ratio.Gradient(mapped.Slice(i, n), strength, settings.Loss, step, strengths.IsEmpty ? default : strengths.Slice(i, n));
            SlopeOfMapped(theta.Slice(i, n), mapped.Slice(i, n), other);
            TensorPrimitives.Multiply(step, other, step);
            TensorPrimitives.Divide(moment.Slice(i, n), correction, other);
            TensorPrimitives.Sqrt(other, other);
            TensorPrimitives.Add(other, epsilon, other);
            TensorPrimitives.Divide(step, other, step);
            MoveStoppingAtZero(theta.Slice(i, n), step, zero);
        }
    }

    public override void Constrain()
    {
        var theta = ThetaSpan;
        var (lower, upper) = Mapping.Domain;
        if (double.IsFinite(lower))
        {
            TensorPrimitives.Max(theta, T.CreateTruncating(lower), theta);
            TensorPrimitives.Min(theta, T.CreateTruncating(upper), theta);
        }

        var support = SupportSpan;
        if (support.IsEmpty)
        {
            return;
        }

        var (largestNegative, smallestPositive) = SurvivorBounds();
        var negative = T.CreateTruncating(largestNegative);
        var positive = T.CreateTruncating(smallestPositive);
        for (int i = 0; i < theta.Length; i++)
        {
            theta[i] = support[i] switch
            {
                > 0 => T.Max(theta[i], positive),
                < 0 => T.Min(theta[i], negative),
                _ => theta[i],
            };
        }
    }

    public override void Dispose()
    {
        _direct?.Dispose();
        base.Dispose();
    }

    protected override void SaveDirect()
    {
        if (IsDirect)
        {
            _direct ??= Keep(empty_like(Theta, requires_grad: false));
            ThetaSpan.CopyTo(TensorMemory.Span<T>(_direct));
        }
    }

    // A gradient tensor to add to, made once; zero_grad keeps it.
    private static Tensor GradientOf(Parameter parameter)
    {
        if (parameter.grad is { } existing)
        {
            if (existing.is_contiguous())
            {
                return existing;
            }

            existing.Dispose();
            using var dense = parameter.grad!.contiguous();
            parameter.grad = dense;
            return parameter.grad!;
        }

        using var fresh = zeros_like(parameter, requires_grad: false);
        parameter.grad = fresh;
        return parameter.grad!;
    }

    private void AddLossGradient(SparsityRatio ratio, double lambda, LossOptions loss, Span<T> target)
    {
        Span<T> scratch = stackalloc T[BlockLength];
        Span<T> slopes = stackalloc T[BlockLength];
        ReadOnlySpan<T> theta = ThetaSpan;
        ReadOnlySpan<T> mapped = MappedSpan;
        var strengths = StrengthSpan;
        for (int i = 0; i < target.Length; i += BlockLength)
        {
            int n = Math.Min(BlockLength, target.Length - i);
            var gradient = scratch[..n];
            var slope = slopes[..n];
            ratio.Gradient(mapped.Slice(i, n), lambda, loss, gradient, strengths.IsEmpty ? default : strengths.Slice(i, n));
            SlopeOfMapped(theta.Slice(i, n), mapped.Slice(i, n), slope);
            TensorPrimitives.MultiplyAdd(gradient, slope, target.Slice(i, n), target.Slice(i, n));
        }
    }

    private void SlopeOfMapped(ReadOnlySpan<T> theta, ReadOnlySpan<T> mapped, Span<T> slope)
    {
        if (IsDirect)
        {
            slope.Fill(T.One / GainValue);
            return;
        }

        Mapping.Derivative(theta, mapped, slope);
    }

    private void Round(ReadOnlySpan<T> values, T step, Span<T> rounded)
    {
        int min = Quantization.MinSymbol;
        int max = Quantization.MaxSymbol;
        if (typeof(T) == typeof(float))
        {
            UniformQuantizer.Round(MemoryMarshal.Cast<T, float>(values), float.CreateTruncating(step), min, max, MemoryMarshal.Cast<T, float>(rounded));
        }
        else
        {
            UniformQuantizer.Round(MemoryMarshal.Cast<T, double>(values), double.CreateTruncating(step), min, max, MemoryMarshal.Cast<T, double>(rounded));
        }
    }

    private static bool SameBits(ReadOnlySpan<T> left, ReadOnlySpan<T> right) =>
        MemoryMarshal.AsBytes(left).SequenceEqual(MemoryMarshal.AsBytes(right));

    private static void ClearOutside(ReadOnlySpan<sbyte> support, Span<T> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (support[i] == 0)
            {
                values[i] = T.Zero;
            }
        }
    }

    private static void ClearWhereEqual(ReadOnlySpan<T> selector, T selected, Span<T> values)
    {
        int i = 0;
        for (; Vector<T>.IsSupported && i <= values.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            var equal = Vector.Equals(new Vector<T>(selector[i..]), new Vector<T>(selected));
            Vector.AndNot(new Vector<T>(values[i..]), equal).CopyTo(values[i..]);
        }

        for (; i < values.Length; i++)
        {
            values[i] = selector[i] == selected ? T.Zero : values[i];
        }
    }

    private static void ClearWhereZero(ReadOnlySpan<T> selector, Span<T> values)
    {
        int i = 0;
        for (; Vector<T>.IsSupported && i <= values.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            var zeros = Vector.Equals(new Vector<T>(selector[i..]), Vector<T>.Zero);
            Vector.AndNot(new Vector<T>(values[i..]), zeros).CopyTo(values[i..]);
        }

        for (; i < values.Length; i++)
        {
            values[i] = selector[i] == T.Zero ? T.Zero : values[i];
        }
    }

    // θ -= step, but a weight that would cross the zero point stops there. A NaN zero point (zero at a limit) never compares, so nothing stops.
    private static void MoveStoppingAtZero(Span<T> theta, ReadOnlySpan<T> step, T zero)
    {
        int i = 0;
        var vZero = new Vector<T>(zero);
        for (; Vector<T>.IsSupported && i <= theta.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            var before = new Vector<T>(theta[i..]);
            var after = before - new Vector<T>(step[i..]);
            var crossed = Vector.BitwiseOr(
                Vector.BitwiseAnd(Vector.GreaterThan(before, vZero), Vector.LessThan(after, vZero)),
                Vector.BitwiseAnd(Vector.LessThan(before, vZero), Vector.GreaterThan(after, vZero)));
            Vector.ConditionalSelect(crossed, vZero, after).CopyTo(theta[i..]);
        }

        for (; i < theta.Length; i++)
        {
            var after = theta[i] - step[i];
            bool crossed = (theta[i] > zero && after < zero) || (theta[i] < zero && after > zero);
            theta[i] = crossed ? zero : after;
        }
    }
}
