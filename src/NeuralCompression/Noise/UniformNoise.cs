using System.Numerics;
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
        const int Half = Step / 2;
        int length = values.Length / Step * Step;
        if (length > destination.Length || (!selector.IsEmpty && length > selector.Length))
        {
            throw new ArgumentException("The spans differ in length.", nameof(destination));
        }

        var keys = stackalloc Vector256<ulong>[Philox.KeyCount];
        Philox.ExpandKeys(source.Seed, keys);
        ulong block = FirstBlock(source.Tensor, start);
        var scale = Vector256.Create((float)Scale(source.Amplitude));
        var factor = Vector256.Create(gain);
        fixed (float* value = values, target = destination, selected = selector)
        {
            for (int i = 0; i < length; i += Step)
            {
                var first = Vector256<float>.Zero;
                var second = Vector256<float>.Zero;
                if (selected is null || Vector256.Load(selected + i) != Vector256<float>.Zero || Vector256.Load(selected + i + Half) != Vector256<float>.Zero)
                {
                    var (low, high) = Philox.Next(keys, source.Draw, block + (ulong)(i / Philox.BlockLength));
                    first = Vector256.ConvertToSingle(low.AsInt32()) * scale;
                    second = Vector256.ConvertToSingle(high.AsInt32()) * scale;
                    if (selected is not null)
                    {
                        first = Vector256.AndNot(first, Vector256.Equals(Vector256.Load(selected + i), Vector256<float>.Zero));
                        second = Vector256.AndNot(second, Vector256.Equals(Vector256.Load(selected + i + Half), Vector256<float>.Zero));
                    }
                }

                ((Vector256.Load(value + i) + first) * factor).Store(target + i);
                ((Vector256.Load(value + i + Half) + second) * factor).Store(target + i + Half);
            }
        }

        return length;
    }

    // The counter's upper half holds the draw and the tensor, so no two of them share numbers.
    private static ulong FirstBlock(int tensor, long start) => ((ulong)(uint)tensor << 40) + (ulong)(start / Philox.BlockLength);

    // A signed 32-bit number times 2^-31 lies in [-1, 1).
    private static double Scale(double amplitude) => amplitude * (1.0 / (1u << 31));

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
