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
    // Half the noise's: what a pass reads and writes of float32, seven spans, then fits the first-level cache, and a span is one page.
    private const int BlockLength = 1024;

    // The gradient of the gain is summed over blocks of this length; another would change its last bits.
    private const int GainBlockLength = 2048;

    // θ of a direct weight while its parameter holds something else.
    private Tensor? _direct;

    // θ as the last Remap left it.
    private BlockChecksum _checksum;

    public SpanSessionWeight(string name, int index, Parameter parameter, InitializedWeights start, WeightMapping mapping, CompressionOptions options, double lossFactor)
        : base(name, index, parameter, start, mapping, options, lossFactor)
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
        var checksum = default(BlockChecksum);
        bool same = true;
        for (int i = 0; i < theta.Length; i += BlockLength)
        {
            int n = Math.Min(BlockLength, theta.Length - i);
            var block = scratch[..n];
            MapBlock(theta, i, block);
            checksum.Add<T>(theta.Slice(i, n));
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

        if (write)
        {
            _checksum = checksum;
        }

        return same;
    }

    // m of the block of θ that begins at an index.
    private void MapBlock(ReadOnlySpan<T> theta, int start, Span<T> mapped)
    {
        var raw = theta.Slice(start, mapped.Length);
        if (IsDirect)
        {
            TensorPrimitives.Divide(raw, GainValue, mapped);
        }
        else
        {
            Mapping.Map(raw, mapped);

            // Where the limits are not symmetric, m of the zero point is a roundoff away from zero; a zero weight is exactly zero.
            ClearWhereEqual(raw, T.CreateTruncating(ZeroPoint), mapped);
        }

        var support = SupportSpan;
        if (!support.IsEmpty)
        {
            ClearOutside(support.Slice(start, mapped.Length), mapped);
        }
    }

    protected override bool HoldsEffectiveWeights() => Holds(GainValue);

    private bool Holds(T gain) => BlockOperations.IsProduct<T>(MappedSpan, gain, ParameterSpan);

    public override void WriteEffectiveWeights()
    {
        if (!OwnsParameter)
        {
            TensorPrimitives.Multiply(MappedSpan, GainValue, ParameterSpan);
        }
        else if (Support is not null)
        {
            ClearOutside(SupportSpan, ParameterSpan);
        }
    }

    public override StepOpening Open(in StepSettings settings)
    {
        Span<T> first = stackalloc T[BlockLength];
        Span<T> second = stackalloc T[BlockLength];
        if (OwnsParameter)
        {
            _direct ??= Keep(empty_like(Theta, requires_grad: false));
        }

        var saved = OwnsParameter ? TensorMemory.Span<T>(_direct!) : default;
        var mapped = MappedSpan;
        var parameter = ParameterSpan;
        ReadOnlySpan<T> theta = ThetaSpan;
        var checksum = default(BlockChecksum);
        bool noisy = !IsAssigned && (settings.NoiseScale > 0 || settings.QuantizedForward > 0);
        for (int i = 0; i < mapped.Length; i += BlockLength)
        {
            int end = Math.Min(i + BlockLength, mapped.Length);
            int start = i + (noisy ? OpenFused(settings, i, theta[i..end], mapped[i..end], parameter[i..end], ref checksum) : 0);
            if (start == end)
            {
                continue;
            }

            ReadOnlySpan<T> m = mapped[start..end];
            var held = parameter[start..end];
            var scratch = first[..m.Length];
            if (OwnsParameter)
            {
                MapBlock(theta, start, scratch);
                if (!SameBits(scratch, m))
                {
                    RestoreFirst(start);
                    return StepOpening.RawChanged;
                }

                held.CopyTo(saved[start..]);
            }
            else
            {
                if (!BlockOperations.IsProduct(m, GainValue, held))
                {
                    RestoreFirst(start);
                    return StepOpening.ParameterChanged;
                }

                checksum.Add(theta[start..end]);
            }

            if (noisy)
            {
                try
                {
                    WriteNoisyBlock(settings, start, m, scratch, second[..m.Length], held);
                }
                catch (ArgumentException)
                {
                    // Not a number; the blocks so far are put back, the rest was not touched.
                    RestoreFirst(end);
                    throw;
                }
            }
        }

        if (!OwnsParameter && !IsAssigned && !checksum.Equals(_checksum))
        {
            RestoreFirst(mapped.Length);
            return StepOpening.RawChanged;
        }

        return StepOpening.Open;
    }

    // Check, checksum, rounding and noise in one pass where that is all there is to do; how many weights of the block it has done: fewer than can be where it found a change.
    private int OpenFused(in StepSettings settings, int start, ReadOnlySpan<T> theta, ReadOnlySpan<T> mapped, Span<T> parameter, ref BlockChecksum checksum)
    {
        if (typeof(T) != typeof(float) || !FusedPasses.CanOpen || OwnsParameter || Support is not null || settings.QuantizedForward is not (0 or 1))
        {
            return 0;
        }

        var noise = new NoiseSource(settings.Seed, settings.Draw, Index, settings.NoiseScale * Quantization.NoiseLevel);
        float gain = float.CreateTruncating(GainValue);
        return settings is { QuantizedForward: 0, Target: NoiseTarget.AllWeights }
            ? FusedPasses.Open(noise, start, gain, Single(theta), Single(mapped), Single(parameter), ref checksum)
            : FusedPasses.OpenRounded(
                noise,
                start,
                Quantization,
                rounds: settings.QuantizedForward == 1,
                targeted: settings.Target == NoiseTarget.NonZeroWeights,
                gain,
                Single(theta),
                Single(mapped),
                Single(parameter),
                ref checksum);
    }

    // g ((1 - t) m + t Q(m) + n), with the noise of the weights' own positions.
    private void WriteNoisyBlock(in StepSettings settings, int start, ReadOnlySpan<T> m, Span<T> blended, Span<T> rounded, Span<T> destination)
    {
        var value = m;
        var step = T.CreateTruncating(Quantization.StepSize);
        double amplitude = settings.NoiseScale * Quantization.NoiseLevel;
        if (settings.QuantizedForward > 0 || settings.Target == NoiseTarget.NonZeroWeights)
        {
            Round(m, step, rounded);
        }

        ReadOnlySpan<T> selector = settings.Target == NoiseTarget.NonZeroWeights ? rounded : default;
        if (settings.QuantizedForward == 1)
        {
            TensorPrimitives.Multiply(rounded, step, blended);
            value = blended;
        }
        else if (settings.QuantizedForward > 0)
        {
            // m + t (2a q - m).
            TensorPrimitives.Multiply(rounded, step, blended);
            TensorPrimitives.Subtract(blended, m, blended);
            TensorPrimitives.MultiplyAdd(blended, T.CreateTruncating(settings.QuantizedForward), m, blended);
            value = blended;
        }

        if (amplitude > 0)
        {
            UniformNoise.Add(new NoiseSource(settings.Seed, settings.Draw, Index, amplitude), start, value, selector, GainValue, destination);
        }
        else
        {
            TensorPrimitives.Multiply(value, GainValue, destination);
        }

        var support = SupportSpan;
        if (!support.IsEmpty)
        {
            ClearOutside(support.Slice(start, value.Length), destination);
        }
    }

    public override void Close(LossStrengths? loss, bool lossFirst)
    {
        using var gradient = DenseGradient();
        bool hasLoss = loss is not null && !IsAssigned;
        if (hasLoss)
        {
            PrepareTerm(loss!.Value);
        }

        // θ of a weight that owns its parameter has its gradient where it belongs.
        if (OwnsParameter || gradient is null)
        {
            Restore();
            if (hasLoss)
            {
                using var own = GradientOf(Theta);
                AddLossGradient(TensorMemory.Span<T>(own));
            }

            return;
        }

        using var contiguous = gradient.contiguous();
        using var thetaGradient = IsAssigned ? null : GradientOf(Theta);
        CollectAndRestore(TensorMemory.Span<T>(contiguous), thetaGradient is null ? default : TensorMemory.Span<T>(thetaGradient), hasLoss, lossFirst);
        Parameter.grad = null;
    }

    private void CollectAndRestore(ReadOnlySpan<T> received, Span<T> collected, bool loss, bool lossFirst)
    {
        ReadOnlySpan<T> mapped = MappedSpan;
        var parameter = ParameterSpan;
        var strengths = StrengthSpan;
        var single = loss && strengths.IsEmpty ? Term.Single : null;
        Span<T> terms = stackalloc T[BlockLength];
        double gainGradient = 0;
        for (int i = 0; i < received.Length; i += BlockLength)
        {
            int n = Math.Min(BlockLength, received.Length - i);
            var m = mapped.Slice(i, n);
            var held = parameter.Slice(i, n);
            if (LogGain is not null && i % GainBlockLength == 0)
            {
                // w = exp(log g) u, so dw/d log g = w, noise included; before any of it is written over.
                int length = Math.Min(GainBlockLength, received.Length - i);
                gainGradient += double.CreateTruncating(TensorPrimitives.Dot(received.Slice(i, length), parameter.Slice(i, length)));
            }

            if (IsAssigned)
            {
                TensorPrimitives.Multiply(m, GainValue, held);
                continue;
            }

            var stored = single is null && loss ? terms[..n] : default;
            if (!stored.IsEmpty)
            {
                Term.Gradient(m, strengths.IsEmpty ? default : strengths.Slice(i, n), i, stored);
            }

            int done = CollectFused(i, received.Slice(i, n), single, stored, lossFirst, collected.Slice(i, n), held);
            if (done == n)
            {
                continue;
            }

            var term = loss ? terms[done..n] : default;
            if (loss)
            {
                Term.Gradient(m[done..], strengths.IsEmpty ? default : strengths.Slice(i + done, n - done), i + done, term);
            }

            CollectBlock(i + done, received.Slice(i, n)[done..], term, lossFirst, collected.Slice(i, n)[done..], held[done..]);
        }

        if (LogGain is not null)
        {
            using var logGainGradient = GradientOf(LogGain);
            TensorMemory.Span<T>(logGainGradient)[0] += T.CreateTruncating(gainGradient);
        }
    }

    // What CollectBlock does, in one pass where there is one for the mapping; how many weights it has done. The term is one pair or two for all weights, or stored, or there is none.
    private int CollectFused(int start, ReadOnlySpan<T> received, GradientCoefficients? single, ReadOnlySpan<T> stored, bool termFirst, Span<T> collected, Span<T> parameter)
    {
        return typeof(T) != typeof(float) || IsDirect ? 0
            : Mapping switch
            {
                TanhMapping tanh => WithTerm(tanh.Vectors, received, stored, collected, parameter),
                ClampMapping { Vectors: { } clamp } => WithTerm(clamp, received, stored, collected, parameter),
                _ => 0,
            };

        int WithTerm<TMapping>(TMapping mapping, ReadOnlySpan<T> received, ReadOnlySpan<T> stored, Span<T> collected, Span<T> parameter)
            where TMapping : struct, IVectorMapping =>
            single switch
            {
                { IsOnePair: true } pair => Run(mapping, new OnePairTerm(pair), received, stored, collected, parameter),
                { } pairs => Run(mapping, new TwoPairTerm(pairs), received, stored, collected, parameter),
                null when stored.IsEmpty => Run(mapping, default(NoTerm), received, stored, collected, parameter),
                null => Run(mapping, default(StoredTerm), received, stored, collected, parameter),
            };

        int Run<TMapping, TTerm>(TMapping mapping, TTerm term, ReadOnlySpan<T> received, ReadOnlySpan<T> stored, Span<T> collected, Span<T> parameter)
            where TMapping : struct, IVectorMapping
            where TTerm : struct, ITermVectors
        {
            var support = SupportSpan;
            return FusedPasses.Collect(
                mapping,
                term,
                (float)ZeroPoint,
                float.CreateTruncating(GainValue),
                Single(ThetaSpan.Slice(start, received.Length)),
                Single(MappedSpan.Slice(start, received.Length)),
                Single(received),
                support.IsEmpty ? support : support.Slice(start, received.Length),
                Single(stored),
                termFirst,
                Single(collected),
                Single(parameter));
        }
    }

    // The definition: gradients by the chain rule, and the parameter back to g · m(θ).
    private void CollectBlock(int start, ReadOnlySpan<T> received, ReadOnlySpan<T> term, bool termFirst, Span<T> collected, Span<T> parameter)
    {
        int n = received.Length;
        if (n == 0)
        {
            return;
        }

        Span<T> slopes = stackalloc T[BlockLength];
        Span<T> tasks = stackalloc T[BlockLength];
        var slope = slopes[..n];
        var task = tasks[..n];
        ReadOnlySpan<T> mapped = MappedSpan.Slice(start, n);
        TensorPrimitives.Multiply(mapped, GainValue, parameter);
        Mapping.Derivative(ThetaSpan.Slice(start, n), mapped, slope);
        TensorPrimitives.Multiply(received, GainValue, task);
        var support = SupportSpan;
        if (!support.IsEmpty)
        {
            ClearOutside(support.Slice(start, n), task);
        }

        if (!term.IsEmpty && termFirst)
        {
            TensorPrimitives.MultiplyAdd(term, slope, collected, collected);
        }

        TensorPrimitives.MultiplyAdd(task, slope, collected, collected);
        if (!term.IsEmpty && !termFirst)
        {
            TensorPrimitives.MultiplyAdd(term, slope, collected, collected);
        }
    }

    public override void Restore() => RestoreFirst((int)Length);

    private void RestoreFirst(int count)
    {
        if (!OwnsParameter)
        {
            TensorPrimitives.Multiply(MappedSpan[..count], GainValue, ParameterSpan);
        }
        else if (_direct is not null)
        {
            TensorMemory.Span<T>(_direct)[..count].CopyTo(ParameterSpan);
        }
    }

    protected override void Measure(bool equalizer) => Term.Measure<T>(MappedSpan, StrengthSpan, equalizer);

    protected override Tensor PreparedLossGradient()
    {
        var gradient = zeros_like(Theta, requires_grad: false);
        AddLossGradient(TensorMemory.Span<T>(gradient));
        return gradient;
    }

    public override void ReadGain()
    {
        if (LogGain is not null)
        {
            SetLogGain(double.CreateTruncating(TensorMemory.Span<T>(LogGain)[0]));
        }
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
        var decay = T.CreateTruncating(ProximalSettings.Beta2);
        var gain = T.CreateTruncating(1 - ProximalSettings.Beta2);
        ref T received = ref MemoryMarshal.GetReference(g[..v.Length]);
        ref T mean = ref MemoryMarshal.GetReference(v);
        int i = 0;
        for (; Vector<T>.IsSupported && i <= v.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            var each = Vector.LoadUnsafe(ref received, (nuint)i);
            ((Vector.LoadUnsafe(ref mean, (nuint)i) * decay) + (each * each * gain)).StoreUnsafe(ref mean, (nuint)i);
        }

        for (; i < v.Length; i++)
        {
            v[i] = (v[i] * decay) + (g[i] * g[i] * gain);
        }
    }

    public override bool Follow(ProximalSettings? proximal)
    {
        var gainBefore = GainValue;
        ReadGain();
        var gain = GainValue;
        var theta = ThetaSpan;
        var mapped = MappedSpan;
        bool untouched = true;
        bool moves = !IsAssigned && proximal is { Strengths.Any: true } && Moment is not null;
        bool measures = IsMeasured && Term.IsWhole && Strength is null;
        if (IsAssigned)
        {
            untouched = Holds(gainBefore);
            WriteEffectiveWeights();
            return untouched;
        }

        if (moves)
        {
            untouched = RemapAndCheck(gainBefore, gain);
            PrepareTerm(proximal!.Value.Strengths * proximal.Value.LearningRate);
        }

        var checksum = default(BlockChecksum);
        var measure = default(SparsityRatio);
        for (int i = 0; i < theta.Length; i += BlockLength)
        {
            int n = Math.Min(BlockLength, theta.Length - i);
            var raw = theta.Slice(i, n);
            var m = mapped.Slice(i, n);
            if (moves)
            {
                ProximalBlock(proximal!.Value.BiasCorrection, i, m, raw);
            }

            int done = FollowFused(i, n, gainBefore, gain, constrains: Mapping.Kind == MappingKind.Clamp, checks: !moves, ref checksum, ref untouched);
            FollowBlock(i + done, n - done, gainBefore, gain, checks: !moves, ref checksum, ref untouched);

            if (measures)
            {
                measure += MeasureOfBlocks(i, i + n);
            }
        }

        _checksum = checksum;
        MappedChanged();
        if (measures)
        {
            TakeMeasure(measure);
        }

        return untouched;
    }

    // What the term measures of m(θ), taken while it still is in cache: at the last of the blocks that it sums at a time.
    private SparsityRatio MeasureOfBlocks(int start, int end) =>
        end % SparsityRatio.SumBlock != 0 && end != Length ? default : SparsityRatio.OfBlock<T>(MappedSpan[(start / SparsityRatio.SumBlock * SparsityRatio.SumBlock)..end]);

    // Mapped becomes m(θ) as the optimizer left θ. Did the parameter hold what the session had written?
    private bool RemapAndCheck(T gainBefore, T gain)
    {
        bool untouched = true;
        bool measures = Term.IsWhole && Strength is null;
        var measure = default(SparsityRatio);
        var ignored = default(BlockChecksum);
        ReadOnlySpan<T> theta = ThetaSpan;
        for (int i = 0; i < theta.Length; i += BlockLength)
        {
            int end = Math.Min(i + BlockLength, theta.Length);
            int start = i + FollowFused(i, end - i, gainBefore, gain, constrains: false, checks: true, ref ignored, ref untouched);
            untouched &= OwnsParameter || BlockOperations.IsProduct<T>(MappedSpan[start..end], gainBefore, ParameterSpan[start..end]);
            MapBlock(theta, start, MappedSpan[start..end]);
            if (measures)
            {
                measure += MeasureOfBlocks(i, end);
            }
        }

        MappedChanged();
        if (measures)
        {
            TakeMeasure(measure);
        }

        return untouched;
    }

    // What FollowBlock does, in one pass where there is one for the mapping; how many weights it has done.
    private int FollowFused(int start, int count, T gainBefore, T gain, bool constrains, bool checks, ref BlockChecksum checksum, ref bool untouched)
    {
        return typeof(T) != typeof(float) || IsDirect || Support is not null ? 0
            : Mapping switch
            {
                TanhMapping tanh => Run(tanh.Vectors, ref checksum, ref untouched),
                ClampMapping { Vectors: { } clamp } => Run(clamp, ref checksum, ref untouched),
                _ => 0,
            };

        int Run<TMapping>(TMapping mapping, ref BlockChecksum checksum, ref bool untouched)
            where TMapping : struct, IVectorMapping
        {
            bool same = true;
            int done = FusedPasses.Follow(
                mapping,
                constrains,
                (float)ZeroPoint,
                float.CreateTruncating(gainBefore),
                float.CreateTruncating(gain),
                Single(ThetaSpan.Slice(start, count)),
                Single(MappedSpan.Slice(start, count)),
                Single(ParameterSpan.Slice(start, count)),
                ref checksum,
                ref same);
            untouched &= same || !checks;
            return done;
        }
    }

    // The definition: the domain of θ, m(θ), and the parameter, if it held what it should.
    private void FollowBlock(int start, int count, T gainBefore, T gain, bool checks, ref BlockChecksum checksum, ref bool untouched)
    {
        if (count == 0)
        {
            return;
        }

        var raw = ThetaSpan.Slice(start, count);
        var m = MappedSpan.Slice(start, count);
        var parameter = ParameterSpan.Slice(start, count);
        if (checks && !OwnsParameter)
        {
            // What is about to be overwritten is at hand: was it what the session wrote?
            untouched &= BlockOperations.IsProduct<T>(m, gainBefore, parameter);
        }

        ConstrainBlock(start, raw);
        checksum.Add<T>(raw);
        MapBlock(ThetaSpan, start, m);
        if (!OwnsParameter)
        {
            TensorPrimitives.Multiply(m, gain, parameter);
        }
        else if (Support is not null)
        {
            ClearOutside(SupportSpan.Slice(start, count), raw);
        }
    }

    // θ -= prepared gradient / (√(v / correction) + ε), stopping at zero.
    private void ProximalBlock(double biasCorrection, int start, ReadOnlySpan<T> mapped, Span<T> theta)
    {
        Span<T> scratch = stackalloc T[BlockLength];
        Span<T> slopes = stackalloc T[BlockLength];
        var strengths = StrengthSpan;
        ReadOnlySpan<T> moment = TensorMemory.Span<T>(Moment!).Slice(start, theta.Length);
        var single = strengths.IsEmpty ? Term.Single : null;
        var stored = single is null ? scratch[..theta.Length] : default;
        if (!stored.IsEmpty)
        {
            Term.Gradient(mapped, strengths.IsEmpty ? default : strengths.Slice(start, theta.Length), start, stored);
        }

        int done = MoveFused(biasCorrection, single, mapped, moment, stored, theta);
        if (done == theta.Length)
        {
            return;
        }

        // The definition.
        var step = scratch[done..theta.Length];
        var other = slopes[done..theta.Length];
        Term.Gradient(mapped[done..], strengths.IsEmpty ? default : strengths.Slice(start + done, step.Length), start + done, step);
        SlopeOfMapped(theta[done..], mapped[done..], other);
        TensorPrimitives.Multiply(step, other, step);
        TensorPrimitives.Divide(moment[done..], T.CreateTruncating(biasCorrection), other);
        TensorPrimitives.Sqrt(other, other);
        TensorPrimitives.Add(other, T.CreateTruncating(ProximalSettings.Epsilon), other);
        TensorPrimitives.Divide(step, other, step);
        MoveStoppingAtZero(theta[done..], step, T.CreateTruncating(ZeroPoint));
    }

    // The same in one pass where there is one for the mapping; how many weights it has done.
    private int MoveFused(double biasCorrection, GradientCoefficients? single, ReadOnlySpan<T> mapped, ReadOnlySpan<T> moment, ReadOnlySpan<T> stored, Span<T> theta)
    {
        return typeof(T) != typeof(float) || IsDirect ? 0
            : Mapping switch
            {
                TanhMapping tanh => WithTerm(tanh.Vectors, mapped, moment, stored, theta),
                ClampMapping { Vectors: { } clamp } => WithTerm(clamp, mapped, moment, stored, theta),
                _ => 0,
            };

        int WithTerm<TMapping>(TMapping mapping, ReadOnlySpan<T> mapped, ReadOnlySpan<T> moment, ReadOnlySpan<T> stored, Span<T> theta)
            where TMapping : struct, IVectorMapping =>
            single switch
            {
                { IsOnePair: true } pair => Run(mapping, new OnePairTerm(pair), mapped, moment, stored, theta),
                { } pairs => Run(mapping, new TwoPairTerm(pairs), mapped, moment, stored, theta),
                null => Run(mapping, default(StoredTerm), mapped, moment, stored, theta),
            };

        int Run<TMapping, TTerm>(TMapping mapping, TTerm term, ReadOnlySpan<T> mapped, ReadOnlySpan<T> moment, ReadOnlySpan<T> stored, Span<T> theta)
            where TMapping : struct, IVectorMapping
            where TTerm : struct, ITermVectors =>
            FusedPasses.Move(mapping, term, biasCorrection, (float)ZeroPoint, Single(mapped), Single(moment), Single(stored), Single(theta));
    }

    protected override void Constrain()
    {
        var theta = ThetaSpan;
        for (int i = 0; i < theta.Length; i += BlockLength)
        {
            ConstrainBlock(i, theta.Slice(i, Math.Min(BlockLength, theta.Length - i)));
        }
    }

    private void ConstrainBlock(int start, Span<T> theta)
    {
        var (lower, upper) = Mapping.Domain;
        if (double.IsFinite(lower))
        {
            TensorPrimitives.Max(theta, T.CreateTruncating(lower), theta);
            TensorPrimitives.Min(theta, T.CreateTruncating(upper), theta);
        }

        if (Support is null)
        {
            return;
        }

        var support = SupportSpan.Slice(start, theta.Length);
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
        _direct ??= Keep(empty_like(Theta, requires_grad: false));
        ThetaSpan.CopyTo(TensorMemory.Span<T>(_direct));
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

    // Adds the prepared gradient of the term, by the chain rule.
    private void AddLossGradient(Span<T> target)
    {
        if (IsDirect)
        {
            Term.AddGradient(MappedSpan, StrengthSpan, T.One / GainValue, target);
            return;
        }

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
            Term.Gradient(mapped.Slice(i, n), strengths.IsEmpty ? default : strengths.Slice(i, n), i, gradient);
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

    // The same memory where T is float.
    private static ReadOnlySpan<float> Single(ReadOnlySpan<T> values) => MemoryMarshal.Cast<T, float>(values);

    private static Span<float> Single(Span<T> values) => MemoryMarshal.Cast<T, float>(values);

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
