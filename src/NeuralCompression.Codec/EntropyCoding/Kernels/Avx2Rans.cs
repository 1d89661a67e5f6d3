using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>AVX2: eight lanes in a register, four registers in a half step, one or two half steps in a step.</summary>
/// <remarks>
/// <para>Lane i of a step is element i mod 8 of vector i / 8. The words of a step lie in lane order, so vector v takes as many words as it has small states, and the next
/// vector begins after them: decoding reads 16 bytes at the word pointer, at most 2 bytes x lanes from the start of the step; encoding writes 16 bytes that end at it, of which
/// the lower ones are overwritten later. Both stop when less than 2 bytes x lanes of room is left, so nothing outside the spans is touched.</para>
/// <para>Equality with the scalar code: the same integers, step for step. States are below 2^31, so signed comparisons are right; frequency x (state >> precision) is below
/// 2^31, so the low half of the product is all of it; the division is exact (<see cref="EncodeTable"/>).</para>
/// <para>Source: docs/format.md, section 9; compaction through a table of 256 permutations as in ryg_rans and htscodecs.</para>
/// </remarks>
internal static unsafe class Avx2Rans
{
    private const int VectorLanes = 8;
    private const int HalfStep = RansKernels.LaneUnit;
    private const int MaxLanes = 2 * HalfStep;
    private const int AlignmentLanes = 64 / sizeof(uint);

    // Both tables are read into locals before a loop: in it the runtime would check each time whether they are built, and that call would put every register on the stack.
    /// <summary>Row m moves the i-th loaded word to the i-th lane whose bit is set in m; one byte per lane.</summary>
    internal static readonly byte* Expansions = BuildExpansions();

    // Row m moves the words of the lanes whose bits are not set in m to the upper end of 16 bytes, in order.
    private static readonly byte* Compactions = BuildCompactions();

    internal static bool IsSupported => Avx2.IsSupported && Popcnt.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Decode(ReadOnlySpan<byte> words, SlotTable table, Span<uint> states, Span<byte> symbols, out int read)
    {
        int lanes = states.Length;
        uint* room = stackalloc uint[MaxLanes + AlignmentLanes];
        uint* state = Align(room);
        states.CopyTo(new Span<uint>(state, lanes));
        int steps = symbols.Length / lanes;
        int precision = table.PrecisionBits;
        bool wide = table.Packed.IsEmpty;
        byte* expansions = Expansions;
        fixed (byte* firstWord = words)
        fixed (byte* firstSymbol = symbols)
        fixed (uint* slots = wide ? table.Slots : table.Packed)
        fixed (byte* slotSymbols = table.Symbols)
        {
            byte* word = firstWord;
            byte* symbol = firstSymbol;
            byte* end = firstSymbol + ((long)steps * lanes);
            byte* wordEnd = firstWord + words.Length;
            int step = lanes * sizeof(ushort);
            uint slotMask = (1u << precision) - 1;
            Vector256<uint> entries0 = Slots(slots, state, slotMask);
            Vector256<uint> entries1 = Slots(slots, state + 8, slotMask);
            if (wide)
            {
                while (symbol < end && wordEnd - word >= step)
                {
                    for (int half = 0; half < lanes; half += HalfStep)
                    {
                        uint* next = half + HalfStep < lanes ? state + half + HalfStep : state;
                        word = DecodeHalf(state + half, next, ref entries0, ref entries1, slots, slotSymbols, precision, expansions, word, symbol, wide: true);
                        symbol += HalfStep;
                    }
                }
            }
            else if (lanes == HalfStep)
            {
                while (symbol < end && wordEnd - word >= step)
                {
                    word = DecodeHalf(state, state, ref entries0, ref entries1, slots, slotSymbols, precision, expansions, word, symbol, wide: false);
                    symbol += HalfStep;
                }
            }
            else
            {
                while (symbol < end && wordEnd - word >= step)
                {
                    word = DecodeHalf(state, state + HalfStep, ref entries0, ref entries1, slots, slotSymbols, precision, expansions, word, symbol, wide: false);
                    word = DecodeHalf(state + HalfStep, state, ref entries0, ref entries1, slots, slotSymbols, precision, expansions, word, symbol + HalfStep, wide: false);
                    symbol += 2 * HalfStep;
                }
            }

            new Span<uint>(state, lanes).CopyTo(states);
            read = (int)(word - firstWord);
            return (int)(symbol - firstSymbol);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Encode(ReadOnlySpan<byte> symbols, EncodeTable table, Span<uint> states, Span<byte> words, out int first)
    {
        int lanes = states.Length;
        uint* room = stackalloc uint[MaxLanes + AlignmentLanes];
        uint* state = Align(room);
        states.CopyTo(new Span<uint>(state, lanes));
        int precision = table.Source.PrecisionBits;
        Vector128<uint> limitShift = Vector128.CreateScalar((uint)(RansConstants.StateBits - precision));
        Vector256<uint> total = Vector256.Create(1u << precision);
        byte* compactions = Compactions;
        fixed (byte* firstWord = words)
        fixed (byte* firstSymbol = symbols)
        fixed (ulong* entries = table.Entries)
        {
            byte* word = firstWord + words.Length;
            byte* symbol = firstSymbol + symbols.Length;
            while (symbol > firstSymbol && word - firstWord >= lanes * sizeof(ushort))
            {
                for (int lane = lanes - VectorLanes; lane >= 0; lane -= VectorLanes)
                {
                    symbol -= VectorLanes;
                    word = EncodeVector(state + lane, entries, limitShift, total, compactions, word, symbol);
                }
            }

            new Span<uint>(state, lanes).CopyTo(states);
            first = (int)(word - firstWord);
            return (int)(symbol - firstSymbol);
        }
    }

    // The entries of a vector are read while the one two places before it is computed with: reading takes as long as computing, and only together they fill the processor's
    // window. The first two entries come from the call before, the last two read are those of the next.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* DecodeHalf(
        uint* state,
        uint* next,
        ref Vector256<uint> entries0,
        ref Vector256<uint> entries1,
        uint* slots,
        byte* slotSymbols,
        int precision,
        byte* expansions,
        byte* word,
        byte* symbol,
        bool wide)
    {
        uint slotMask = (1u << precision) - 1;
        Vector256<uint> entries2 = Slots(slots, state + 16, slotMask);
        Vector256<uint> symbols0 = DecodeVector(state, entries0, slotSymbols, precision, expansions, ref word, wide);
        Vector256<uint> entries3 = Slots(slots, state + 24, slotMask);
        Vector256<uint> symbols1 = DecodeVector(state + 8, entries1, slotSymbols, precision, expansions, ref word, wide);
        entries0 = Slots(slots, next, slotMask);
        Vector256<uint> symbols2 = DecodeVector(state + 16, entries2, slotSymbols, precision, expansions, ref word, wide);
        entries1 = Slots(slots, next + 8, slotMask);
        Vector256<uint> symbols3 = DecodeVector(state + 24, entries3, slotSymbols, precision, expansions, ref word, wide);

        // Packing works within 128-bit halves, so groups of four lanes come out as 0 2 4 6 1 3 5 7 of the eight groups.
        Vector256<ushort> low = Avx2.PackUnsignedSaturate(symbols0.AsInt32(), symbols1.AsInt32());
        Vector256<ushort> high = Avx2.PackUnsignedSaturate(symbols2.AsInt32(), symbols3.AsInt32());
        Vector256<int> bytes = Avx2.PackUnsignedSaturate(low.AsInt16(), high.AsInt16()).AsInt32();
        Avx2.PermuteVar8x32(bytes, Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7)).AsByte().Store(symbol);
        return word;
    }

