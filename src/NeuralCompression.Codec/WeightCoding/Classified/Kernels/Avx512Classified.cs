using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Classified.Kernels;

/// <summary>AVX-512 with permutations of bytes: contexts of 32 or 64 lanes in one register, states of sixteen in each of two or four, which stay there from column to column.</summary>
/// <remarks>
/// <para>Bytes lie as the states do: element i of the state registers has the bytes of element i of the context register, the first register the lowest byte. So entries become symbols, and tables
/// become indices of slots, by shifts and selections of a cycle each, where widening takes five. A register of states has four of every eight lanes: packing two of them to words then puts 32 lanes in order,
/// and one expansion spreads their words. The history is in this order too, which no other kernel reads.</para>
/// <para>The map's rows of all row classes are 128 bytes for a column class, so a permutation of two registers by class and energy gives the tables. Sizes 1 and 2 back and those about the far distance move through registers.
/// Slots are loaded one by one, the indices taken out of the register in pairs: measured on Zen 5, 64 loads take 9 ns so, 12 by gathering, and 13 with the indices through memory.</para>
/// <para>What a mask selects is 14 cycles behind the comparison there, so only the words go that way. Half a step reads 64 bytes at the word pointer, at most 2 bytes x lanes from the start of the step.
/// Equality with the scalar code as in <see cref="Avx2Classified"/>.</para>
/// <para>Source: docs/format.md, section 5.8.4.</para>
/// </remarks>
internal static unsafe class Avx512Classified
{
    private const int LaneUnit = ClassifiedKernels.LaneUnit;
    internal static bool IsSupported => Avx512BW.VL.IsSupported && Avx512DQ.IsSupported && Avx512Vbmi2.IsSupported && Popcnt.IsSupported;

    // Byte 4 i + r belongs to element i of register r, which is this lane; with 32 lanes there are two registers, and the upper half of each element is of no use.
    private static ReadOnlySpan<byte> LanesOf64 =>
    [
        0, 4, 32, 36, 1, 5, 33, 37, 2, 6, 34, 38, 3, 7, 35, 39,
        8, 12, 40, 44, 9, 13, 41, 45, 10, 14, 42, 46, 11, 15, 43, 47,
        16, 20, 48, 52, 17, 21, 49, 53, 18, 22, 50, 54, 19, 23, 51, 55,
        24, 28, 56, 60, 25, 29, 57, 61, 26, 30, 58, 62, 27, 31, 59, 63,
    ];

    private static ReadOnlySpan<byte> LanesOf32 =>
    [
        0, 4, 0, 4, 1, 5, 1, 5, 2, 6, 2, 6, 3, 7, 3, 7,
        8, 12, 8, 12, 9, 13, 9, 13, 10, 14, 10, 14, 11, 15, 11, 15,
        16, 20, 16, 20, 17, 21, 17, 21, 18, 22, 18, 22, 19, 23, 19, 23,
        24, 28, 24, 28, 25, 29, 25, 29, 26, 30, 26, 30, 27, 31, 27, 31,
    ];

    // Where each lane's byte is.
    private static ReadOnlySpan<byte> Places =>
    [
        0, 4, 8, 12, 1, 5, 9, 13, 16, 20, 24, 28, 17, 21, 25, 29,
        32, 36, 40, 44, 33, 37, 41, 45, 48, 52, 56, 60, 49, 53, 57, 61,
        2, 6, 10, 14, 3, 7, 11, 15, 18, 22, 26, 30, 19, 23, 27, 31,
        34, 38, 42, 46, 35, 39, 43, 47, 50, 54, 58, 62, 51, 55, 59, 63,
    ];

