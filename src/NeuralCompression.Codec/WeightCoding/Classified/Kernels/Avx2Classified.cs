using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Classified.Kernels;

/// <summary>AVX2: contexts of 32 lanes in one register of bytes, states of eight in one of integers.</summary>
/// <remarks>
/// <para>For 32 lanes: neighbours (1, 2 and the far distance back) are contiguous bytes of the history, in [1, 15]; a shuffle of a table of 16 gives each one's part of the energy and of the expected
/// sign. The energy, at most 15, is the index into the row of the map that belongs to the scale: one shuffle for each row class among the lanes, kept where the lane has that class.
/// The slots are eight single loads, as in <see cref="Avx2Rans"/>, which also explains the words: 16 bytes are read at the word pointer, at most 2 bytes x lanes from the start of the step.</para>
/// <para>Equality with the scalar code: bytes of parts are at most 21, so five of them do not overflow; sums of two sizes with signs fit in a signed byte; states of idle lanes take no words
/// and are dropped by the caller, as are their symbols. |-128| is 128 as an unsigned byte.</para>
/// <para>Source: docs/format.md, section 5.8.4.</para>
/// </remarks>
internal static unsafe class Avx2Classified
{
    private const int LaneUnit = ClassifiedKernels.LaneUnit;
    private const int VectorLanes = 8;
    private const int Alignment = 64;

    // What a half step works on lies together, so that one register points to all of it: states, the slots they select, and below what they take a word.
    private const int Index = LaneUnit;
    private const int Bound = 2 * LaneUnit;
    private const int WorkLanes = 3 * LaneUnit;

    // Row m moves the i-th of eight words to the i-th lane whose bit is set in m: a byte shuffle, so that words are moved while they are short.
    private static readonly byte* Expansions = BuildExpansions();

    internal static bool IsSupported => Avx2Rans.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Decode(ClassifiedSteps steps, ReadOnlySpan<byte> words, int from, int to, out int read)
    {
        steps.FindClasses();
        int lanes = steps.Lanes;
        int halves = lanes / LaneUnit;
        uint* room = stackalloc uint[(RansReader.MaxLanes / LaneUnit * WorkLanes) + (Alignment / sizeof(uint))];
        var work = (uint*)(((nuint)room + Alignment - 1) & ~(nuint)(Alignment - 1));
        for (int half = 0; half < halves; half++)
        {
            steps.States.AsSpan(half * LaneUnit, LaneUnit).CopyTo(new Span<uint>(work + (half * WorkLanes), LaneUnit));
            steps.Bounds.AsSpan(half * LaneUnit, LaneUnit).CopyTo(new Span<uint>(work + (half * WorkLanes) + Bound, LaneUnit));
        }

        ClassifiedParameters parameters = steps.Parameters;
        fixed (byte* firstWord = words, history = steps.History, block = steps.Block, map = steps.Map, columnClasses = steps.ColumnClasses)
        fixed (byte* present = steps.PresentClasses, masks = steps.ClassMasks)
        fixed (uint* slots = steps.Slots)
        {
            var tables = new Tables
            {
                Near = Table(steps.Near),
                Second = Table(steps.Second),
                Far = Table(steps.Far),
                Side = Table(steps.Side),
                NearSign = Table(steps.NearSign),
                FarSign = Table(steps.FarSign),
                Slots = slots,
                Expansions = Expansions,
                Classes = steps.ClassCount,
                Precision = Vector256.Create((uint)parameters.PrecisionBits),
                SlotMask = Vector256.Create((1u << parameters.PrecisionBits) - 1),
                Shift = Vector128.CreateScalar((ushort)parameters.SizeShift),
                Half = Vector256.Create((byte)((1 << parameters.SizeShift) >> 1)),
                Kept = Vector256.Create((byte)(0xFF >> parameters.SizeShift)),
                UsesFar = parameters.UsesFar,
                Mirrors = parameters.Mirrors,
            };
            for (int i = 0; i < tables.Classes; i++)
                tables.Rows[i] = present[i] * ClassifiedLayout.Energies;
            byte* word = firstWord;
            byte* wordEnd = firstWord + words.Length;
            int step = lanes * sizeof(ushort);
            int mask = steps.HistoryMask;
            int far = Math.Max(parameters.FarDistance, 2);
            int time = steps.Time;
            bool skips = parameters.SkipsEmptyColumns;
            int column = from;
            for (; column < to; column++)
            {
                byte* now = history + ((time & mask) * lanes);
                byte* symbols = block + ((column % ClassifiedLayout.BlockColumns) * lanes);
                int columnClass = columnClasses[column];
                if (columnClass == 0)
                {
                    new Span<byte>(symbols, lanes).Clear();
                    if (!skips)
                    {
                        new Span<byte>(now, lanes).Fill(ClassifiedLayout.Neutral);
                        time++;
                    }

                    continue;
                }

                if (wordEnd - word < step)
                    break;
                byte* near = history + (((time - 1) & mask) * lanes);
                byte* second = history + (((time - 2) & mask) * lanes);
                byte* farther = history + (((time - far) & mask) * lanes);
                byte* before = history + (((time - far - 1) & mask) * lanes);
                byte* after = history + (((time - far + 1) & mask) * lanes);
                tables.Map = map + ((columnClass - 2) * ClassifiedLayout.Energies);
                word = DecodeHalf(&tables, work, near, second, farther, before, after, masks, word, symbols, now);
                if (halves > 1)
                {
                    word = DecodeHalf(
                        &tables, work + WorkLanes, near + LaneUnit, second + LaneUnit, farther + LaneUnit, before + LaneUnit, after + LaneUnit, masks + LaneUnit, word, symbols + LaneUnit, now + LaneUnit);
                }

                time++;
            }

            steps.Time = time;
            for (int half = 0; half < halves; half++)
                new Span<uint>(work + (half * WorkLanes), LaneUnit).CopyTo(steps.States.AsSpan(half * LaneUnit));
            read = (int)(word - firstWord);
            return column - from;
        }
    }

