using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Classified.Kernels;

/// <summary>What a kernel needs to decode columns of one row of every lane, and what it leaves for the next. Source: docs/format.md, section 5.8.4.</summary>
internal sealed class ClassifiedSteps : IDisposable
{
    private readonly byte[] laneClasses = new byte[RansReader.MaxLanes];
    private bool knowsClasses;

    internal ClassifiedSteps(in ClassifiedParameters parameters, FrequencyTable[] tables, byte[] map, byte[] columnClasses, int firstSymbol)
    {
        Parameters = parameters;
        Map = map;
        ColumnClasses = columnClasses;
        Lanes = RansConstants.LaneCounts[parameters.LaneCode];
        Slots = BuildSlots(tables, parameters.PrecisionBits, firstSymbol);
        int steps = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(parameters.FarDistance, 2) + 2);
        HistoryMask = steps - 1;
        History = ArrayPool<byte>.Shared.Rent(steps * Lanes);
        History.AsSpan(0, steps * Lanes).Fill(ClassifiedLayout.Neutral);
        Block = new byte[ClassifiedLayout.BlockColumns * Lanes];
        Near = Weights(parameters.NearWeight);
        Second = Weights(parameters.SecondWeight);
        Far = Weights(parameters.FarWeight);
        Side = Weights(parameters.SideWeight);
        Sizes = SignedSizes(parameters.SizeShift);
        NearSign = Signs(parameters.SignOfNear);
        FarSign = Signs(parameters.SignOfFar);
    }

    internal ClassifiedParameters Parameters { get; }

    /// <summary>Lanes of a step, also those that have nothing to do.</summary>
    internal int Lanes { get; }

    /// <summary>Lanes that have a row now: always the first ones.</summary>
    internal int Active { get; private set; }

    /// <summary>The states, one for each lane; those of lanes that have no row are of no use after a kernel ran.</summary>
    internal uint[] States { get; } = new uint[RansReader.MaxLanes];

    /// <summary>Table t at t x 2^precision: as <see cref="SlotTable.Packed"/>.</summary>
    internal uint[] Slots { get; }

    /// <summary>Tables by scale and energy, <see cref="ClassifiedLayout.MapLength"/> bytes.</summary>
    internal byte[] Map { get; }

    /// <summary>0 for an empty column.</summary>
    internal byte[] ColumnClasses { get; }

    /// <summary>Signed sizes of the last steps, a step after the other, in a ring; the lanes of a step in an order that each kernel chooses.</summary>
    internal byte[] History { get; }

    /// <summary>Steps of the ring minus 1.</summary>
    internal int HistoryMask { get; }

    /// <summary>The number of the next step, modulo 2^32.</summary>
    internal int Time { get; set; }

    /// <summary>Receives symbols, a column after the other, one byte for each lane.</summary>
    internal byte[] Block { get; }

    /// <summary>The signed size of each symbol, as a byte.</summary>
    internal byte[] Sizes { get; }

    /// <summary>Part of the energy of a neighbour, by its signed size: of the one 1 back.</summary>
    internal byte[] Near { get; }

    /// <summary>2 back.</summary>
    internal byte[] Second { get; }

    /// <summary>At the far distance.</summary>
    internal byte[] Far { get; }

    /// <summary>One step before and one after that.</summary>
    internal byte[] Side { get; }

    /// <summary>Part of the expected sign, by the signed size of the neighbour 1 back.</summary>
    internal byte[] NearSign { get; }

    /// <summary>At the far distance.</summary>
    internal byte[] FarSign { get; }

    /// <summary>The row class of each lane.</summary>
    internal ReadOnlySpan<byte> LaneClasses => laneClasses;

    /// <summary>The row classes that occur among the lanes, <see cref="ClassCount"/> of them.</summary>
    internal byte[] PresentClasses { get; } = new byte[ClassifiedLayout.Classes];

    internal int ClassCount { get; private set; }

    /// <summary>For each present class a byte of ones for each lane that has it.</summary>
    internal byte[] ClassMasks { get; } = new byte[ClassifiedLayout.Classes * RansReader.MaxLanes];

    /// <summary>The state below which each lane takes a word: 0, so never, for one that has no row.</summary>
    internal uint[] Bounds { get; } = new uint[RansReader.MaxLanes];

    /// <summary>Goes to the next row of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void BeginRow(ReadOnlySpan<byte> classes)
    {
        if (classes.Length != Active)
        {
            Active = classes.Length;
            laneClasses.AsSpan().Clear();
            Bounds.AsSpan().Clear();
            Bounds.AsSpan(0, Active).Fill(RansConstants.LowerBound);
        }

        classes.CopyTo(laneClasses);
        knowsClasses = false;
    }

    /// <summary>Finds <see cref="PresentClasses"/> and <see cref="ClassMasks"/> of the current row, for the kernel that needs them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void FindClasses()
    {
        if (knowsClasses)
            return;
        knowsClasses = true;
        ClassCount = 0;
        for (byte value = 1; value < ClassifiedLayout.Classes; value++)
        {
            Span<byte> mask = ClassMasks.AsSpan(ClassCount * RansReader.MaxLanes, RansReader.MaxLanes);
            Vector128<byte> any = Vector128<byte>.Zero;
            for (int lane = 0; lane < mask.Length; lane += Vector128<byte>.Count)
            {
                Vector128<byte> same = Vector128.Equals(Vector128.Create(laneClasses.AsSpan(lane, Vector128<byte>.Count)), Vector128.Create(value));
                same.CopyTo(mask[lane..]);
                any |= same;
            }

            // A class that does not occur is overwritten by the next.
            if (any != Vector128<byte>.Zero)
                PresentClasses[ClassCount++] = value;
        }
    }

    /// <summary>Gives back what was rented.</summary>
    public void Dispose()
    {
        ArrayPool<uint>.Shared.Return(Slots);
        ArrayPool<byte>.Shared.Return(History);
    }

    /// <summary>What a neighbour of each signed size adds to the energy.</summary>
    internal static byte[] Weights(int weight)
    {
        var table = new byte[16];
        for (int size = 1; size <= ClassifiedLayout.MaxSize; size++)
            table[ClassifiedLayout.Neutral + size] = table[ClassifiedLayout.Neutral - size] = (byte)(weight * size);
        return table;
    }

    /// <summary>What a neighbour of each signed size adds to the expected sign.</summary>
    internal static byte[] Signs(bool counts)
    {
        var table = new byte[16];
        for (int size = -ClassifiedLayout.MaxSize; size <= ClassifiedLayout.MaxSize; size++)
            table[ClassifiedLayout.Neutral + size] = counts ? (byte)size : (byte)0;
        return table;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static byte[] SignedSizes(int shift)
    {
        var sizes = new byte[256];
        for (int symbol = sbyte.MinValue; symbol <= sbyte.MaxValue; symbol++)
            sizes[(byte)symbol] = ClassifiedLayout.SignedSize(symbol, shift);
        return sizes;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static uint[] BuildSlots(FrequencyTable[] tables, int precisionBits, int firstSymbol)
    {
        uint[] slots = ArrayPool<uint>.Shared.Rent((tables.Length << precisionBits) + SlotTable.Padding);
        Span<uint> free = slots;
        foreach (FrequencyTable table in tables)
        {
            ReadOnlySpan<ushort> frequencies = table.Frequencies;
            for (int symbol = 0; symbol < frequencies.Length; symbol++)
            {
                SlotTable.FillPacked(free, frequencies[symbol], (byte)(firstSymbol + symbol));
                free = free[frequencies[symbol]..];
            }
        }

        return slots;
    }
}