    internal static int Decode(ClassifiedSteps steps, ReadOnlySpan<byte> words, int from, int to, out int read) =>
        steps.Lanes == LaneUnit ? Decode<Lanes32>(steps, words, from, to, out read) : Decode<Lanes64>(steps, words, from, to, out read);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Decode<TLanes>(ClassifiedSteps steps, ReadOnlySpan<byte> words, int from, int to, out int read)
        where TLanes : struct, ILanes
    {
        int lanes = TLanes.Count;
        ClassifiedParameters parameters = steps.Parameters;
        bool usesFar = parameters.UsesFar;
        bool mirrors = parameters.Mirrors;
        bool shifts = parameters.SizeShift != 0;
        bool skips = parameters.SkipsEmptyColumns;
        fixed (byte* firstWord = words, history = steps.History, block = steps.Block, map = steps.Map, columnClasses = steps.ColumnClasses, laneClasses = steps.LaneClasses, sizes = steps.Sizes)
        fixed (uint* states = steps.States, bounds = steps.Bounds, slots = steps.Slots)
        {
            Vector512<byte> nearTable = Table(steps.Near);
            Vector512<byte> secondTable = Table(steps.Second);
            Vector512<byte> farTable = Table(steps.Far);
            Vector512<byte> sideTable = Table(steps.Side);
            Vector512<byte> nearSign = Table(steps.NearSign);
            Vector512<byte> farSign = Table(steps.FarSign);
            Vector512<uint> slotMask = Vector512.Create((1u << parameters.PrecisionBits) - 1);
            Vector512<uint> precision = Vector512.Create((uint)parameters.PrecisionBits);
            Vector512<uint> toStart = Vector512.Create(24u - (uint)parameters.PrecisionBits);
            Vector512<byte> places = Vector512.Create(Places);
            Vector512<byte> classes = Classes<TLanes>(laneClasses);

            byte* word = firstWord;

            // Signed, because there may be no words, and then no address.
            nint lastStep = (nint)firstWord + words.Length - (lanes * sizeof(ushort));
            byte* symbols = block + (from % ClassifiedLayout.BlockColumns * lanes);
            int mask = (steps.HistoryMask * lanes) | (lanes - 1);
            int distance = Math.Max(parameters.FarDistance, 2);
            int time = steps.Time * lanes;
            int farTime = time - ((distance - 1) * lanes);
            Vector512<byte> near = Load<TLanes>(history + ((time - lanes) & mask));
            Vector512<byte> second = Load<TLanes>(history + ((time - (2 * lanes)) & mask));
            Vector512<byte> far = Load<TLanes>(history + ((farTime - lanes) & mask));
            Vector512<byte> before = Load<TLanes>(history + ((farTime - (2 * lanes)) & mask));
            Vector512<uint> x0 = Collect(states);
            Vector512<uint> x1 = Collect(states + 4);
            Vector512<uint> x2 = Collect(states + LaneUnit);
            Vector512<uint> x3 = Collect(states + LaneUnit + 4);
            Vector512<uint> bound0 = Collect(bounds);
            Vector512<uint> bound1 = Collect(bounds + 4);
            Vector512<uint> bound2 = Collect(bounds + LaneUnit);
            Vector512<uint> bound3 = Collect(bounds + LaneUnit + 4);
            nint column = from;
            for (; column < to; column++, symbols += lanes)
            {
                nint columnClass = columnClasses[column];
                Vector512<byte> now;
                Vector512<byte> after = near;
                if (columnClass == 0)
                {
                    Write<TLanes>(Vector512<byte>.Zero, symbols);
                    if (skips)
                        continue;
                    if (distance > 2)
                        after = Load<TLanes>(history + (farTime & mask));
                    now = Vector512.Create((byte)ClassifiedLayout.Neutral);
                }
                else
                {
                    if ((nint)word > lastStep)
                        break;
                    Vector512<byte> energy = Avx512BW.Shuffle(secondTable, second);
                    Vector512<byte> sign = Avx512BW.Shuffle(nearSign, near);
                    if (usesFar)
                    {
                        if (distance > 2)
                            after = Load<TLanes>(history + (farTime & mask));
                        energy += Avx512BW.Shuffle(farTable, far) + (Avx512BW.Shuffle(sideTable, before) + Avx512BW.Shuffle(sideTable, after));
                        sign += Avx512BW.Shuffle(farSign, far);
                    }

                    energy = Avx512BW.Min(energy + Avx512BW.Shuffle(nearTable, near), Vector512.Create((byte)(ClassifiedLayout.Energies - 1)));
                    byte* row = map + ((columnClass - 1) * ClassifiedLayout.Energies);
                    Vector512<uint> table = Avx512Vbmi.PermuteVar64x8x2(Vector512.Load(row), energy | classes, Vector512.Load(row + Vector512<byte>.Count)).AsUInt32();

                    Vector512<uint> entry0 = Entries(slots, x0, table << 24, toStart, slotMask);
                    Vector512<uint> entry1 = Entries(slots, x1, table << 16, toStart, slotMask);
                    Vector512<uint> packed = Vector512.ConditionalSelect(Vector512.Create(0xFFu), entry0, entry1 << 8);
                    Vector512<uint> entry2 = default;
                    Vector512<uint> entry3 = default;
                    if (TLanes.Count > LaneUnit)
                    {
                        entry2 = Entries(slots, x2, table << 8, toStart, slotMask);
                        entry3 = Entries(slots, x3, table, toStart, slotMask);
                        packed = Vector512.ConditionalSelect(Vector512.Create(0xFFFFu), packed, Vector512.ConditionalSelect(Vector512.Create(0xFF0000u), entry2 << 16, entry3 << 24));
                    }

                    Vector512<sbyte> symbol = packed.AsSByte();
                    if (mirrors)
                        symbol = Vector512.ConditionalSelect(Vector512.LessThan(sign.AsSByte(), Vector512<sbyte>.Zero), Vector512<sbyte>.Zero - symbol, symbol);
                    now = shifts ? SignedSize(symbol, sizes) : SignedSize(symbol);
                    Write<TLanes>(Avx512Vbmi.PermuteVar64x8(symbol.AsByte(), places), symbols);
                    word = Advance(ref x0, ref x1, entry0, entry1, precision, bound0, bound1, word);
                    if (TLanes.Count > LaneUnit)
                        word = Advance(ref x2, ref x3, entry2, entry3, precision, bound2, bound3, word);
                }

                Keep<TLanes>(now, history + (time & mask));
                before = far;
                far = after;
                second = near;
                near = now;
                time += lanes;
                farTime += lanes;
            }

            steps.Time += (time - (steps.Time * lanes)) / lanes;
            Spread(x0, states);
            Spread(x1, states + 4);
            if (TLanes.Count > LaneUnit)
            {
                Spread(x2, states + LaneUnit);
                Spread(x3, states + LaneUnit + 4);
            }

            read = (int)(word - firstWord);
            return (int)column - from;
        }
    }