    // One symbol of 32 lanes. A method of its own: inlined twice it has more locals than the compiler keeps track of. The symbols come first, because the contexts of the next column wait for
    // them; the states, which wait for the words of the lanes before, are computed beside those.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static byte* DecodeHalf(
        Tables* tables, uint* work, byte* near, byte* second, byte* far, byte* before, byte* after, byte* masks, byte* word, byte* block, byte* now)
    {
        Vector256<byte> beside = Vector256.Load(near);
        Vector256<byte> energy = Avx2.Shuffle(tables->Near, beside) + Avx2.Shuffle(tables->Second, Vector256.Load(second));
        Vector256<byte> sign = Avx2.Shuffle(tables->NearSign, beside);
        if (tables->UsesFar)
        {
            Vector256<byte> above = Vector256.Load(far);
            energy += Avx2.Shuffle(tables->Far, above) + (Avx2.Shuffle(tables->Side, Vector256.Load(before)) + Avx2.Shuffle(tables->Side, Vector256.Load(after)));
            sign += Avx2.Shuffle(tables->FarSign, above);
        }

        energy = Avx2.Min(energy, Vector256.Create((byte)(ClassifiedLayout.Energies - 1)));
        byte* map = tables->Map;
        long* rows = tables->Rows;
        Vector256<byte> table = Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(map + rows[0]), energy);
        if (tables->Classes > 1)
        {
            table &= Vector256.Load(masks);
            long* end = rows + tables->Classes;
            while (++rows != end)
            {
                masks += RansReader.MaxLanes;
                table |= Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(map + *rows), energy) & Vector256.Load(masks);
            }
        }

        Vector128<byte> upper = table.GetUpper();
        Select(tables, work, table.GetLower());
        Select(tables, work + VectorLanes, Sse2.ShiftRightLogical128BitLane(table.GetLower(), VectorLanes));
        Select(tables, work + (2 * VectorLanes), upper);
        Select(tables, work + (3 * VectorLanes), Sse2.ShiftRightLogical128BitLane(upper, VectorLanes));
        uint* slots = tables->Slots;
        Vector256<uint> entries0 = Entries(slots, work + Index);
        Vector256<uint> entries1 = Entries(slots, work + Index + VectorLanes);
        Vector256<uint> entries2 = Entries(slots, work + Index + (2 * VectorLanes));
        Vector256<uint> entries3 = Entries(slots, work + Index + (3 * VectorLanes));

        // Packing works within 128-bit halves, so groups of four lanes come out as 0 2 4 6 1 3 5 7 of the eight groups.
        Vector256<uint> low = Vector256.Create(0xFFu);
        Vector256<ushort> first = Avx2.PackUnsignedSaturate((entries0 & low).AsInt32(), (entries1 & low).AsInt32());
        Vector256<ushort> last = Avx2.PackUnsignedSaturate((entries2 & low).AsInt32(), (entries3 & low).AsInt32());
        Vector256<int> packed = Avx2.PackUnsignedSaturate(first.AsInt16(), last.AsInt16()).AsInt32();
        Vector256<sbyte> symbols = Avx2.PermuteVar8x32(packed, Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7)).AsSByte();
        if (tables->Mirrors)
            symbols = Avx2.Sign(symbols, (sign | Vector256<byte>.One).AsSByte());
        Vector256<ushort> rounded = Avx2.AddSaturate(Avx2.Abs(symbols), tables->Half).AsUInt16();
        Vector256<byte> size = Avx2.ShiftRightLogical(rounded, tables->Shift).AsByte() & tables->Kept;
        size = Avx2.Min(size, Vector256.Create((byte)ClassifiedLayout.MaxSize));
        (Avx2.Sign(size.AsSByte(), symbols).AsByte() + Vector256.Create((byte)ClassifiedLayout.Neutral)).Store(now);
        symbols.AsByte().Store(block);

        byte* expansions = tables->Expansions;
        Vector256<uint> precision = tables->Precision;
        word = Advance(work, entries0, precision, expansions, word);
        word = Advance(work + VectorLanes, entries1, precision, expansions, word);
        word = Advance(work + (2 * VectorLanes), entries2, precision, expansions, word);
        return Advance(work + (3 * VectorLanes), entries3, precision, expansions, word);
    }

    // D3 for eight lanes: the number of their slot among those of all tables.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Select(Tables* tables, uint* work, Vector128<byte> table)
    {
        Vector256<uint> start = Avx2.ShiftLeftLogicalVariable(Avx2.ConvertToVector256Int32(table).AsUInt32(), tables->Precision);
        ((Vector256.Load(work) & tables->SlotMask) | start).Store(work + Index);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Entries(uint* slots, uint* index) => Vector256.Create(
        slots[index[0]], slots[index[1]], slots[index[2]], slots[index[3]], slots[index[4]], slots[index[5]], slots[index[6]], slots[index[7]]);

    // D5 and D6 for eight lanes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* Advance(uint* work, Vector256<uint> entry, Vector256<uint> precision, byte* expansions, byte* word)
    {
        Vector256<uint> quotient = Avx2.ShiftRightLogicalVariable(Vector256.Load(work), precision);
        Vector256<uint> x = Avx2.MultiplyLow(Vector256.ShiftRightLogical(entry, 20), quotient) + (Vector256.ShiftRightLogical(entry, 8) & Vector256.Create(0xFFFu));
        Vector256<int> small = Avx2.CompareGreaterThan(Vector256.Load(work + Bound).AsInt32(), x.AsInt32());
        var mask = (nuint)(uint)Avx.MoveMask(small.AsSingle());
        Vector256<uint> spread = Avx2.ConvertToVector256Int32(Ssse3.Shuffle(Vector128.Load(word), Vector128.Load(expansions + (mask * (nuint)Vector128<byte>.Count))).AsUInt16()).AsUInt32();
        Avx2.BlendVariable(x, Vector256.ShiftLeft(x, RansConstants.WordBits) | spread, small.AsUInt32()).Store(work);
        return word + (sizeof(ushort) * (nuint)BitOperations.PopCount(mask));
    }

    private static Vector256<byte> Table(ReadOnlySpan<byte> sixteen)
    {
        Vector128<byte> half = Vector128.Create(sixteen);
        return Vector256.Create(half, half);
    }

    private static byte* BuildExpansions()
    {
        int row = Vector128<byte>.Count;
        var table = (byte*)NativeMemory.AlignedAlloc((nuint)(256 * row), Alignment);
        for (int mask = 0; mask < 256; mask++)
        {
            int next = 0;
            for (int lane = 0; lane < VectorLanes; lane++)
            {
                int word = ((mask >> lane) & 1) != 0 ? next++ : 0;
                table[(mask * row) + (2 * lane)] = (byte)(2 * word);
                table[(mask * row) + (2 * lane) + 1] = (byte)((2 * word) + 1);
            }
        }

        return table;
    }

    // Everything that stays the same for a call, and the map's row for column and row class 0, which depends on the column.
    private struct Tables
    {
        internal Vector256<byte> Near, Second, Far, Side, NearSign, FarSign, Half, Kept;
        internal Vector256<uint> SlotMask, Precision;
        internal Vector128<ushort> Shift;
        internal uint* Slots;
        internal byte* Map, Expansions;
        internal int Classes;
        internal bool UsesFar, Mirrors;
        internal fixed long Rows[ClassifiedLayout.Classes];
    }
}
