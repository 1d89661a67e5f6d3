using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Turns weights into binary decisions and contexts; one for each segment. Source: docs/format.md, section 5.6.</summary>
internal sealed class WeightModel
{
    /// <summary>Magnitudes (without their low bits) up to this are coded one by one, larger ones by Exp-Golomb.</summary>
    internal const int MaxUnary = 14;

    /// <summary>Periods up to this give every position a context of its own.</summary>
    internal const int MaxPositions = 64;

    private const int Levels = 16;
    private const int Energies = 24;
    private const int ScaleWindow = 255;
    private const int ScaleShrink = 4;
    private const int MaxTailMagnitude = 255;
    private const int HistoryLength = 1 << 16;

    private readonly int columns;
    private readonly int period;
    private readonly int positions;
    private readonly int before;
    private readonly int kernelAbove;
    private readonly int center;
    private readonly int lowBits;
    private readonly bool plainSigns;
    private readonly int negativeLimit;
    private readonly int positiveLimit;
    private readonly int unary;
    private readonly int scaleLog;
    private readonly int scale;
    private readonly DecisionMixer magnitudes;
    private readonly DecisionMixer signs;
    private readonly uint[] tail = new uint[TailEscapeBits + (TailLengths * 4) + ((MaxUnary + 2) * 8)];
    private readonly int[] columnScales;
    private readonly byte[] sizes;
    private readonly byte[] sides;
    private readonly int margin;
    private readonly bool emptyLines;
    private readonly uint[] lines = new uint[6];
    private int[]? liveColumns;
    private int cursor;
    private int row;
    private int rowScale;
    private bool wasEmpty;

    private const int TailEscapeBits = 20;
    private const int TailLengths = 20;

    internal WeightModel(MixingParameters parameters, int columns, int length, int min, int max)
    {
        this.columns = columns;
        period = parameters.Period;
        positions = period <= MaxPositions ? period : 1;

        // Without a period the weight above takes the part of the related one.
        before = period == 1 ? columns : period;

        // Of a square kernel the row above; else the row above in the tensor, where that is not the related weight itself.
        int root = SquareRoot(period);
        kernelAbove = period == 1 ? 2 : root * root == period ? root : columns;
        center = parameters.Center;
        lowBits = parameters.LowBits;
        plainSigns = parameters.PlainSigns;
        negativeLimit = Math.Max(center - min, 0);
        positiveLimit = Math.Max(max - center, 0);
        unary = Math.Min(MaxUnary, Math.Max(negativeLimit, positiveLimit) >> lowBits);
        scaleLog = 2 * parameters.Scale;
        scale = Exp(scaleLog);
        magnitudes = new DecisionMixer(unary + 1, columns, Levels * Levels, positions * 9, 243, Energies);
        signs = new DecisionMixer(1, columns, 27, positions * 9, 81, 3);
        emptyLines = parameters.EmptyLines;
        lines.AsSpan().Fill(1u << 31);
        tail.AsSpan().Fill(1u << 31);
        columnScales = new int[columns];
        columnScales.AsSpan().Fill(scale);
        margin = (2 * Math.Max(columns, before)) + 4;
        sizes = new byte[margin + Math.Max(margin, Math.Max(columns, Math.Min(length, HistoryLength)))];
        sides = new byte[sizes.Length];
        sides.AsSpan().Fill(1);
        cursor = margin;
    }