    // States are stored as vectors and read one by one in the next step; where a vector crosses a cache line that takes twice as long.
    private static uint* Align(uint* room) => (uint*)(((nuint)room + 63) & ~(nuint)63);

    // D4 to D6 for eight lanes whose table entries are given; the symbols are returned.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> DecodeVector(uint* state, Vector256<uint> entry, byte* slotSymbols, int precision, byte* expansions, ref byte* word, bool wide)
    {
        Vector256<uint> x = Vector256.Load(state);
        Vector256<uint> low = Vector256.Create(0xFFu);
        Vector256<uint> symbols;
        Vector256<uint> quotient = Vector256.ShiftRightLogical(x, precision);
        if (wide)
        {
            Vector256<int> slot = (x & Vector256.Create((1u << precision) - 1)).AsInt32();
            symbols = Avx2.GatherVector256((uint*)slotSymbols, slot, 1) & low;
            x = Avx2.MultiplyLow(entry & Vector256.Create(0xFFFFu), quotient) + Vector256.ShiftRightLogical(entry, 16);
        }
        else
        {
            symbols = entry & low;
            x = Avx2.MultiplyLow(Vector256.ShiftRightLogical(entry, 20), quotient) + (Vector256.ShiftRightLogical(entry, 8) & Vector256.Create(0xFFFu));
        }

        Vector256<int> small = Avx2.CompareGreaterThan(Vector256.Create((int)RansConstants.LowerBound), x.AsInt32());
        uint mask = (uint)Avx.MoveMask(small.AsSingle());
        Vector256<int> loaded = Avx2.ConvertToVector256Int32((ushort*)word);
        Vector256<int> spread = Avx2.PermuteVar8x32(loaded, Avx2.ConvertToVector256Int32(expansions + (mask * VectorLanes)));
        Vector256<uint> grown = Vector256.ShiftLeft(x, RansConstants.WordBits) | spread.AsUInt32();
        Avx2.BlendVariable(x, grown, small.AsUInt32()).Store(state);
        word += BitOperations.PopCount(mask) * sizeof(ushort);
        return symbols;
    }

