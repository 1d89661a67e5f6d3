using System.Runtime.CompilerServices;
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

    private static unsafe int FillAvx2(ulong key, ulong stream, ulong firstBlock, Span<uint> destination)
    {
        int length = destination.Length / VectorStep * VectorStep;
        var keys = stackalloc ulong[KeyCount];
        ExpandKeys(key, keys);
        for (int i = 0; i < length; i += VectorStep)
        {
            Next(keys, stream, firstBlock + (ulong)(i / BlockLength), out var numbers);
            var target = destination.Slice(i, VectorStep);
            numbers.First.CopyTo(target);
            numbers.Second.CopyTo(target[(VectorStep / 4)..]);
            numbers.Third.CopyTo(target[(VectorStep / 2)..]);
            numbers.Fourth.CopyTo(target[(VectorStep * 3 / 4)..]);
        }

        return length;
    }

    /// <summary>Numbers one call of <see cref="Next"/> gives.</summary>
    public const int VectorStep = 32;

    /// <summary>Words <see cref="ExpandKeys"/> fills.</summary>
    public const int KeyCount = 2 * Rounds;

    /// <summary>The keys of all rounds, for <see cref="Next"/>.</summary>
    public static unsafe void ExpandKeys(ulong key, ulong* keys)
    {
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < Rounds; round++)
        {
            keys[2 * round] = k0;
            keys[(2 * round) + 1] = k1;
            k0 += Weyl0;
            k1 += Weyl1;
        }
    }

    /// <summary>The numbers of eight counters, in order. Needs AVX2, and takes AVX-512 where it is.</summary>
    /// <remarks>One counter per 64-bit lane. A lane's upper half may hold rubbish: the 32-bit multiply reads only the lower half, and only the lower half is kept.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Next(ulong* keys, ulong stream, ulong block, out PhiloxNumbers numbers)
    {
        if (Avx512F.IsSupported)
        {
            NextAvx512(keys, stream, block, out numbers);
        }
        else
        {
            NextAvx2(keys, stream, block, out numbers);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void NextAvx512(ulong* keys, ulong stream, ulong block, out PhiloxNumbers numbers)
    {
        var c0 = Vector512.Create(block) + Vector512.Create(0ul, 1ul, 2ul, 3ul, 4ul, 5ul, 6ul, 7ul);
        var (c1, c2, c3) = (c0 >> 32, Vector512.Create((ulong)(uint)stream), Vector512.Create(stream >> 32));
        Round(keys + 0, ref c0, ref c1, ref c2, ref c3);
        Round(keys + 2, ref c0, ref c1, ref c2, ref c3);
        Round(keys + 4, ref c0, ref c1, ref c2, ref c3);
        Round(keys + 6, ref c0, ref c1, ref c2, ref c3);
        Round(keys + 8, ref c0, ref c1, ref c2, ref c3);
        Round(keys + 10, ref c0, ref c1, ref c2, ref c3);
        Round(keys + 12, ref c0, ref c1, ref c2, ref c3);
        Round(keys + 14, ref c0, ref c1, ref c2, ref c3);
        Round(keys + 16, ref c0, ref c1, ref c2, ref c3);
        Round(keys + 18, ref c0, ref c1, ref c2, ref c3);
        InOrder(c0, c1, c2, c3, out var first, out var second);
        (numbers.First, numbers.Second, numbers.Third, numbers.Fourth) = (first.GetLower(), first.GetUpper(), second.GetLower(), second.GetUpper());
    }

    /// <summary>The numbers of sixteen counters, in order. Needs AVX-512.</summary>
    /// <remarks>Two sets of counters side by side, as <see cref="NextAvx2"/> has them.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void NextWide(
        ulong* keys, ulong stream, ulong block, out Vector512<uint> first, out Vector512<uint> second, out Vector512<uint> third, out Vector512<uint> fourth)
    {
        var a0 = Vector512.Create(block) + Vector512.Create(0ul, 1ul, 2ul, 3ul, 4ul, 5ul, 6ul, 7ul);
        var b0 = Vector512.Create(block) + Vector512.Create(8ul, 9ul, 10ul, 11ul, 12ul, 13ul, 14ul, 15ul);
        var (a1, a2, a3) = (a0 >> 32, Vector512.Create((ulong)(uint)stream), Vector512.Create(stream >> 32));
        var (b1, b2, b3) = (b0 >> 32, a2, a3);
        Round(keys + 0, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 0, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 2, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 2, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 4, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 4, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 6, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 6, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 8, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 8, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 10, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 10, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 12, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 12, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 14, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 14, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 16, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 16, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 18, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 18, ref b0, ref b1, ref b2, ref b3);
        InOrder(a0, a1, a2, a3, out first, out second);
        InOrder(b0, b1, b2, b3, out third, out fourth);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void InOrder(Vector512<ulong> c0, Vector512<ulong> c1, Vector512<ulong> c2, Vector512<ulong> c3, out Vector512<uint> first, out Vector512<uint> second)
    {
        var lower = Vector512.Create((ulong)uint.MaxValue);
        var words01 = Vector512.ConditionalSelect(lower, c0, c1 << 32);
        var words23 = Vector512.ConditionalSelect(lower, c2, c3 << 32);
        first = Avx512F.PermuteVar8x64x2(words01, Vector512.Create(0ul, 8, 1, 9, 2, 10, 3, 11), words23).AsUInt32();
        second = Avx512F.PermuteVar8x64x2(words01, Vector512.Create(4ul, 12, 5, 13, 6, 14, 7, 15), words23).AsUInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Round(ulong* keys, ref Vector512<ulong> c0, ref Vector512<ulong> c1, ref Vector512<ulong> c2, ref Vector512<ulong> c3)
    {
        var p0 = Avx512F.Multiply(Vector512.Create((ulong)Multiplier0).AsUInt32(), c0.AsUInt32());
        var p1 = Avx512F.Multiply(Vector512.Create((ulong)Multiplier1).AsUInt32(), c2.AsUInt32());
        c0 = c1 ^ Vector512.Create(keys[0]) ^ (p1 >> 32);
        c2 = c3 ^ Vector512.Create(keys[1]) ^ (p0 >> 32);
        c1 = p1;
        c3 = p0;
    }

    // Two sets of four counters side by side: a round is a chain of product, shift and sum, and one chain alone leaves the processor waiting half of the time. They just fit the registers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void NextAvx2(ulong* keys, ulong stream, ulong block, out PhiloxNumbers numbers)
    {
        var a0 = Vector256.Create(block) + Vector256.Create(0ul, 1ul, 2ul, 3ul);
        var b0 = Vector256.Create(block) + Vector256.Create(4ul, 5ul, 6ul, 7ul);
        var (a1, a2, a3) = (a0 >> 32, Vector256.Create((ulong)(uint)stream), Vector256.Create(stream >> 32));
        var (b1, b2, b3) = (b0 >> 32, a2, a3);

        // Written out: in a loop the compiler moves the words between registers and memory at every turn.
        Round(keys + 0, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 0, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 2, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 2, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 4, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 4, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 6, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 6, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 8, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 8, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 10, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 10, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 12, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 12, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 14, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 14, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 16, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 16, ref b0, ref b1, ref b2, ref b3);
        Round(keys + 18, ref a0, ref a1, ref a2, ref a3);
        Round(keys + 18, ref b0, ref b1, ref b2, ref b3);
        (numbers.First, numbers.Second) = InOrder(a0, a1, a2, a3);
        (numbers.Third, numbers.Fourth) = InOrder(b0, b1, b2, b3);
    }

    // The key is added where it does not lengthen the chain from product to product.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Round(ulong* keys, ref Vector256<ulong> c0, ref Vector256<ulong> c1, ref Vector256<ulong> c2, ref Vector256<ulong> c3)
    {
        var p0 = Avx2.Multiply(Vector256.Create((ulong)Multiplier0).AsUInt32(), c0.AsUInt32());
        var p1 = Avx2.Multiply(Vector256.Create((ulong)Multiplier1).AsUInt32(), c2.AsUInt32());
        c0 = (c1 ^ Vector256.Create(keys[0])) ^ (p1 >> 32);
        c2 = (c3 ^ Vector256.Create(keys[1])) ^ (p0 >> 32);
        c1 = p1;
        c3 = p0;
    }

    // Lanes hold word w of counter j; wanted are the four words of counter 0, then of counter 1, ...
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<uint> First, Vector256<uint> Second) InOrder(Vector256<ulong> c0, Vector256<ulong> c1, Vector256<ulong> c2, Vector256<ulong> c3)
    {
        const byte OddWords = 0b10101010;
        var words01 = Avx2.Blend(c0.AsUInt32(), (c1 << 32).AsUInt32(), OddWords).AsUInt64();
        var words23 = Avx2.Blend(c2.AsUInt32(), (c3 << 32).AsUInt32(), OddWords).AsUInt64();
        var even = Avx2.UnpackLow(words01, words23);
        var odd = Avx2.UnpackHigh(words01, words23);
        return (Avx2.Permute2x128(even, odd, 0x20).AsUInt32(), Avx2.Permute2x128(even, odd, 0x31).AsUInt32());
    }
}