    // D3 and the entry of the slot for sixteen lanes; the table's number is the highest byte of each element, the bits below are anything.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Entries(uint* slots, Vector512<uint> state, Vector512<uint> table, Vector512<uint> toStart, Vector512<uint> slotMask)
    {
        Vector512<uint> slot = Vector512.ConditionalSelect(slotMask, state, Avx512F.ShiftRightLogicalVariable(table, toStart));
        Vector256<uint> lower = Four(slots, slot.GetLower().GetLower()).ToVector256Unsafe().WithUpper(Four(slots, Avx512F.ExtractVector128(slot, 1)));
        Vector256<uint> upper = Four(slots, Avx512F.ExtractVector128(slot, 2)).ToVector256Unsafe().WithUpper(Four(slots, Avx512F.ExtractVector128(slot, 3)));
        return lower.ToVector512Unsafe().WithUpper(upper);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Four(uint* slots, Vector128<uint> index) =>
        Sse2.UnpackLow(Two(slots, index.AsUInt64().ToScalar()).AsUInt64(), Two(slots, index.AsUInt64().GetElement(1)).AsUInt64()).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Two(uint* slots, ulong index) => Sse41.Insert(Vector128.CreateScalar(slots[(uint)index]), slots[index >> 32], 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> SignedSize(Vector512<sbyte> symbol) =>
        (Avx512BW.Max(Avx512BW.Min(symbol, Vector512.Create((sbyte)ClassifiedLayout.MaxSize)), Vector512.Create((sbyte)-ClassifiedLayout.MaxSize)) + Vector512.Create((sbyte)ClassifiedLayout.Neutral)).AsByte();

    // Where low bits are left out: by tables of the symbols below zero and of the others, since one permutation tells 128 bytes apart.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> SignedSize(Vector512<sbyte> symbol, byte* sizes)
    {
        Vector512<byte> index = symbol.AsByte();
        Vector512<byte> others = Avx512Vbmi.PermuteVar64x8x2(Vector512.Load(sizes), index, Vector512.Load(sizes + 64));
        Vector512<byte> below = Avx512Vbmi.PermuteVar64x8x2(Vector512.Load(sizes + 128), index, Vector512.Load(sizes + 192));
        Vector512<sbyte> sign = Avx512BW.Max(Avx512BW.Min(symbol, Vector512<sbyte>.Zero), Vector512.Create((sbyte)-1));
        return Vector512.ConditionalSelect(sign.AsByte(), below, others);
    }

    // D5 and D6 for 32 lanes. A state that takes a word is moved up by 16 bits, which are the word's.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* Advance(
        ref Vector512<uint> first, ref Vector512<uint> last, Vector512<uint> firstEntry, Vector512<uint> lastEntry, Vector512<uint> precision, Vector512<uint> firstBound, Vector512<uint> lastBound, byte* word)
    {
        Vector512<uint> x = Next(first, firstEntry, precision);
        Vector512<uint> y = Next(last, lastEntry, precision);
        Vector512<int> firstMargin = (x - firstBound).AsInt32();
        Vector512<int> lastMargin = (y - lastBound).AsInt32();
        Vector512<short> small = Vector512.LessThan(Avx512BW.PackSignedSaturate(firstMargin, lastMargin), Vector512<short>.Zero);
        Vector512<short> taken = Avx512Vbmi2.Expand(Vector512<short>.Zero, small, Vector512.Load((short*)word));
        first = Up(x, firstMargin) | Avx512BW.UnpackLow(taken, Vector512<short>.Zero).AsUInt32();
        last = Up(y, lastMargin) | Avx512BW.UnpackHigh(taken, Vector512<short>.Zero).AsUInt32();
        return word + (sizeof(ushort) * (nuint)(uint)BitOperations.PopCount((uint)small.ExtractMostSignificantBits()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Next(Vector512<uint> state, Vector512<uint> entry, Vector512<uint> precision) =>
        Avx512F.MultiplyLow(entry >>> 20, Avx512F.ShiftRightLogicalVariable(state, precision)) + ((entry >>> 8) & Vector512.Create(0xFFFu));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Up(Vector512<uint> state, Vector512<int> margin) =>
        Avx512F.ShiftLeftLogicalVariable(state, (margin.AsUInt32() >>> 27) & Vector512.Create((uint)RansConstants.WordBits));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Collect(uint* lanes) => Vector512.Create(
        Vector256.Create(Vector128.Load(lanes), Vector128.Load(lanes + 8)), Vector256.Create(Vector128.Load(lanes + 16), Vector128.Load(lanes + 24)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Spread(Vector512<uint> vector, uint* lanes)
    {
        vector.GetLower().GetLower().Store(lanes);
        vector.GetLower().GetUpper().Store(lanes + 8);
        vector.GetUpper().GetLower().Store(lanes + 16);
        vector.GetUpper().GetUpper().Store(lanes + 24);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Load<TLanes>(byte* step)
        where TLanes : struct, ILanes =>
        TLanes.Count > LaneUnit ? Vector512.Load(step) : Avx512F.ConvertToVector512UInt32(Vector256.Load((ushort*)step)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Keep<TLanes>(Vector512<byte> sizes, byte* step)
        where TLanes : struct, ILanes
    {
        if (TLanes.Count > LaneUnit)
            sizes.Store(step);
        else
            Avx512F.ConvertToVector256UInt16(sizes.AsUInt32()).Store((ushort*)step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write<TLanes>(Vector512<byte> symbols, byte* target)
        where TLanes : struct, ILanes
    {
        if (TLanes.Count > LaneUnit)
            symbols.Store(target);
        else
            symbols.GetLower().Store(target);
    }

    // The rows of the map that the lanes look into: class less one, times sixteen. Lanes without a row have any.
    private static Vector512<byte> Classes<TLanes>(byte* laneClasses)
        where TLanes : struct, ILanes
    {
        Vector512<byte> own = Avx512Vbmi.PermuteVar64x8(Vector512.Load(laneClasses), Vector512.Create(TLanes.Count > LaneUnit ? LanesOf64 : LanesOf32));
        return ((Avx512BW.Max(own, Vector512<byte>.One) - Vector512<byte>.One).AsUInt16() << 4).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Table(ReadOnlySpan<byte> sixteen)
    {
        Vector128<byte> quarter = Vector128.Create(sixteen);
        Vector256<byte> half = Vector256.Create(quarter, quarter);
        return Vector512.Create(half, half);
    }

    // Two loops of constants, from one text.
    private interface ILanes
    {
        public static abstract int Count { get; }
    }

    private readonly struct Lanes32 : ILanes
    {
        public static int Count => LaneUnit;
    }

    private readonly struct Lanes64 : ILanes
    {
        public static int Count => 2 * LaneUnit;
    }
}
