using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Turns weights into binary decisions and contexts; one for each segment. Source: docs/format.md, section 5.6.</summary>
internal sealed class WeightModel
{
    /// <summary>Magnitudes up to this are coded one by one, larger ones by Exp-Golomb.</summary>
    internal const int MaxUnary = 14;

    /// <summary>Periods up to this give every position a context of its own.</summary>
    internal const int MaxPositions = 64;

    private const int Levels = 16;
    private const int Energies = 24;
    private const int RowWindow = 255;
    private const int LocalWindow = 24;
    private const int ScaleShrink = 4;
    private const int MaxMagnitude = 4095;

    private readonly int columns;
    private readonly int period;
    private readonly int kernelRow;
    private readonly int negativeLimit;
    private readonly int positiveLimit;
    private readonly int center;
    private readonly int unary;
    private readonly int positions;
    private readonly int scaleLog;
    private readonly int scale;
    private readonly DecisionMixer magnitudes;
    private readonly DecisionMixer signs;
    private readonly uint[] escape = new uint[32 + (32 * 8)];
    private readonly int[] columnScale;
    private readonly sbyte[] history;
    private readonly int margin;
    private int cursor;
    private int row;
    private int column;
    private int position;
    private int rowScale;
    private int localScale;

    internal WeightModel(MixingParameters parameters, int min, int max)
    {
        columns = parameters.Columns;
        period = parameters.Period;
        kernelRow = (int)Math.Sqrt(period);
        center = parameters.Center;
        negativeLimit = Math.Max(center - min, 0);
        positiveLimit = Math.Max(max - center, 0);
        int largest = Math.Max(negativeLimit, positiveLimit);
        unary = Math.Min(MaxUnary, largest);
        positions = period <= MaxPositions ? period : 1;
        scaleLog = 2 * parameters.Scale;
        scale = Exp(scaleLog);
        magnitudes = new DecisionMixer(
            unary + 1,
            [1, 1, columns, 75, Levels * Levels, positions * 9, 243, Levels * Levels],
            [1023, 255, 255, 255, 255, 255, 255, 255],
            Energies,
            Levels);
        signs = new DecisionMixer(
            1,
            [1, 1, columns, 27, 81, positions * 9, 27, 81],
            [1023, 255, 255, 255, 255, 255, 255, 255],
            3,
            9);
        escape.AsSpan().Fill(1u << 31);
        columnScale = new int[columns + (2 * period)];
        columnScale.AsSpan().Fill(scale);
        margin = Math.Max(2 * columns, 2 * period) + 4;
        history = new sbyte[margin + Math.Max(columns, 1 << 16)];
        cursor = margin;
    }

