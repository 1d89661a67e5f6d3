using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>AVX-512 with VBMI: 64 tokens become groups at once, without a load for each of them.</summary>
/// <remarks>
/// A group has 16 bits: two symbols of 8, four digits of 4 or eight of 2. Both bytes are looked up in tables that fill four registers each; a shift by a different number of
/// bits for every byte of a word then takes the digits apart. The table rows of <see cref="GroupExpander.ExpandRows"/> are the definition, which takes four times as long (Zen 5).
/// </remarks>
internal static unsafe class Avx512Groups
{
    /// <summary>Tokens expanded at once.</summary>
    internal const int Step = 64;

    /// <summary>Bytes of a table: one for each token.</summary>
    internal const int TableBytes = RansConstants.MaxAlphabet;

    internal static bool IsSupported => Avx512Vbmi.IsSupported && Avx512BW.IsSupported;

    /// <summary>Expands whole steps of tokens.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="low">The low byte of each token's group, <see cref="TableBytes"/>.</param>
    /// <param name="high">The high byte.</param>
    /// <param name="groupSize">2, 4 or 8; the bytes of pairs are symbols, those of the others digits.</param>
    /// <param name="min">What is added to digits.</param>
    /// <param name="symbols">Receives the groups; at least as many symbols as the tokens have.</param>
    /// <returns>Tokens that were expanded.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Expand(ReadOnlySpan<byte> tokens, ReadOnlySpan<byte> low, ReadOnlySpan<byte> high, int groupSize, byte min, Span<byte> symbols)
    {
        int whole = tokens.Length - (tokens.Length % Step);
        ArgumentOutOfRangeException.ThrowIfLessThan(low.Length, TableBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(high.Length, TableBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(symbols.Length, whole * groupSize);
        fixed (byte* token = tokens, lowTable = low, highTable = high, symbol = symbols)
        {
            switch (groupSize)
            {
                case 8:
                    ExpandEights(token, whole, lowTable, highTable, min, symbol);
                    break;
                case 4:
                    ExpandFours(token, whole, lowTable, highTable, min, symbol);
                    break;
                default:
                    ExpandPairs(token, whole, lowTable, highTable, symbol);
                    break;
            }
        }

        return whole;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ExpandEights(byte* token, int count, byte* low, byte* high, byte min, byte* symbol)
    {
        var lowTable = new Table(low);
        var highTable = new Table(high);
        Vector512<byte> first = Vector512.Create(min);
        Vector512<byte> digit = Vector512.Create((byte)3);

        // A group in the lower quarter of each 64 bits; the byte j of them starts 2 j bits above.
        Vector512<byte> shifts = Vector512.Create(0x0E_0C_0A_08_06_04_02_00UL).AsByte();
        Vector512<ushort> lane = Vector512<ulong>.Indices.AsUInt16();
        for (byte* end = token + count; token < end; token += Step, symbol += 8 * Step)
        {
            (Vector512<ushort> even, Vector512<ushort> odd) = Groups(lowTable, highTable, token);
            for (int i = 0; i < 4; i++)
            {
                Vector512<ushort> places = lane + Vector512.Create((ushort)(8 * i));
                ((Avx512Vbmi.MultiShift(shifts, Avx512BW.PermuteVar32x16(even, places).AsUInt64()) & digit) + first).Store(symbol + (128 * i));
                ((Avx512Vbmi.MultiShift(shifts, Avx512BW.PermuteVar32x16(odd, places).AsUInt64()) & digit) + first).Store(symbol + (128 * i) + 64);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ExpandFours(byte* token, int count, byte* low, byte* high, byte min, byte* symbol)
    {
        var lowTable = new Table(low);
        var highTable = new Table(high);
        Vector512<byte> first = Vector512.Create(min);
        Vector512<byte> digit = Vector512.Create((byte)15);

        // A group in the lower half of each 32 bits: eight from the even lanes of 128 bits, eight from the odd ones.
        Vector512<byte> shifts = Vector512.Create(0x2C_28_24_20_0C_08_04_00UL).AsByte();
        Vector512<uint> indices = Vector512<uint>.Indices;
        Vector512<ushort> lane = ((indices & Vector512.Create(7u)) + ((indices & Vector512.Create(8u)) << 2)).AsUInt16();
        for (byte* end = token + count; token < end; token += Step, symbol += 4 * Step)
        {
            (Vector512<ushort> even, Vector512<ushort> odd) = Groups(lowTable, highTable, token);
            for (int i = 0; i < 4; i++)
            {
                Vector512<ushort> places = lane + Vector512.Create((ushort)(8 * i));
                ((Avx512Vbmi.MultiShift(shifts, Avx512BW.PermuteVar32x16x2(even, places, odd).AsUInt64()) & digit) + first).Store(symbol + (64 * i));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ExpandPairs(byte* token, int count, byte* low, byte* high, byte* symbol)
    {
        var lowTable = new Table(low);
        var highTable = new Table(high);
        Vector512<ulong> lower = Vector512.Create(0UL, 1, 8, 9, 2, 3, 10, 11);
        Vector512<ulong> upper = lower + Vector512.Create(4UL);
        for (byte* end = token + count; token < end; token += Step, symbol += 2 * Step)
        {
            (Vector512<ushort> even, Vector512<ushort> odd) = Groups(lowTable, highTable, token);
            Avx512F.PermuteVar8x64x2(even.AsUInt64(), lower, odd.AsUInt64()).AsByte().Store(symbol);
            Avx512F.PermuteVar8x64x2(even.AsUInt64(), upper, odd.AsUInt64()).AsByte().Store(symbol + Step);
        }
    }

    // 64 groups of 16 bits: the lanes of 128 bits of the first are the groups 0 to 7, 16 to 23, 32 to 39 and 48 to 55, those of the second the others.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<ushort> Even, Vector512<ushort> Odd) Groups(in Table lowTable, in Table highTable, byte* token)
    {
        Vector512<byte> tokens = Vector512.Load(token);
        Vector512<byte> low = lowTable.Find(tokens);
        Vector512<byte> high = highTable.Find(tokens);
        return (Avx512BW.UnpackLow(low, high).AsUInt16(), Avx512BW.UnpackHigh(low, high).AsUInt16());
    }

    // 256 bytes in four registers.
    private readonly struct Table
    {
        private readonly Vector512<byte> first;
        private readonly Vector512<byte> second;
        private readonly Vector512<byte> third;
        private readonly Vector512<byte> fourth;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal Table(byte* bytes)
        {
            first = Vector512.Load(bytes);
            second = Vector512.Load(bytes + 64);
            third = Vector512.Load(bytes + 128);
            fourth = Vector512.Load(bytes + 192);
        }

        // A permutation reads seven bits of an index; the eighth chooses between two of them.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal Vector512<byte> Find(Vector512<byte> index) => Avx512BW.BlendVariable(
            Avx512Vbmi.PermuteVar64x8x2(first, index, second), Avx512Vbmi.PermuteVar64x8x2(third, index, fourth), index);
    }
}
