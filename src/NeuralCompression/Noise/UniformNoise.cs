using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NeuralCompression;

/// <summary>Uniform noise by (seed, draw, tensor, index), the same numbers on every machine and in any order of filling.</summary>
internal static class UniformNoise
{
    /// <summary>Weights handled at a time, so that scratch memory stays in the first-level cache. A multiple of <see cref="Philox.BlockLength"/>.</summary>
    public const int BlockLength = 2048;

    /// <summary>Fills with noise uniform in [−amplitude, amplitude].</summary>
    /// <param name="seed">The user's seed.</param>
    /// <param name="draw">Which draw: a step's number, fresh at every step.</param>
    /// <param name="tensor">Which tensor of the model.</param>
    /// <param name="start">Index of the first value within the tensor; a multiple of <see cref="Philox.BlockLength"/>.</param>
    /// <param name="amplitude">Half the width of the noise.</param>
    /// <param name="noise">At most <see cref="BlockLength"/> values.</param>
    public static void Fill<T>(ulong seed, ulong draw, int tensor, long start, double amplitude, Span<T> noise)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Span<uint> bits = stackalloc uint[BlockLength];
        bits = bits[..noise.Length];
        Philox.Fill(seed, draw, FirstBlock(tensor, start), bits);
        var scale = T.CreateTruncating(Scale(amplitude));
        if (typeof(T) == typeof(float))
        {
            Scale(MemoryMarshal.Cast<uint, int>(bits), float.CreateTruncating(scale), MemoryMarshal.Cast<T, float>(noise));
            return;
        }

        for (int i = 0; i < noise.Length; i++)
        {
            noise[i] = T.CreateTruncating((int)bits[i]) * scale;
        }
    }

    /// <summary>Writes (values + noise) · gain: the numbers of <see cref="Fill{T}"/> without ever storing them.</summary>
    /// <param name="source">Which noise.</param>
    /// <param name="start">Index of the first value within the tensor; a multiple of <see cref="Philox.BlockLength"/>.</param>
    /// <param name="values">At most <see cref="BlockLength"/> values.</param>
    /// <param name="selector">Where it is zero there is no noise; empty for noise everywhere.</param>
    /// <param name="gain">What the sum is multiplied by.</param>
    /// <param name="destination">Receives the products; may be <paramref name="values"/>.</param>
    public static void Add<T>(in NoiseSource source, long start, ReadOnlySpan<T> values, ReadOnlySpan<T> selector, T gain, Span<T> destination)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int done = typeof(T) == typeof(float) && Avx2.IsSupported
            ? AddAvx2(
                source, start, MemoryMarshal.Cast<T, float>(values), MemoryMarshal.Cast<T, float>(selector), float.CreateTruncating(gain), MemoryMarshal.Cast<T, float>(destination))
            : 0;
        AddScalar(source, start + done, values[done..], selector.IsEmpty ? default : selector[done..], gain, destination[done..]);
    }

    /// <summary>The definition.</summary>
    internal static void AddScalar<T>(in NoiseSource source, long start, ReadOnlySpan<T> values, ReadOnlySpan<T> selector, T gain, Span<T> destination)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Span<T> scratch = stackalloc T[BlockLength];
        var noise = scratch[..values.Length];
        Fill(source.Seed, source.Draw, source.Tensor, start, source.Amplitude, noise);
        for (int i = 0; i < noise.Length; i++)
        {
            destination[i] = (values[i] + (selector.IsEmpty || selector[i] != T.Zero ? noise[i] : T.Zero)) * gain;
        }
    }

    // Where every weight of a step has no noise none is drawn: after some training that is most of them.
    private static unsafe int AddAvx2(in NoiseSource source, long start, ReadOnlySpan<float> values, ReadOnlySpan<float> selector, float gain, Span<float> destination)
    {
        const int Step = Philox.VectorStep;
        const int Quarter = Step / 4;
        int length = values.Length / Step * Step;
        if (length > destination.Length || (!selector.IsEmpty && length > selector.Length))
        {
            throw new ArgumentException("The spans differ in length.", nameof(destination));
        }

        var keys = stackalloc ulong[Philox.KeyCount];
        Philox.ExpandKeys(source.Seed, keys);
        ulong block = FirstBlock(source.Tensor, start);
        ulong draw = source.Draw;
        var scale = Vector256.Create((float)Scale(source.Amplitude));
        var factor = Vector256.Create(gain);
        fixed (float* value = values, target = destination, selected = selector)
        {
            for (int i = 0; i < length; i += Step)
            {
                var numbers = default(PhiloxNumbers);
                if (selected is null || AnyNonZero(selected + i))
                {
                    Philox.Next(keys, draw, block + (ulong)(i / Philox.BlockLength), out numbers);
                }

                Sum(value + i, Noise(numbers.First, scale, selected, i), factor).Store(target + i);
                Sum(value + i + Quarter, Noise(numbers.Second, scale, selected, i + Quarter), factor).Store(target + i + Quarter);
                Sum(value + i + (2 * Quarter), Noise(numbers.Third, scale, selected, i + (2 * Quarter)), factor).Store(target + i + (2 * Quarter));
                Sum(value + i + (3 * Quarter), Noise(numbers.Fourth, scale, selected, i + (3 * Quarter)), factor).Store(target + i + (3 * Quarter));
            }
        }

        return length;
    }

    private static unsafe bool AnyNonZero(float* selected)
    {
        var zero = Vector256.Equals(Vector256.Load(selected), Vector256<float>.Zero);
        for (int i = Vector256<float>.Count; i < Philox.VectorStep; i += Vector256<float>.Count)
        {
            zero &= Vector256.Equals(Vector256.Load(selected + i), Vector256<float>.Zero);
        }

        return zero.ExtractMostSignificantBits() != byte.MaxValue;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector256<float> Noise(Vector256<uint> bits, Vector256<float> scale, float* selected, int at)
    {
        var noise = Vector256.ConvertToSingle(bits.AsInt32()) * scale;
        return selected is null ? noise : Vector256.AndNot(noise, Vector256.Equals(Vector256.Load(selected + at), Vector256<float>.Zero));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector256<float> Sum(float* value, Vector256<float> noise, Vector256<float> gain) => (Vector256.Load(value) + noise) * gain;

    /// <summary>Philox's block of the first value: the counter's upper half holds the draw and the tensor, so no two of them share numbers.</summary>
    internal static ulong FirstBlock(int tensor, long start) => ((ulong)(uint)tensor << 40) + (ulong)(start / Philox.BlockLength);

    /// <summary>What makes noise of Philox's numbers: a signed one times 2^-31 lies in [-1, 1).</summary>
    internal static double Scale(double amplitude) => amplitude * (1.0 / (1u << 31));

    private static void Scale(ReadOnlySpan<int> numbers, float scale, Span<float> scaled)
    {
        int i = 0;
        for (; i <= numbers.Length - Vector<int>.Count; i += Vector<int>.Count)
        {
            (Vector.ConvertToSingle(new Vector<int>(numbers[i..])) * scale).CopyTo(scaled[i..]);
        }

        for (; i < numbers.Length; i++)
        {
            scaled[i] = numbers[i] * scale;
        }
    }
}