    /// <summary>Codes the next rows of the segment; only its last row may be shorter than the others.</summary>
    internal void Run<TCoder, TSymbol>(ref TCoder coder, Span<TSymbol> symbols)
        where TCoder : struct, IDecisionCoder, allows ref struct
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        while (!symbols.IsEmpty)
        {
            Span<TSymbol> line = symbols[..Math.Min(columns, symbols.Length)];
            symbols = symbols[line.Length..];
            if (cursor + line.Length > sizes.Length)
                Slide();
            if (!emptyLines || !EmptyRow<TCoder, TSymbol>(ref coder, line))
            {
                Row(ref coder, line);
            }
            else
            {
                sizes.AsSpan(cursor, line.Length).Clear();
                sides.AsSpan(cursor, line.Length).Fill(1);
                if (TCoder.Decodes)
                    line.Fill(TSymbol.CreateTruncating(center));
            }

            cursor += line.Length;
            row++;
        }
    }

    /// <summary>Codes which columns are empty, before the first row, when the parameters say so.</summary>
    /// <param name="coder">Writes, reads or prices.</param>
    /// <param name="isEmpty">One flag a column; written when decoding.</param>
    internal void Columns<TCoder>(ref TCoder coder, Span<bool> isEmpty)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        var live = new List<int>();
        for (int i = 0; i < columns; i++)
        {
            int context = 2 + (i > 0 && isEmpty[i - 1] ? 1 : 0) + (i >= period && isEmpty[i - period] ? 2 : 0);
            isEmpty[i] = Simple(ref coder, ref lines[context], isEmpty[i] ? 1 : 0) != 0;
            if (!isEmpty[i])
                live.Add(i);
        }

        liveColumns = [.. live];
    }

    private bool EmptyRow<TCoder, TSymbol>(ref TCoder coder, ReadOnlySpan<TSymbol> line)
        where TCoder : struct, IDecisionCoder, allows ref struct
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        bool empty = !TCoder.Decodes && !line.ContainsAnyExcept(TSymbol.CreateTruncating(center));
        return wasEmpty = Simple(ref coder, ref lines[wasEmpty ? 1 : 0], empty ? 1 : 0) != 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Row<TCoder, TSymbol>(ref TCoder coder, Span<TSymbol> line)
        where TCoder : struct, IDecisionCoder, allows ref struct
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        magnitudes.BeginRow();
        signs.BeginRow();
        rowScale = scale;
        if (liveColumns is not null)
        {
            sizes.AsSpan(cursor, line.Length).Clear();
            sides.AsSpan(cursor, line.Length).Fill(1);
            if (TCoder.Decodes)
                line.Fill(TSymbol.CreateTruncating(center));
            for (int i = 0; i < liveColumns.Length && liveColumns[i] < line.Length; i++)
            {
                int column = liveColumns[i];
                int value = Weight(ref coder, column, i, positions > 1 ? column % positions : 0, TCoder.Decodes ? 0 : int.CreateTruncating(line[column]) - center);
                if (TCoder.Decodes)
                    line[column] = TSymbol.CreateTruncating(value + center);
            }

            return;
        }

        int position = 0;
        for (int column = 0; column < line.Length; column++)
        {
            int value = Weight(ref coder, column, column, position, TCoder.Decodes ? 0 : int.CreateTruncating(line[column]) - center);
            if (TCoder.Decodes)
                line[column] = TSymbol.CreateTruncating(value + center);
            if (++position >= positions)
                position = 0;
        }
    }

    // A piecewise linear logarithm of 1 and more: 16 steps for each power of two.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Log(int value)
    {
        int exponent = BitOperations.Log2((uint)value);
        return (exponent << 4) + (int)(((long)value << 4) >> exponent) - 16;
    }

    private static int Exp(int log) => (int)Math.Min(((16L + (log & 15)) << Math.Min(log >> 4, 30)) >> 4, int.MaxValue >> 2) - 1;

    private static int SquareRoot(int value)
    {
        int root = 1;
        while ((root + 1) * (root + 1) <= value)
            root++;
        return root;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Two(int size) => Math.Min(size, 2);

    private void Slide()
    {
        sizes.AsSpan(cursor - margin).CopyTo(sizes);
        sides.AsSpan(cursor - margin).CopyTo(sides);
        cursor = margin;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Level(int value) => Math.Min(Math.Max((Log(value + 1) - scaleLog + 68) >> 3, 0), Levels - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Weight<TCoder>(ref TCoder coder, int column, int place, int position, int value)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        uint at = (uint)(cursor + column);
        ref byte here = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(sizes), at);
        int left = Unsafe.Subtract(ref here, 1);
        int left2 = Unsafe.Subtract(ref here, 2);
        int related = Unsafe.Subtract(ref here, before);
        int relatedLeft = Unsafe.Subtract(ref here, before + 1);
        int relatedRight = Unsafe.Subtract(ref here, Math.Max(before - 1, 1));
        int related2 = Unsafe.Subtract(ref here, 2 * before);
        int sum = (4 * (left + related)) + (2 * (left2 + relatedLeft + relatedRight + related2)) + Unsafe.Subtract(ref here, 3) + Unsafe.Subtract(ref here, columns);
        int energy = sum == 0 ? 0 : Math.Min((Log(sum) >> 3) + 1, Energies - 1);
        ref int columnScale = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(columnScales), (uint)column);
        magnitudes.Select(
            column,
            (Level(rowScale) * Levels) + Level(columnScale),
            (position * 9) + (Two(left) * 3) + Two(related),
            (((Two(related) * 9) + (Two(relatedLeft) * 3) + Two(relatedRight)) * 9) + (Two(Unsafe.Subtract(ref here, kernelAbove)) * 3) + Two(related2),
            energy);

        int magnitude = Math.Abs(value);
        if (magnitudes.Code(ref coder, 0, magnitude != 0 ? 1 : 0) == 0)
        {
            Learn(ref columnScale, place, 0);
            here = 0;
            Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(sides), at) = 1;
            return 0;
        }

        bool negative = Sign(ref coder, at, column, position, value);
        magnitude = Magnitude(ref coder, magnitude, negative ? negativeLimit : positiveLimit);
        Learn(ref columnScale, place, magnitude);
        here = (byte)Math.Min((magnitude + ((1 << lowBits) >> 1)) >> lowBits, MaxTailMagnitude);
        Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(sides), at) = negative ? (byte)0 : (byte)2;
        return negative ? -magnitude : magnitude;
    }

    private bool Sign<TCoder>(ref TCoder coder, uint at, int column, int position, int value)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        if (negativeLimit == 0)
            return false;
        if (positiveLimit == 0)
            return true;
        if (plainSigns)
            return coder.Code(value < 0 ? 1 : 0, 1 << 15) != 0;
        ref byte here = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(sides), at);
        int left = Unsafe.Subtract(ref here, 1);
        int above = Unsafe.Subtract(ref here, columns);
        int related = Unsafe.Subtract(ref here, before);
        signs.Select(
            column,
            (left * 9) + (Unsafe.Subtract(ref here, 2) * 3) + above,
            (position * 9) + (left * 3) + related,
            (left * 27) + (above * 9) + (related * 3) + Unsafe.Subtract(ref here, kernelAbove),
            left);
        return signs.Code(ref coder, 0, value < 0 ? 1 : 0) != 0;
    }

    private int Magnitude<TCoder>(ref TCoder coder, int magnitude, int limit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        int high = (magnitude - 1) >> lowBits;
        int highLimit = (limit - 1) >> lowBits;
        int decided = 0;
        while (decided < highLimit && decided < unary)
        {
            if (magnitudes.Code(ref coder, decided + 1, high > decided ? 1 : 0) == 0)
                break;
            decided++;
        }

        if (decided == unary && decided < highLimit)
            decided += Escape(ref coder, high - decided, highLimit - decided);
        if (lowBits > 0)
        {
            int context = TailEscapeBits + (TailLengths * 4) + (Math.Min(decided, MaxUnary + 1) * 8);
            int prefix = 1;
            for (int i = lowBits - 1; i >= 0; i--)
            {
                int bit = ((magnitude - 1) >> i) & 1;
                bit = prefix < 8 ? Simple(ref coder, ref tail[context + prefix], bit) : coder.Code(bit, 1 << 15);
                prefix = (prefix << 1) | bit;
            }

            decided = (decided << lowBits) + prefix - (1 << lowBits);
        }

        if (decided >= limit)
            Invalid.Throw(ContainerError.SymbolValue, "A symbol lies outside the range its index entry declares.");
        return decided + 1;
    }

    // Exp-Golomb of order 0 over [0, limit]; its length and the two bits below the leading one adapt.
    private int Escape<TCoder>(ref TCoder coder, int value, int limit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        int most = BitOperations.Log2((uint)limit + 1);
        int length = TCoder.Decodes ? 0 : BitOperations.Log2((uint)value + 1);
        int bits = 0;
        while (bits < most && Simple(ref coder, ref tail[bits], length > bits ? 1 : 0) != 0)
            bits++;
        int prefix = 1;
        for (int i = bits - 1; i >= 0; i--)
        {
            int bit = ((value + 1) >> i) & 1;
            bit = prefix < 4 ? Simple(ref coder, ref tail[TailEscapeBits + (bits * 4) + prefix], bit) : coder.Code(bit, 1 << 15);
            prefix = (prefix << 1) | bit;
        }

        return prefix - 1;
    }

    private static int Simple<TCoder>(ref TCoder coder, ref uint counter, int bit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        bit = coder.Code(bit, Math.Max((int)(counter >> 16), 1));
        DecisionMixer.Count(ref counter, bit);
        return bit;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Learn(ref int columnScale, int place, int magnitude)
    {
        int target = magnitude << 8;
        ref short rates = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(Logistic.Tables), Logistic.CounterRates);
        rowScale += (int)(((long)(target - rowScale) * Unsafe.Add(ref rates, (uint)Math.Min(place + ScaleShrink, ScaleWindow))) >> 13);
        columnScale += (int)(((long)(target - columnScale) * Unsafe.Add(ref rates, (uint)Math.Min(row + ScaleShrink, ScaleWindow))) >> 13);
    }
}
