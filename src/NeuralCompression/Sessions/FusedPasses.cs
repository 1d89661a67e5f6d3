using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using NeuralCompression.Vectors;

namespace NeuralCompression.Sessions;

/// <summary>What <see cref="SpanSessionWeight{T}"/> does to a block after the optimizer and after backward, in one pass over float32 with nothing in between stored. Its own passes, one operation after the other, are the definition.</summary>
/// <remarks>Every method handles as many weights as fill whole vectors and returns their number; products and sums are rounded one by one, as there.</remarks>
internal static class FusedPasses
{
    // How far ahead memory is asked for, in weights: the processor's own prefetcher stops at the end of a page, which 1,024 of them fill.
    private const int Ahead = 512;

    // What the gain's gradient reads before the pass over the same weights, two of its blocks ahead.
    private const int FarAhead = 2048;

    /// <summary>Whether <c>Open</c> and <c>OpenRounded</c> may be used.</summary>
    public static bool CanOpen => Avx2.IsSupported;

    /// <summary>Checks what stands there and writes g · (m(θ) + noise). Stops where it finds something else, and leaves what follows as it was.</summary>
    /// <param name="source">Which noise.</param>
    /// <param name="start">Index of the first weight within the tensor; a multiple of <see cref="Philox.BlockLength"/>.</param>
    /// <param name="gain">The gain.</param>
    /// <param name="theta">θ.</param>
    /// <param name="mapped">m(θ).</param>
    /// <param name="parameter">Should hold g · m(θ); receives the noisy weights.</param>
    /// <param name="checksum">θ is added to it.</param>
    public static int Open(
        in NoiseSource source, long start, float gain, ReadOnlySpan<float> theta, ReadOnlySpan<float> mapped, Span<float> parameter, ref BlockChecksum checksum)
    {
        int done = Vector512.IsHardwareAccelerated && Avx512F.IsSupported ? Open<FloatVector512>(source, start, gain, theta, mapped, parameter, ref checksum) : 0;
        return done + Open<FloatVector256>(source, start + done, gain, theta[done..], mapped[done..], parameter[done..], ref checksum);
    }

