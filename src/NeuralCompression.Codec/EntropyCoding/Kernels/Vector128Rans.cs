using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>Any processor with 128-bit vectors and a byte shuffle: four lanes in a register, tables read one by one, since there is no gather.</summary>
/// <remarks>
/// <para>Lane i of a step is element i mod 4 of vector i / 4. Decoding reads 8 bytes at the word pointer and stops when less than 2 bytes x lanes is left, so nothing outside
/// the spans is touched. Equality with the scalar code as in <see cref="Avx2Rans"/>. There is no encoder: without gathers and a wide multiplication it is not faster than the scalar one.</para>
/// <para>Source: docs/format.md, section 9; the sixteen-row shuffle table is that of ryg_rans.</para>
/// </remarks>
internal static unsafe class Vector128Rans
{
    private const int VectorLanes = 4;

    // Row m holds, for each of four 32-bit lanes, the bytes of the next word if bit m of the lane is set, else 255 (zero).
    private static readonly byte[] Expansions = BuildExpansions();

    internal static bool IsSupported =>
        Vector128.IsHardwareAccelerated && BitConverter.IsLittleEndian
        && (System.Runtime.Intrinsics.X86.Sse41.IsSupported || System.Runtime.Intrinsics.Arm.AdvSimd.Arm64.IsSupported);

    internal static int Decode(ReadOnlySpan<byte> words, SlotTable table, Span<uint> states, Span<byte> symbols, out int read)
    {
        int lanes = states.Length;
        int steps = symbols.Length / lanes;
        int precision = table.PrecisionBits;
        fixed (byte* firstWord = words)
        fixed (byte* firstSymbol = symbols)
        fixed (uint* state = states)
        fixed (uint* slots = table.Slots)
        fixed (byte* slotSymbols = table.Symbols)
        fixed (byte* expansions = Expansions)
        {
            byte* word = firstWord;
            byte* symbol = firstSymbol;
            byte* end = firstSymbol + ((long)steps * lanes);
            byte* wordEnd = firstWord + words.Length;
            int room = lanes * sizeof(ushort);
            while (symbol < end && wordEnd - word >= room)
            {
                for (int lane = 0; lane < lanes; lane += VectorLanes)
                {
                    word = DecodeVector(state + lane, slots, slotSymbols, precision, expansions, word, symbol);
                    symbol += VectorLanes;
                }
            }

            read = (int)(word - firstWord);
            return (int)(symbol - firstSymbol);
        }
    }

    // D3 to D6 for four lanes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* DecodeVector(uint* state, uint* slots, byte* slotSymbols, int precision, byte* expansions, byte* word, byte* symbol)
    {
        uint slotMask = (1u << precision) - 1;
        uint slot0 = state[0] & slotMask;
        uint slot1 = state[1] & slotMask;
        uint slot2 = state[2] & slotMask;
        uint slot3 = state[3] & slotMask;
        symbol[0] = slotSymbols[slot0];
        symbol[1] = slotSymbols[slot1];
        symbol[2] = slotSymbols[slot2];
        symbol[3] = slotSymbols[slot3];
        Vector128<uint> entry = Vector128.Create(slots[slot0], slots[slot1], slots[slot2], slots[slot3]);
        Vector128<uint> x = Vector128.Load(state);
        x = ((entry & Vector128.Create(0xFFFFu)) * Vector128.ShiftRightLogical(x, precision)) + Vector128.ShiftRightLogical(entry, 16);

        Vector128<int> small = Vector128.LessThan(x.AsInt32(), Vector128.Create((int)RansConstants.LowerBound));
        uint mask = small.ExtractMostSignificantBits();
        Vector128<byte> loaded = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(word)).AsByte();
        Vector128<uint> spread = Vector128.ShuffleNative(loaded, Vector128.Load(expansions + (mask * 16))).AsUInt32();
        Vector128.ConditionalSelect(small.AsUInt32(), Vector128.ShiftLeft(x, RansConstants.WordBits) | spread, x).Store(state);
        return word + (BitOperations.PopCount(mask) * sizeof(ushort));
    }

    private static byte[] BuildExpansions()
    {
        var table = new byte[16 * 16];
        table.AsSpan().Fill(255);
        for (int mask = 0; mask < 16; mask++)
        {
            byte next = 0;
            for (int lane = 0; lane < VectorLanes; lane++)
            {
                if (((mask >> lane) & 1) == 0)
                    continue;
                table[(mask * 16) + (lane * 4)] = next++;
                table[(mask * 16) + (lane * 4) + 1] = next++;
            }
        }

        return table;
    }
}
