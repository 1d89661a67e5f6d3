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

    // Four counters at a time, one per 64-bit lane. A lane's upper half may hold rubbish: the 32-bit multiply reads only the lower half, and only the lower half is kept.
    private static int FillAvx2(ulong key, ulong stream, ulong firstBlock, Span<uint> destination)
    {
        const int Counters = 4;
        const int Step = Counters * BlockLength;
        int length = destination.Length / Step * Step;
        var m0 = Vector256.Create((ulong)Multiplier0).AsUInt32();
        var m1 = Vector256.Create((ulong)Multiplier1).AsUInt32();
        var streamLow = Vector256.Create((ulong)(uint)stream);
        var streamHigh = Vector256.Create(stream >> 32);
        var lanes = Vector256.Create(0ul, 1ul, 2ul, 3ul);
        for (int i = 0; i < length; i += Step)
        {
            var counter = Vector256.Create(firstBlock + (ulong)(i / BlockLength)) + lanes;
            var c0 = counter;
            var c1 = counter >> 32;
            var c2 = streamLow;
            var c3 = streamHigh;
            uint k0 = (uint)key, k1 = (uint)(key >> 32);
            for (int round = 0; round < Rounds; round++)
            {
                var p0 = Avx2.Multiply(m0, c0.AsUInt32());
                var p1 = Avx2.Multiply(m1, c2.AsUInt32());
                c0 = (p1 >> 32) ^ c1 ^ Vector256.Create((ulong)k0);
                c1 = p1;
                c2 = (p0 >> 32) ^ c3 ^ Vector256.Create((ulong)k1);
                c3 = p0;
                k0 += Weyl0;
                k1 += Weyl1;
            }

            // Lanes hold word w of counter j; memory wants the four words of counter 0, then of counter 1, ...
            var low = Vector256.Create(0x00000000FFFFFFFFul);
            var words01 = (c0 & low) | (c1 << 32);
            var words23 = (c2 & low) | (c3 << 32);
            var even = Avx2.UnpackLow(words01, words23);
            var odd = Avx2.UnpackHigh(words01, words23);
            var target = MemoryMarshal.Cast<uint, ulong>(destination.Slice(i, Step));
            Avx2.Permute2x128(even, odd, 0x20).CopyTo(target);
            Avx2.Permute2x128(even, odd, 0x31).CopyTo(target[4..]);
        }

        return length;
    }
}