    // D3 for eight lanes: eight single loads, from the states in memory; the gather instruction is slow on Zen 1 to 3, and on Intel since its microcode closes the gather side channel.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Slots(uint* slots, uint* state, uint slotMask) => Vector256.Create(
        slots[state[0] & slotMask],
        slots[state[1] & slotMask],
        slots[state[2] & slotMask],
        slots[state[3] & slotMask],
        slots[state[4] & slotMask],
        slots[state[5] & slotMask],
        slots[state[6] & slotMask],
        slots[state[7] & slotMask]);

    // E3 and E4 for eight lanes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* EncodeVector(uint* state, ulong* entries, Vector128<uint> limitShift, Vector256<uint> total, byte* compactions, byte* word, byte* symbol)
    {
        Vector256<uint> x = Vector256.Load(state);
        (Vector256<uint> field, Vector256<uint> reciprocal) = Entries(entries, symbol);
        Vector256<uint> frequency = field & Vector256.Create((1u << EncodeTable.FrequencyBits) - 1);

        Vector256<int> limit = Avx2.ShiftLeftLogical(frequency, limitShift).AsInt32();
        Vector256<int> small = Avx2.CompareGreaterThan(limit, x.AsInt32());
        uint mask = (uint)Avx.MoveMask(small.AsSingle());
        Vector256<byte> lowWords = Avx2.Shuffle(x.AsByte(), Vector256.Create(
            (byte)0, 1, 4, 5, 8, 9, 12, 13, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 4, 5, 8, 9, 12, 13, 255, 255, 255, 255, 255, 255, 255, 255));
        Vector128<byte> packed = Avx2.Permute4x64(lowWords.AsUInt64(), 0b1000).AsByte().GetLower();
        Ssse3.Shuffle(packed, Vector128.Load(compactions + (mask * 16))).Store(word - 16);
        x = Avx2.BlendVariable(Vector256.ShiftRightLogical(x, RansConstants.WordBits), x, small.AsUInt32());

        // The high halves of 2x r: the even lanes' products shifted down, the odd lanes' taken where they are.
        Vector256<uint> twice = x + x;
        Vector256<ulong> even = Avx2.Multiply(twice, reciprocal);
        Vector256<ulong> odd = Avx2.Multiply(Vector256.ShiftRightLogical(twice.AsUInt64(), 32).AsUInt32(), Vector256.ShiftRightLogical(reciprocal.AsUInt64(), 32).AsUInt32());
        Vector256<uint> product = Avx2.Blend(Vector256.ShiftRightLogical(even, 32).AsUInt32(), odd.AsUInt32(), 0b10101010);
        Vector256<uint> quotient = Avx2.ShiftRightLogicalVariable(product, Vector256.ShiftRightLogical(field, EncodeTable.ShiftOffset));

        // 2^k q + (x - q f) + cum.
        Vector256<uint> cumulative = Vector256.ShiftRightLogical(field, EncodeTable.FrequencyBits) & Vector256.Create((1u << EncodeTable.FrequencyBits) - 1);
        (x + cumulative + Avx2.MultiplyLow(quotient, total - frequency)).Store(state);
        return word - (VectorLanes * sizeof(ushort)) + (BitOperations.PopCount(mask) * sizeof(ushort));
    }

    // Fields and reciprocals of eight symbols: 64-bit loads, then the even and the odd halves. Two gathers take twice as long.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (Vector256<uint> Fields, Vector256<uint> Reciprocals) Entries(ulong* entries, byte* symbol)
    {
        Vector256<float> outer = Vector256.Create(Pair(entries, symbol[0], symbol[1]), Pair(entries, symbol[4], symbol[5]));
        Vector256<float> inner = Vector256.Create(Pair(entries, symbol[2], symbol[3]), Pair(entries, symbol[6], symbol[7]));
        return (Avx.Shuffle(outer, inner, 0b10001000).AsUInt32(), Avx.Shuffle(outer, inner, 0b11011101).AsUInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Pair(ulong* entries, nuint first, nuint second) =>
        Sse2.LoadHigh(Sse2.LoadScalarVector128((double*)(entries + first)), (double*)(entries + second)).AsSingle();

    private static byte* BuildExpansions()
    {
        var table = (byte*)NativeMemory.AlignedAlloc(256 * VectorLanes, 64);
        for (int mask = 0; mask < 256; mask++)
        {
            byte next = 0;
            for (int lane = 0; lane < VectorLanes; lane++)
                table[(mask * VectorLanes) + lane] = ((mask >> lane) & 1) != 0 ? next++ : (byte)0;
        }

        return table;
    }

    private static byte* BuildCompactions()
    {
        var table = (byte*)NativeMemory.AlignedAlloc(256 * 16, 64);
        for (int mask = 0; mask < 256; mask++)
        {
            int place = BitOperations.PopCount((uint)mask);
            byte* row = table + (mask * 16);
            for (int i = 0; i < 16; i++)
                row[i] = 255;
            for (int lane = 0; lane < VectorLanes; lane++)
            {
                if (((mask >> lane) & 1) != 0)
                    continue;
                row[place * 2] = (byte)(lane * 2);
                row[(place * 2) + 1] = (byte)((lane * 2) + 1);
                place++;
            }
        }

        return table;
    }
}
