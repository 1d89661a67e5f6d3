using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NeuralCompression;

/// <summary>
/// Philox 4x32-10, a counter-based generator: the number at an index follows from key and index alone, so any part of a stream can be made in any order and on any machine.
/// </summary>
/// <remarks>Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011); it passes BigCrush.</remarks>
internal static class Philox
{
    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9;
    private const uint Weyl1 = 0xBB67AE85;
    private const int Rounds = 10;

    /// <summary>Numbers one counter gives.</summary>
    public const int BlockLength = 4;

    /// <summary>
    /// Fills with the numbers at positions 0, 1, 2, … after the counter (<paramref name="firstBlock"/>, <paramref name="stream"/>). Counter words are
    /// (block low, block high, stream low, stream high); each counter gives four numbers.
    /// </summary>
    public static void Fill(ulong key, ulong stream, ulong firstBlock, Span<uint> destination)
    {
        int done = Avx2.IsSupported ? FillAvx2(key, stream, firstBlock, destination) : 0;
        FillScalar(key, stream, firstBlock + (ulong)(done / BlockLength), destination[done..]);
    }

    /// <summary>The definition.</summary>
    internal static void FillScalar(ulong key, ulong stream, ulong firstBlock, Span<uint> destination)
    {
        Span<uint> block = stackalloc uint[BlockLength];
        for (int i = 0; i < destination.Length; i += BlockLength)
        {
            Block(key, stream, firstBlock + (ulong)(i / BlockLength), block);
            block[..Math.Min(BlockLength, destination.Length - i)].CopyTo(destination[i..]);
        }
    }

    private static void Block(ulong key, ulong stream, ulong counter, Span<uint> block)
    {
        uint c0 = (uint)counter, c1 = (uint)(counter >> 32), c2 = (uint)stream, c3 = (uint)(stream >> 32);
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < Rounds; round++)
        {
            ulong p0 = (ulong)Multiplier0 * c0;
            ulong p1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += Weyl0;
            k1 += Weyl1;
        }

        (block[0], block[1], block[2], block[3]) = (c0, c1, c2, c3);
    }

    // Twice four counters at a time, one per 64-bit lane; two sets hide the latency of the multiplications. A lane's upper half may hold rubbish: the 32-bit multiply reads only the lower half, and only the lower half is kept.
    private static int FillAvx2(ulong key, ulong stream, ulong firstBlock, Span<uint> destination)
    {
        const int Counters = 4;
        const int Set = Counters * BlockLength;
        const int Step = 2 * Set;
        int length = destination.Length / Step * Step;
        Span<Vector256<ulong>> keys = stackalloc Vector256<ulong>[2 * Rounds];
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < Rounds; round++)
        {
            keys[2 * round] = Vector256.Create((ulong)k0);
            keys[(2 * round) + 1] = Vector256.Create((ulong)k1);
            k0 += Weyl0;
            k1 += Weyl1;
        }

        var m0 = Vector256.Create((ulong)Multiplier0).AsUInt32();
        var m1 = Vector256.Create((ulong)Multiplier1).AsUInt32();
        var streamLow = Vector256.Create((ulong)(uint)stream);
        var streamHigh = Vector256.Create(stream >> 32);
        var lanes = Vector256.Create(0ul, 1ul, 2ul, 3ul);
        for (int i = 0; i < length; i += Step)
        {
            var a0 = Vector256.Create(firstBlock + (ulong)(i / BlockLength)) + lanes;
            var b0 = a0 + Vector256.Create((ulong)Counters);
            var (a1, a2, a3) = (a0 >> 32, streamLow, streamHigh);
            var (b1, b2, b3) = (b0 >> 32, streamLow, streamHigh);
            for (int round = 0; round < keys.Length; round += 2)
            {
                var p0 = Avx2.Multiply(m0, a0.AsUInt32());
                var p1 = Avx2.Multiply(m1, a2.AsUInt32());
                var q0 = Avx2.Multiply(m0, b0.AsUInt32());
                var q1 = Avx2.Multiply(m1, b2.AsUInt32());
                a0 = (p1 >> 32) ^ a1 ^ keys[round];
                b0 = (q1 >> 32) ^ b1 ^ keys[round];
                a2 = (p0 >> 32) ^ a3 ^ keys[round + 1];
                b2 = (q0 >> 32) ^ b3 ^ keys[round + 1];
                (a1, a3, b1, b3) = (p1, p0, q1, q0);
            }

            Store(a0, a1, a2, a3, destination.Slice(i, Set));
            Store(b0, b1, b2, b3, destination.Slice(i + Set, Set));
        }

        return length;
    }

    // Lanes hold word w of counter j; memory wants the four words of counter 0, then of counter 1, ...
    private static void Store(Vector256<ulong> c0, Vector256<ulong> c1, Vector256<ulong> c2, Vector256<ulong> c3, Span<uint> destination)
    {
        var low = Vector256.Create(0x00000000FFFFFFFFul);
        var words01 = (c0 & low) | (c1 << 32);
        var words23 = (c2 & low) | (c3 << 32);
        var even = Avx2.UnpackLow(words01, words23);
        var odd = Avx2.UnpackHigh(words01, words23);
        var target = MemoryMarshal.Cast<uint, ulong>(destination);
        Avx2.Permute2x128(even, odd, 0x20).CopyTo(target);
        Avx2.Permute2x128(even, odd, 0x31).CopyTo(target[4..]);
    }
}
