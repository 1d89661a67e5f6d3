using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>AVX-512: sixteen lanes in a register, two registers in a half step, one or two half steps in a step.</summary>
/// <remarks>
/// <para>Lane i of a step is element i mod 16 of vector i / 16. The words of a step lie in lane order: expand moves the next words to the small states, compress gathers those
/// of the large ones; both stay in registers, because storing a compressed register takes 71 cycles on Zen 4. Decoding reads 32 bytes at the word pointer, encoding writes 32
/// bytes that end at it; both stop when less than 2 bytes x lanes of room is left, so nothing outside the spans is touched.</para>
/// <para>Which states are small or large is told by the sign of a difference, since masks are made of the highest bits: from the result of a comparison the compiler makes a
/// vector first and the mask from that. Table entries are sixteen single loads: with gathers decoding takes a tenth longer on Zen 5 (which is what gathers cost there, without
/// the fix of their side channel on Intel). Measured together: 4.2 instead of 3.1 G symbols/s.</para>
/// <para>Equality with the scalar code as in <see cref="Avx2Rans"/>. Source: docs/format.md, section 9.</para>
/// </remarks>
internal static unsafe class Avx512Rans
{
    private const int VectorLanes = 16;
    private const int HalfStep = RansKernels.LaneUnit;

    internal static bool IsSupported => Avx512BW.VL.IsSupported && Avx512DQ.IsSupported && Popcnt.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Decode(ReadOnlySpan<byte> words, SlotTable table, Span<uint> states, Span<byte> symbols, out int read)
    {
        int lanes = states.Length;
        int steps = symbols.Length / lanes;
        int precision = table.PrecisionBits;
        bool wide = table.Packed.IsEmpty;
        fixed (byte* firstWord = words)
        fixed (byte* firstSymbol = symbols)
        fixed (uint* state = states)
        fixed (uint* slots = wide ? table.Slots : table.Packed)
        fixed (byte* slotSymbols = table.Symbols)
        {
            byte* word = firstWord;
            byte* symbol = firstSymbol;
            byte* end = firstSymbol + ((long)steps * lanes);
            byte* wordEnd = firstWord + words.Length;
            int room = lanes * sizeof(ushort);
            if (wide)
            {
                while (symbol < end && wordEnd - word >= room)
                {
                    for (int lane = 0; lane < lanes; lane += VectorLanes)
                    {
                        Vector512<uint> x = Vector512.Load(state + lane);
                        DecodeVector(ref x, slots, slotSymbols, precision, ref word, symbol, wide: true);
                        x.Store(state + lane);
                        symbol += VectorLanes;
                    }
                }
            }
            else
            {
                Vector512<uint> x0 = Vector512.Load(state);
                Vector512<uint> x1 = Vector512.Load(state + 16);
                if (lanes == HalfStep)
                {
                    while (symbol < end && wordEnd - word >= room)
                    {
                        DecodeVector(ref x0, slots, slotSymbols, precision, ref word, symbol, wide: false);
                        DecodeVector(ref x1, slots, slotSymbols, precision, ref word, symbol + 16, wide: false);
                        symbol += HalfStep;
                    }
                }
                else
                {
                    Vector512<uint> x2 = Vector512.Load(state + 32);
                    Vector512<uint> x3 = Vector512.Load(state + 48);
                    while (symbol < end && wordEnd - word >= room)
                    {
                        DecodeVector(ref x0, slots, slotSymbols, precision, ref word, symbol, wide: false);
                        DecodeVector(ref x1, slots, slotSymbols, precision, ref word, symbol + 16, wide: false);
                        DecodeVector(ref x2, slots, slotSymbols, precision, ref word, symbol + 32, wide: false);
                        DecodeVector(ref x3, slots, slotSymbols, precision, ref word, symbol + 48, wide: false);
                        symbol += 2 * HalfStep;
                    }

                    x2.Store(state + 32);
                    x3.Store(state + 48);
                }

                x0.Store(state);
                x1.Store(state + 16);
            }

            read = (int)(word - firstWord);
            return (int)(symbol - firstSymbol);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Encode(ReadOnlySpan<byte> symbols, EncodeTable table, Span<uint> states, Span<byte> words, out int first)
    {
        int lanes = states.Length;
        int precision = table.Source.PrecisionBits;
        fixed (byte* firstWord = words)
        fixed (byte* firstSymbol = symbols)
        fixed (uint* state = states)
        fixed (ulong* entries = table.Entries)
        {
            byte* word = firstWord + words.Length;
            byte* symbol = firstSymbol + symbols.Length;
            while (symbol > firstSymbol && word - firstWord >= lanes * sizeof(ushort))
            {
                for (int lane = lanes - VectorLanes; lane >= 0; lane -= VectorLanes)
                {
                    symbol -= VectorLanes;
                    word = EncodeVector(state + lane, entries, precision, word, symbol);
                }
            }

            first = (int)(word - firstWord);
            return (int)(symbol - firstSymbol);
        }
    }

    // D3 to D6 for sixteen lanes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void DecodeVector(ref Vector512<uint> state, uint* slots, byte* slotSymbols, int precision, ref byte* word, byte* symbol, bool wide)
    {
        Vector512<uint> x = state;
        Vector512<int> slot = (x & Vector512.Create((1u << precision) - 1)).AsInt32();
        Vector512<uint> entry = Entries(slots, slot.AsUInt64());
        Vector512<uint> quotient = Vector512.ShiftRightLogical(x, precision);
        if (wide)
        {
            Avx512F.ConvertToVector128Byte(
                Avx2.GatherVector256((uint*)slotSymbols, slot.GetLower(), 1).ToVector512Unsafe().WithUpper(Avx2.GatherVector256((uint*)slotSymbols, slot.GetUpper(), 1))).Store(symbol);
            x = Avx512F.MultiplyLow(entry & Vector512.Create(0xFFFFu), quotient) + Vector512.ShiftRightLogical(entry, 16);
        }
        else
        {
            Avx512F.ConvertToVector128Byte(entry).Store(symbol);
            x = Avx512F.MultiplyLow(Vector512.ShiftRightLogical(entry, 20), quotient) + (Vector512.ShiftRightLogical(entry, 8) & Vector512.Create(0xFFFu));
        }

        // Both are below 2^31.
        Vector512<uint> small = x - Vector512.Create(RansConstants.LowerBound);
        Vector512<uint> spread = Avx512F.Expand(Vector512<uint>.Zero, small, Avx512F.ConvertToVector512UInt32(Vector256.Load((ushort*)word)));
        state = Avx512F.BlendVariable(x, Vector512.ShiftLeft(x, RansConstants.WordBits) | spread, small);
        word += (nuint)(uint)BitOperations.PopCount(small.ExtractMostSignificantBits()) * sizeof(ushort);
    }

    // E3 and E4 for sixteen lanes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* EncodeVector(uint* state, ulong* entries, int precision, byte* word, byte* symbol)
    {
        Vector512<uint> x = Vector512.Load(state);
        (Vector256<uint> lowFields, Vector256<uint> lowReciprocals) = Avx2Rans.Entries(entries, symbol);
        (Vector256<uint> highFields, Vector256<uint> highReciprocals) = Avx2Rans.Entries(entries, symbol + 8);
        Vector512<uint> field = Vector512.Create(lowFields, highFields);
        Vector512<uint> reciprocal = Vector512.Create(lowReciprocals, highReciprocals);
        Vector512<uint> frequency = field & Vector512.Create((1u << EncodeTable.FrequencyBits) - 1);

        // Compressed words come to the lower end; a rotation by their number brings them to the upper one.
        Vector512<uint> large = Vector512.ShiftLeft(frequency, RansConstants.StateBits - precision) - Vector512<uint>.One - x;
        int count = BitOperations.PopCount(large.ExtractMostSignificantBits());
        Vector256<ushort> compressed = Avx512F.ConvertToVector256UInt16(Avx512F.Compress(Vector512<uint>.Zero, large, x));
        Avx512BW.VL.PermuteVar16x16(compressed, Vector256<ushort>.Indices + Vector256.Create((ushort)count)).Store((ushort*)(word - 32));
        x = Avx512F.BlendVariable(x, Vector512.ShiftRightLogical(x, RansConstants.WordBits), large);

        // The high halves of 2x r: the even lanes' products shifted down, the odd lanes' taken where they are.
        Vector512<uint> twice = x + x;
        Vector512<ulong> even = Avx512F.Multiply(twice, reciprocal);
        Vector512<ulong> odd = Avx512F.Multiply(Vector512.ShiftRightLogical(twice.AsUInt64(), 32).AsUInt32(), Vector512.ShiftRightLogical(reciprocal.AsUInt64(), 32).AsUInt32());
        Vector512<uint> product = Vector512.ConditionalSelect(Vector512.Create(0x00000000FFFFFFFFUL), Vector512.ShiftRightLogical(even, 32), odd).AsUInt32();
        Vector512<uint> quotient = Avx512F.ShiftRightLogicalVariable(product, Vector512.ShiftRightLogical(field, EncodeTable.ShiftOffset));

        // 2^k q + (x - q f) + cum.
        Vector512<uint> cumulative = Vector512.ShiftRightLogical(field, EncodeTable.FrequencyBits) & Vector512.Create((1u << EncodeTable.FrequencyBits) - 1);
        (x + cumulative + Avx512F.MultiplyLow(quotient, Vector512.Create(1u << precision) - frequency)).Store(state);
        return word - (count * sizeof(ushort));
    }

    // The table's entries for sixteen slots, two of which share an integer register.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Entries(uint* table, Vector512<ulong> slots) => Entries(table, slots.GetLower()).ToVector512Unsafe().WithUpper(Entries(table, slots.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Entries(uint* table, Vector256<ulong> slots) => Entries(table, slots.GetLower()).ToVector256Unsafe().WithUpper(Entries(table, slots.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Entries(uint* table, Vector128<ulong> slots)
    {
        ulong low = slots.GetElement(0);
        ulong high = slots.GetElement(1);
        return Vector128.Create(table[(uint)low], table[low >> 32], table[(uint)high], table[high >> 32]);
    }
}