    internal void Run<TCoder, TSymbol>(ref TCoder coder, Span<TSymbol> symbols)
        where TCoder : struct, IDecisionCoder, allows ref struct
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        for (int i = 0; i < symbols.Length; i++)
        {
            if (column == 0)
                BeginRow();
            int value = Weight(ref coder, TCoder.Decodes ? 0 : int.CreateTruncating(symbols[i]) - center);
            if (TCoder.Decodes)
                symbols[i] = TSymbol.CreateTruncating(value + center);
            history[cursor++] = (sbyte)Math.Clamp(value, -127, 127);
            if (cursor == history.Length)
            {
                history.AsSpan(cursor - margin).CopyTo(history);
                cursor = margin;
            }

            if (++position == period)
                position = 0;
            if (++column == columns)
            {
                column = 0;
                row++;
            }
        }
    }

    // A piecewise linear logarithm: 16 steps for each power of two.
    private static int Log(int value)
    {
        value++;
        int exponent = BitOperations.Log2((uint)value);
        return (exponent << 4) | ((int)(((long)value << 4) >> exponent) & 15);
    }

    private static int Exp(int log) => (int)(((16L + (log & 15)) << (log >> 4)) >> 4) - 1;

    private static int Clip2(int magnitude) => Math.Min(magnitude, 2);

    private static int Clip4(int magnitude) => magnitude > 3 ? magnitude > 6 ? 4 : 3 : magnitude;

    private static int Side(int value) => Math.Sign(value) + 1;

    // Half powers of two.
    private static int Energy(int sum)
    {
        if (sum <= 0)
            return 0;
        int exponent = BitOperations.Log2((uint)sum);
        return 1 + (2 * exponent) + (exponent > 0 ? (sum >> (exponent - 1)) & 1 : 0);
    }

    private void BeginRow()
    {
        magnitudes.Reset(1, 0, 0, 1);
        signs.Reset(1, 0, 0, 1);
        rowScale = scale;
        localScale = scale;
        position = 0;
    }

    private int Level(int value) => Math.Clamp((Log(value) - scaleLog + 68) >> 3, 0, Levels - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Back(int distance) => history[cursor - distance];

    private int Weight<TCoder>(ref TCoder coder, int value)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        int left = Back(1), left2 = Back(2), above = Back(columns);
        int before = Back(period), before2 = Back(2 * period), beforeLeft = Back(period + 1), beforeRight = Back(Math.Max(period - 1, 1));
        int aboveLeft = Back(columns + 1), aboveRight = Back(Math.Max(columns - 1, 1)), above2 = Back(2 * columns);
        int kernelAbove = Back(kernelRow);
        int left1 = Math.Abs(left), up = Math.Abs(above), before1 = Math.Abs(before);

        int own = columnScale[period + column];
        int around = (columnScale[period + column - 1] + columnScale[period + column + 1] + columnScale[column] + columnScale[(2 * period) + column] + own) / 5;
        int rowLevel = Level(rowScale);
        int energy = Energy((2 * (left1 + Math.Abs(left2) + up + before1)) + Math.Abs(aboveLeft) + Math.Abs(aboveRight) + Math.Abs(above2) + Math.Abs(Back(3)));

        magnitudes.SetContext(0, 0);
        magnitudes.SetContext(1, 0);
        magnitudes.SetContext(2, column);
        magnitudes.SetContext(3, (Clip4(left1) * 15) + (Clip4(Math.Abs(left2)) * 3) + Clip2(up));
        magnitudes.SetContext(4, (rowLevel * Levels) + Level(own));
        magnitudes.SetContext(5, ((positions > 1 ? position : 0) * 9) + (Clip2(left1) * 3) + Clip2(before1));
        magnitudes.SetContext(6, (((Clip2(before1) * 9) + (Clip2(Math.Abs(beforeLeft)) * 3) + Clip2(Math.Abs(beforeRight))) * 9) + (Clip2(Math.Abs(kernelAbove)) * 3) + Clip2(Math.Abs(before2)));
        magnitudes.SetContext(7, (Level(localScale) * Levels) + Level(around));
        magnitudes.Select(Math.Min(energy, Energies - 1), rowLevel);

        int magnitude = Math.Abs(value);
        if (magnitudes.Code(ref coder, 0, magnitude != 0 ? 1 : 0) == 0)
        {
            Learn(0);
            return 0;
        }

        int negative;
        if (negativeLimit == 0)
        {
            negative = 0;
        }
        else if (positiveLimit == 0)
        {
            negative = 1;
        }
        else
        {
            int sideLeft = Side(left), sideAbove = Side(above), sideBefore = Side(before), sideKernel = Side(kernelAbove);
            signs.SetContext(0, 0);
            signs.SetContext(1, 0);
            signs.SetContext(2, column);
            signs.SetContext(3, (sideLeft * 9) + (Side(left2) * 3) + sideAbove);
            signs.SetContext(4, (Side(aboveLeft) * 27) + (Side(aboveRight) * 9) + (Side(above2) * 3) + sideBefore);
            signs.SetContext(5, ((positions > 1 ? position : 0) * 9) + (sideLeft * 3) + sideBefore);
            signs.SetContext(6, (sideKernel * 9) + (sideBefore * 3) + Side(before2));
            signs.SetContext(7, (sideLeft * 27) + (sideAbove * 9) + (sideBefore * 3) + sideKernel);
            signs.Select(sideLeft, (sideAbove * 3) + sideBefore);
            negative = signs.Code(ref coder, 0, value < 0 ? 1 : 0);
        }

        int limit = negative != 0 ? negativeLimit : positiveLimit;
        int decided = 1;
        while (decided < limit && decided <= unary)
        {
            if (magnitudes.Code(ref coder, decided, magnitude > decided ? 1 : 0) == 0)
                break;
            decided++;
        }

        if (decided > unary)
            decided += Escape(ref coder, magnitude - decided, limit - decided);
        Learn(decided);
        return negative != 0 ? -decided : decided;
    }

    private void Learn(int magnitude)
    {
        int target = Math.Min(magnitude, MaxMagnitude) << 8;
        Move(ref rowScale, target, Math.Min(column + ScaleShrink, RowWindow));
        Move(ref localScale, target, Math.Min(column + ScaleShrink, LocalWindow));
        Move(ref columnScale[period + column], target, Math.Min(row + ScaleShrink, RowWindow));
    }

    private static void Move(ref int average, int target, int count) => average += (int)(((long)(target - average) * Logistic.RateTable[count]) >> 16);

    // Exp-Golomb of order 0 over [0, limit]; length and the two bits below the leading one adapt.
    private int Escape<TCoder>(ref TCoder coder, int value, int limit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        int most = BitOperations.Log2((uint)limit + 1);
        int length = TCoder.Decodes ? 0 : BitOperations.Log2((uint)value + 1);
        int bits = 0;
        while (bits < most && Simple(ref coder, ref escape[bits], length > bits ? 1 : 0) != 0)
            bits++;
        int prefix = 1;
        for (int i = bits - 1; i >= 0; i--)
        {
            int bit = ((value + 1) >> i) & 1;
            bit = prefix < 4 && bits - 1 - i < 2 ? Simple(ref coder, ref escape[32 + (bits * 8) + prefix], bit) : coder.Code(bit, 1 << 15);
            prefix = (prefix << 1) | bit;
        }

        if (prefix - 1 > limit)
            Invalid.Throw(ContainerError.SymbolValue, "A symbol lies outside the range its index entry declares.");
        return prefix - 1;
    }

    private static int Simple<TCoder>(ref TCoder coder, ref uint counter, int bit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        bit = coder.Code(bit, Math.Max((int)(counter >> 16), 1));
        DecisionMixer.Count(ref counter, bit, 255);
        return bit;
    }
}
