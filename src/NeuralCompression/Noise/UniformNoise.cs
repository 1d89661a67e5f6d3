using System.Numerics;
using System.Runtime.InteropServices;

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
        // The counter's upper half holds the draw and the tensor, so no two of them share numbers.
        ulong firstBlock = ((ulong)(uint)tensor << 40) + (ulong)(start / Philox.BlockLength);
        Philox.Fill(seed, draw, firstBlock, bits);

        // A signed 32-bit number times 2^-31 lies in [-1, 1).
        var scale = T.CreateTruncating(amplitude * (1.0 / (1u << 31)));
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
