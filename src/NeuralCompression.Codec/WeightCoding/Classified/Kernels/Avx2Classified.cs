using System.Numerics;
using System.Runtime.CompilerServices;
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
    /// <summary>Lanes of one register of contexts.</summary>
    internal const int LaneUnit = 32;

    private const int VectorLanes = 8;
    private const int Alignment = 64;

    internal static bool IsSupported => Avx2Rans.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Decode(ClassifiedSteps steps, ReadOnlySpan<byte> words, int from, int to, out int read)
    {
        int lanes = steps.Lanes;
        uint* room = stackalloc uint[RansReader.MaxLanes + LaneUnit + (2 * Alignment / sizeof(uint))];
        var state = (uint*)(((nuint)room + Alignment - 1) & ~(nuint)(Alignment - 1));
        steps.States.AsSpan(0, lanes).CopyTo(new Span<uint>(state, lanes));
        ClassifiedParameters parameters = steps.Parameters;
        fixed (byte* firstWord = words, history = steps.History, block = steps.Block, map = steps.Map, columnClasses = steps.ColumnClasses)
        fixed (byte* present = steps.PresentClasses, masks = steps.ClassMasks)
        fixed (uint* slots = steps.Slots, active = steps.ActiveMasks)
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
                State = state,
                Index = state + RansReader.MaxLanes,
                Active = active,
                Masks = masks,
                Present = present,
                Expansions = Avx2Rans.Expansions,
                Classes = steps.ClassCount,
                Precision = Vector128.CreateScalar((uint)parameters.PrecisionBits),
                SlotMask = Vector256.Create((1u << parameters.PrecisionBits) - 1),
                Shift = Vector128.CreateScalar((ushort)parameters.SizeShift),
                Half = Vector256.Create((byte)((1 << parameters.SizeShift) >> 1)),
                Kept = Vector256.Create((byte)(0xFF >> parameters.SizeShift)),
                UsesFar = parameters.UsesFar,
                Mirrors = parameters.Mirrors,
            };
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
                int columnClass = columnClasses[column];
                if (columnClass == 0)
                {
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
                byte* symbols = block + ((column % ClassifiedLayout.BlockColumns) * lanes);
                byte* rows = map + ((columnClass - 2) * ClassifiedLayout.Energies);
                for (int lane = 0; lane < lanes; lane += LaneUnit)
                    word = DecodeHalf(&tables, lane, near + lane, second + lane, farther + lane, before + lane, after + lane, rows, word, symbols + lane, now + lane);
                time++;
            }

            steps.Time = time;
            new Span<uint>(state, lanes).CopyTo(steps.States);
            read = (int)(word - firstWord);
            return column - from;
        }
    }

    // One symbol of 32 lanes. A method of its own: inlined twice it has more locals than the compiler keeps track of.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static byte* DecodeHalf(
        Tables* tables, int lane, byte* near, byte* second, byte* far, byte* before, byte* after, byte* rows, byte* word, byte* block, byte* now)
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
        Vector256<byte> table = Vector256<byte>.Zero;
        for (int i = 0; i < tables->Classes; i++)
        {
            Vector256<byte> row = Avx2.BroadcastVector128ToVector256(rows + (tables->Present[i] * ClassifiedLayout.Energies));
            table |= Avx2.Shuffle(row, energy) & Vector256.Load(tables->Masks + (i * RansReader.MaxLanes) + lane);
        }

        Vector256<uint> symbols0 = DecodeVector(tables, lane, table.GetLower(), ref word);
        Vector256<uint> symbols1 = DecodeVector(tables, lane + 8, Sse2.ShiftRightLogical128BitLane(table.GetLower(), 8), ref word);
        Vector256<uint> symbols2 = DecodeVector(tables, lane + 16, table.GetUpper(), ref word);
        Vector256<uint> symbols3 = DecodeVector(tables, lane + 24, Sse2.ShiftRightLogical128BitLane(table.GetUpper(), 8), ref word);

        // Packing works within 128-bit halves, so groups of four lanes come out as 0 2 4 6 1 3 5 7 of the eight groups.
        Vector256<ushort> low = Avx2.PackUnsignedSaturate(symbols0.AsInt32(), symbols1.AsInt32());
        Vector256<ushort> high = Avx2.PackUnsignedSaturate(symbols2.AsInt32(), symbols3.AsInt32());
        Vector256<int> packed = Avx2.PackUnsignedSaturate(low.AsInt16(), high.AsInt16()).AsInt32();
        Vector256<sbyte> symbols = Avx2.PermuteVar8x32(packed, Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7)).AsSByte();
        if (tables->Mirrors)
            symbols = Avx2.Sign(symbols, (sign | Vector256<byte>.One).AsSByte());
        symbols.AsByte().Store(block);

        Vector256<ushort> rounded = Avx2.AddSaturate(Avx2.Abs(symbols), tables->Half).AsUInt16();
        Vector256<byte> size = Avx2.ShiftRightLogical(rounded, tables->Shift).AsByte() & tables->Kept;
        size = Avx2.Min(size, Vector256.Create((byte)ClassifiedLayout.MaxSize));
        (Avx2.Sign(size.AsSByte(), symbols).AsByte() + Vector256.Create((byte)ClassifiedLayout.Neutral)).Store(now);
        return word;
    }

    // D3 to D6 for eight lanes; the symbols are returned.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> DecodeVector(Tables* tables, int lane, Vector128<byte> table, ref byte* word)
    {
        uint* state = tables->State + lane;
        uint* index = tables->Index + (lane & (LaneUnit - 1));
        Vector256<uint> x = Vector256.Load(state);
        Vector256<uint> start = Avx2.ShiftLeftLogical(Avx2.ConvertToVector256Int32(table).AsUInt32(), tables->Precision);
        ((x & tables->SlotMask) | start).Store(index);
        uint* slots = tables->Slots;
        Vector256<uint> entry = Vector256.Create(
            slots[index[0]], slots[index[1]], slots[index[2]], slots[index[3]], slots[index[4]], slots[index[5]], slots[index[6]], slots[index[7]]);

        Vector256<uint> quotient = Avx2.ShiftRightLogical(x, tables->Precision);
        x = Avx2.MultiplyLow(Vector256.ShiftRightLogical(entry, 20), quotient) + (Vector256.ShiftRightLogical(entry, 8) & Vector256.Create(0xFFFu));
        Vector256<int> small = Avx2.CompareGreaterThan(Vector256.Create((int)RansConstants.LowerBound), x.AsInt32()) & Vector256.Load(tables->Active + lane).AsInt32();
        uint mask = (uint)Avx.MoveMask(small.AsSingle());
        Vector256<int> loaded = Avx2.ConvertToVector256Int32((ushort*)word);
        Vector256<int> spread = Avx2.PermuteVar8x32(loaded, Avx2.ConvertToVector256Int32(tables->Expansions + (mask * VectorLanes)));
        Vector256<uint> grown = Vector256.ShiftLeft(x, RansConstants.WordBits) | spread.AsUInt32();
        Avx2.BlendVariable(x, grown, small.AsUInt32()).Store(state);
        word += BitOperations.PopCount(mask) * sizeof(ushort);
        return entry & Vector256.Create(0xFFu);
    }

    private static Vector256<byte> Table(ReadOnlySpan<byte> sixteen)
    {
        Vector128<byte> half = Vector128.Create(sixteen);
        return Vector256.Create(half, half);
    }

    // Everything that stays the same for a call.
    private struct Tables
    {
        internal Vector256<byte> Near, Second, Far, Side, NearSign, FarSign, Half, Kept;
        internal Vector256<uint> SlotMask;
        internal Vector128<uint> Precision;
        internal Vector128<ushort> Shift;
        internal uint* Slots, State, Index, Active;
        internal byte* Masks, Present, Expansions;
        internal int Classes;
        internal bool UsesFar, Mirrors;
    }
}