    private static unsafe int Open<TVector>(
        in NoiseSource source, long start, float gain, ReadOnlySpan<float> theta, ReadOnlySpan<float> mapped, Span<float> parameter, ref BlockChecksum checksum)
        where TVector : struct, IFloatVector<TVector>
    {
        int count = TVector.Count;
        int length = mapped.Length - (mapped.Length % (4 * count));
        ref float raw = ref MemoryMarshal.GetReference(theta[..length]);
        ref float m = ref MemoryMarshal.GetReference(mapped);
        ref float held = ref MemoryMarshal.GetReference(parameter[..length]);
        ulong* keys = stackalloc ulong[Philox.KeyCount];
        Philox.ExpandKeys(source.Seed, keys);
        ulong block = UniformNoise.FirstBlock(source.Tensor, start);
        ulong draw = source.Draw;
        var scale = TVector.Create((float)UniformNoise.Scale(source.Amplitude));
        var factor = TVector.Create(gain);
        var sums = checksum;
        int i = 0;
        for (; i < length; i += 4 * count)
        {
            nuint at = (nuint)i;
            var (at1, at2, at3) = (at + (nuint)count, at + (nuint)(2 * count), at + (nuint)(3 * count));
            var different = Different(TVector.Load(ref m, at) * factor, ref held, at)
                | Different(TVector.Load(ref m, at1) * factor, ref held, at1)
                | Different(TVector.Load(ref m, at2) * factor, ref held, at2)
                | Different(TVector.Load(ref m, at3) * factor, ref held, at3);
            if (different.AnyBit)
            {
                break;
            }

            for (nuint line = 0; line < (nuint)(4 * count); line += 16)
            {
                Prefetch(ref m, at + line + Ahead);
                Prefetch(ref held, at + line + Ahead);
                Prefetch(ref raw, at + line + Ahead);
            }

            TVector.Load(ref raw, at).AddTo(ref sums);
            TVector.Load(ref raw, at1).AddTo(ref sums);
            TVector.Load(ref raw, at2).AddTo(ref sums);
            TVector.Load(ref raw, at3).AddTo(ref sums);
            TVector.Noise(keys, draw, block + (ulong)(i / Philox.BlockLength), scale, out var n0, out var n1, out var n2, out var n3);
            ((TVector.Load(ref m, at) + n0) * factor).Store(ref held, at);
            ((TVector.Load(ref m, at1) + n1) * factor).Store(ref held, at1);
            ((TVector.Load(ref m, at2) + n2) * factor).Store(ref held, at2);
            ((TVector.Load(ref m, at3) + n3) * factor).Store(ref held, at3);
        }

        checksum = sums;
        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Different<TVector>(TVector values, ref float held, nuint at)
        where TVector : struct, IFloatVector<TVector> => values ^ TVector.Load(ref held, at);

    /// <summary>The same with levels in place of weights, with noise on the non-zero ones only, or both. Stops before a NaN too.</summary>
    /// <param name="source">Which noise.</param>
    /// <param name="start">Index of the first weight within the tensor; a multiple of <see cref="Philox.BlockLength"/>.</param>
    /// <param name="levels">The grid of m(θ).</param>
    /// <param name="rounds">Whether levels take the place of weights.</param>
    /// <param name="targeted">Whether weights at level zero have no noise.</param>
    /// <param name="gain">The gain.</param>
    /// <param name="theta">θ.</param>
    /// <param name="mapped">m(θ).</param>
    /// <param name="parameter">Should hold g · m(θ); receives the noisy weights.</param>
    /// <param name="checksum">θ is added to it.</param>
    public static int OpenRounded(
        in NoiseSource source,
        long start,
        QuantizationOptions levels,
        bool rounds,
        bool targeted,
        float gain,
        ReadOnlySpan<float> theta,
        ReadOnlySpan<float> mapped,
        Span<float> parameter,
        ref BlockChecksum checksum)
    {
        int done = Vector512.IsHardwareAccelerated && Avx512F.IsSupported
            ? OpenRounded<FloatVector512>(source, start, levels, rounds, targeted, gain, theta, mapped, parameter, ref checksum)
            : 0;
        return done + OpenRounded<FloatVector256>(source, start + done, levels, rounds, targeted, gain, theta[done..], mapped[done..], parameter[done..], ref checksum);
    }

    private static unsafe int OpenRounded<TVector>(
        in NoiseSource source,
        long start,
        QuantizationOptions levels,
        bool rounds,
        bool targeted,
        float gain,
        ReadOnlySpan<float> theta,
        ReadOnlySpan<float> mapped,
        Span<float> parameter,
        ref BlockChecksum checksum)
        where TVector : struct, IFloatVector<TVector>
    {
        int count = TVector.Count;
        int length = mapped.Length - (mapped.Length % (4 * count));
        ref float raw = ref MemoryMarshal.GetReference(theta[..length]);
        ref float m = ref MemoryMarshal.GetReference(mapped);
        ref float held = ref MemoryMarshal.GetReference(parameter[..length]);
        ulong* keys = stackalloc ulong[Philox.KeyCount];
        Philox.ExpandKeys(source.Seed, keys);
        ulong block = UniformNoise.FirstBlock(source.Tensor, start);
        ulong draw = source.Draw;
        bool noisy = source.Amplitude > 0;
        var scale = TVector.Create((float)UniformNoise.Scale(source.Amplitude));
        var factor = TVector.Create(gain);
        var step = TVector.Create((float)levels.StepSize);
        var min = TVector.Create(levels.MinSymbol);
        var max = TVector.Create(levels.MaxSymbol);
        var none = TVector.Create(0);
        var sums = checksum;
        int i = 0;
        for (; i < length; i += 4 * count)
        {
            nuint at = (nuint)i;
            var (at1, at2, at3) = (at + (nuint)count, at + (nuint)(2 * count), at + (nuint)(3 * count));
            var m0 = TVector.Load(ref m, at);
            var m1 = TVector.Load(ref m, at1);
            var m2 = TVector.Load(ref m, at2);
            var m3 = TVector.Load(ref m, at3);
            var different = Different(m0 * factor, ref held, at) | Different(m1 * factor, ref held, at1) | Different(m2 * factor, ref held, at2) | Different(m3 * factor, ref held, at3);
            var numbers = TVector.AreEqual(m0, m0) & TVector.AreEqual(m1, m1) & TVector.AreEqual(m2, m2) & TVector.AreEqual(m3, m3);
            if ((different | TVector.Clear(TVector.AreEqual(none, none), numbers)).AnyBit)
            {
                break;
            }

            for (nuint line = 0; line < (nuint)(4 * count); line += 16)
            {
                Prefetch(ref m, at + line + Ahead);
                Prefetch(ref held, at + line + Ahead);
                Prefetch(ref raw, at + line + Ahead);
            }

            TVector.Load(ref raw, at).AddTo(ref sums);
            TVector.Load(ref raw, at1).AddTo(ref sums);
            TVector.Load(ref raw, at2).AddTo(ref sums);
            TVector.Load(ref raw, at3).AddTo(ref sums);
            var l0 = Level(m0, step, min, max);
            var l1 = Level(m1, step, min, max);
            var l2 = Level(m2, step, min, max);
            var l3 = Level(m3, step, min, max);
            var (n0, n1, n2, n3) = (none, none, none, none);

            // Where no weight of a step has noise none is drawn: after some training that is many of them.
            if (noisy && (!targeted || (l0 | l1 | l2 | l3).AnyBit))
            {
                TVector.Noise(keys, draw, block + (ulong)(i / Philox.BlockLength), scale, out n0, out n1, out n2, out n3);
                if (targeted)
                {
                    n0 = TVector.Clear(n0, TVector.AreEqual(l0, none));
                    n1 = TVector.Clear(n1, TVector.AreEqual(l1, none));
                    n2 = TVector.Clear(n2, TVector.AreEqual(l2, none));
                    n3 = TVector.Clear(n3, TVector.AreEqual(l3, none));
                }
            }

            if (rounds)
            {
                (m0, m1, m2, m3) = (l0 * step, l1 * step, l2 * step, l3 * step);
            }

            ((m0 + n0) * factor).Store(ref held, at);
            ((m1 + n1) * factor).Store(ref held, at1);
            ((m2 + n2) * factor).Store(ref held, at2);
            ((m3 + n3) * factor).Store(ref held, at3);
        }

        checksum = sums;
        return i;
    }

    // UniformQuantizer's rule, for what is a number; its zeros are all +0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Level<TVector>(TVector value, TVector step, TVector min, TVector max)
        where TVector : struct, IFloatVector<TVector>
    {
        var zero = TVector.Create(0);
        var level = TVector.Ceiling(TVector.Abs(value / step) - TVector.Create(0.5f));
        level = TVector.Select(TVector.AreLess(value, zero), level ^ TVector.Create(-0f), level);
        return TVector.MinNative(TVector.MaxNative(level, min), max) + zero;
    }

    /// <summary>Constrains θ, maps it, and writes m(θ) and g · m(θ), if the parameter held what it should.</summary>
    /// <param name="mapping">The mapping.</param>
    /// <param name="constrains">Whether θ itself is kept within the mapping's range: <see cref="ClampMapping"/>.</param>
    /// <param name="zeroPoint">θ of a zero weight.</param>
    /// <param name="gainBefore">The gain the parameter was written with.</param>
    /// <param name="gain">The gain now.</param>
    /// <param name="theta">θ.</param>
    /// <param name="mapped">m of θ before the optimizer's step; receives m(θ).</param>
    /// <param name="parameter">Should hold the gain before times <paramref name="mapped"/>; receives g · m(θ).</param>
    /// <param name="checksum">θ is added to it.</param>
    /// <param name="untouched">Becomes false if it did not.</param>
    public static int Follow<TMapping>(
        TMapping mapping, bool constrains, float zeroPoint, float gainBefore, float gain, Span<float> theta, Span<float> mapped, Span<float> parameter, ref BlockChecksum checksum, ref bool untouched)
        where TMapping : struct, IVectorMapping
    {
        int done = Vector512.IsHardwareAccelerated
            ? Follow<FloatVector512, TMapping>(mapping, constrains, zeroPoint, gainBefore, gain, theta, mapped, parameter, ref checksum, ref untouched)
            : 0;
        return done + Follow<FloatVector256, TMapping>(mapping, constrains, zeroPoint, gainBefore, gain, theta[done..], mapped[done..], parameter[done..], ref checksum, ref untouched);
    }

    private static int Follow<TVector, TMapping>(
        TMapping mapping, bool constrains, float zeroPoint, float gainBefore, float gain, Span<float> theta, Span<float> mapped, Span<float> parameter, ref BlockChecksum checksum, ref bool untouched)
        where TVector : struct, IFloatVector<TVector>
        where TMapping : struct, IVectorMapping
    {
        int length = theta.Length - (theta.Length % TVector.Count);
        ref float raw = ref MemoryMarshal.GetReference(theta);
        ref float m = ref MemoryMarshal.GetReference(mapped[..length]);
        ref float held = ref MemoryMarshal.GetReference(parameter[..length]);
        var different = TVector.Create(0);
        var zero = TVector.Create(zeroPoint);
        var factorBefore = TVector.Create(gainBefore);
        var factor = TVector.Create(gain);
        var sums = checksum;
        for (nuint i = 0; i < (nuint)length; i += (nuint)TVector.Count)
        {
            Prefetch(ref raw, i + Ahead);
            Prefetch(ref m, i + Ahead);
            Prefetch(ref held, i + Ahead);
            different |= (TVector.Load(ref m, i) * factorBefore) ^ TVector.Load(ref held, i);
            var value = TVector.Load(ref raw, i);
            var image = mapping.Map(value);
            if (constrains)
            {
                value = image;
                value.Store(ref raw, i);
            }

            value.AddTo(ref sums);
            image = TVector.Clear(image, TVector.AreEqual(value, zero));
            image.Store(ref m, i);
            (image * factor).Store(ref held, i);
        }

        checksum = sums;
        untouched &= !different.AnyBit;
        return length;
    }

    /// <summary>The proximal step: θ -= term · m′ / (√(v / correction) + ε), but a weight that would cross the zero point stops there.</summary>
    /// <param name="mapping">The mapping.</param>
    /// <param name="compression">The gradient of the compression term by m, times the learning rate.</param>
    /// <param name="correction">Of the bias of the running mean.</param>
    /// <param name="zeroPoint">θ of a zero weight.</param>
    /// <param name="mapped">m(θ).</param>
    /// <param name="moment">Running mean v of the squared task gradients.</param>
    /// <param name="term">What <see cref="StoredTerm"/> reads; else empty.</param>
    /// <param name="theta">θ.</param>
    public static int Move<TMapping, TTerm>(
        TMapping mapping, TTerm compression, double correction, float zeroPoint, ReadOnlySpan<float> mapped, ReadOnlySpan<float> moment, ReadOnlySpan<float> term, Span<float> theta)
        where TMapping : struct, IVectorMapping
        where TTerm : struct, ITermVectors
    {
        int done = Vector512.IsHardwareAccelerated ? Move<FloatVector512, TMapping, TTerm>(mapping, compression, correction, zeroPoint, mapped, moment, term, theta) : 0;
        return done + Move<FloatVector256, TMapping, TTerm>(
            mapping, compression, correction, zeroPoint, mapped[done..], moment[done..], term.IsEmpty ? term : term[done..], theta[done..]);
    }

    private static int Move<TVector, TMapping, TTerm>(
        TMapping mapping, TTerm compression, double correction, float zeroPoint, ReadOnlySpan<float> mapped, ReadOnlySpan<float> moment, ReadOnlySpan<float> term, Span<float> theta)
        where TVector : struct, IFloatVector<TVector>
        where TMapping : struct, IVectorMapping
        where TTerm : struct, ITermVectors
    {
        int length = theta.Length - (theta.Length % TVector.Count);
        ref float m = ref MemoryMarshal.GetReference(mapped[..length]);
        ref float mean = ref MemoryMarshal.GetReference(moment[..length]);
        ref float stored = ref MemoryMarshal.GetReference(typeof(TTerm) == typeof(StoredTerm) ? term[..length] : term);
        ref float raw = ref MemoryMarshal.GetReference(theta);
        var divisor = TVector.Create((float)correction);
        var epsilon = TVector.Create((float)ProximalSettings.Epsilon);
        var zero = TVector.Create(zeroPoint);
        for (nuint i = 0; i < (nuint)length; i += (nuint)TVector.Count)
        {
            Prefetch(ref m, i + Ahead);
            Prefetch(ref mean, i + Ahead);
            Prefetch(ref raw, i + Ahead);
            var before = TVector.Load(ref raw, i);
            var image = TVector.Load(ref m, i);
            var step = compression.Gradient(image, ref stored, i) * mapping.Slope(before, image);
            var after = before - (step / (TVector.Sqrt(TVector.Load(ref mean, i) / divisor) + epsilon));
            var crossed = (TVector.AreLess(zero, before) & TVector.AreLess(after, zero)) | (TVector.AreLess(before, zero) & TVector.AreLess(zero, after));
            TVector.Select(crossed, zero, after).Store(ref raw, i);
        }

        return length;
    }

    /// <summary>Adds the chain-ruled gradients of task and compression term to that of θ, and writes g · m(θ) back.</summary>
    /// <param name="mapping">The mapping.</param>
    /// <param name="compression">The gradient of the compression term by m.</param>
    /// <param name="zeroPoint">θ of a zero weight.</param>
    /// <param name="gain">The gain.</param>
    /// <param name="theta">θ.</param>
    /// <param name="mapped">m(θ).</param>
    /// <param name="received">The parameter's gradient.</param>
    /// <param name="support">Zero where m(θ) is zero and the task's gradient does not count; empty where all does.</param>
    /// <param name="term">What <see cref="StoredTerm"/> reads; else empty.</param>
    /// <param name="termFirst">Whether the term is added before the task's.</param>
    /// <param name="collected">The gradient of θ.</param>
    /// <param name="parameter">Receives g · m(θ).</param>
    public static int Collect<TMapping, TTerm>(
        TMapping mapping,
        TTerm compression,
        float zeroPoint,
        float gain,
        ReadOnlySpan<float> theta,
        ReadOnlySpan<float> mapped,
        ReadOnlySpan<float> received,
        ReadOnlySpan<sbyte> support,
        ReadOnlySpan<float> term,
        bool termFirst,
        Span<float> collected,
        Span<float> parameter)
        where TMapping : struct, IVectorMapping
        where TTerm : struct, ITermVectors
    {
        int done = Vector512.IsHardwareAccelerated
            ? Collect<FloatVector512, TMapping, TTerm>(mapping, compression, zeroPoint, gain, theta, mapped, received, support, term, termFirst, collected, parameter)
            : 0;
        return done + Collect<FloatVector256, TMapping, TTerm>(
            mapping,
            compression,
            zeroPoint,
            gain,
            theta[done..],
            mapped[done..],
            received[done..],
            support.IsEmpty ? support : support[done..],
            term.IsEmpty ? term : term[done..],
            termFirst,
            collected[done..],
            parameter[done..]);
    }

    private static int Collect<TVector, TMapping, TTerm>(
        TMapping mapping,
        TTerm compression,
        float zeroPoint,
        float gain,
        ReadOnlySpan<float> theta,
        ReadOnlySpan<float> mapped,
        ReadOnlySpan<float> received,
        ReadOnlySpan<sbyte> support,
        ReadOnlySpan<float> term,
        bool termFirst,
        Span<float> collected,
        Span<float> parameter)
        where TVector : struct, IFloatVector<TVector>
        where TMapping : struct, IVectorMapping
        where TTerm : struct, ITermVectors
    {
        int length = mapped.Length - (mapped.Length % TVector.Count);
        ref float raw = ref MemoryMarshal.GetReference(theta[..length]);
        ref float m = ref MemoryMarshal.GetReference(mapped);
        ref float task = ref MemoryMarshal.GetReference(received[..length]);
        ref float stored = ref MemoryMarshal.GetReference(typeof(TTerm) == typeof(StoredTerm) ? term[..length] : term);
        ref float sum = ref MemoryMarshal.GetReference(collected[..length]);
        ref float held = ref MemoryMarshal.GetReference(parameter[..length]);
        var factor = TVector.Create(gain);
        var zero = TVector.Create(zeroPoint);
        bool masked = !support.IsEmpty;

        // What mapping again costs less than reading need not be read, but for frozen zeros, whose θ tells nothing.
        bool maps = TMapping.MapsCheaply && !masked;
        for (nuint i = 0; i < (nuint)length; i += (nuint)TVector.Count)
        {
            if (!maps)
            {
                Prefetch(ref m, i + Ahead);
            }

            if (TMapping.SlopeReadsRaw || maps)
            {
                Prefetch(ref raw, i + Ahead);
            }

            Prefetch(ref sum, i + Ahead);
            Prefetch(ref task, i + FarAhead);
            Prefetch(ref held, i + FarAhead);
            // Everything is read before anything is written: tensors often lie a multiple of a page apart, and the processor takes a read for one of what was just written at the same place in a page.
            var image = maps ? Map(mapping, TVector.Load(ref raw, i), zero) : TVector.Load(ref m, i);
            var slope = mapping.Slope(TMapping.SlopeReadsRaw ? TVector.Load(ref raw, i) : image, image);
            var gradient = TVector.Load(ref task, i) * factor;
            var total = TVector.Load(ref sum, i);
            if (masked)
            {
                gradient = TVector.Clear(gradient, TVector.WhereZero(support[(int)i..]));
            }

            if (TTerm.Exists && termFirst)
            {
                total = (compression.Gradient(image, ref stored, i) * slope) + total;
            }

            total = (gradient * slope) + total;
            if (TTerm.Exists && !termFirst)
            {
                total = (compression.Gradient(image, ref stored, i) * slope) + total;
            }

            (image * factor).Store(ref held, i);
            total.Store(ref sum, i);
        }

        return length;
    }

    // m of θ, with zeros that are zeros.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Map<TVector, TMapping>(TMapping mapping, TVector raw, TVector zeroPoint)
        where TVector : struct, IFloatVector<TVector>
        where TMapping : struct, IVectorMapping => TVector.Clear(mapping.Map(raw), TVector.AreEqual(raw, zeroPoint));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Prefetch(ref float start, nuint index)
    {
        if (Sse.IsSupported && index % 16 == 0)
        {
            // An address, not an access: it may lie beyond the end.
            Sse.Prefetch0(Unsafe.AsPointer(ref Unsafe.Add(ref start, index)));
        }
    }
}
