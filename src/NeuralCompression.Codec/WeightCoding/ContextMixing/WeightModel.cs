using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Turns weights into binary decisions and contexts; one for each segment. Source: docs/format.md, section 5.6.</summary>
internal sealed class WeightModel
{
    /// <summary>Magnitudes (without their low bits) up to this are coded one by one, larger ones by Exp-Golomb.</summary>
    internal const int MaxUnary = 14;

    /// <summary>Periods up to this give every position a context of its own.</summary>
    internal const int MaxPositions = 64;

    private const int Levels = 16;
    private const int ScaleWindow = 254;
    private const int ScaleShrink = 3;
    private const int MaxSize = 255;
    private const int TailEscapeBits = 20;
    private const int TailLengths = 20;

    // The energy by the sum of the eight neighbours' sizes, weighted by 18 in all.
    private static readonly byte[] EnergyOfSum = [.. Enumerable.Range(0, (MaxSize * 18) + 1).Select(sum => (byte)(sum == 0 ? 0 : Math.Min(HalfOctaves(sum) + 1, NodeMixer.Energies - 1)))];

    private readonly int columns;
    private readonly int length;
    private readonly int period;
    private readonly int positions;
    private readonly int before;
    private readonly int beforeRight;
    private readonly int kernelAbove;
    private readonly int center;
    private readonly int lowBits;
    private readonly bool plainSigns;
    private readonly bool emptyLines;
    private readonly int negativeLimit;
    private readonly int positiveLimit;
    private readonly int unary;
    private readonly int scale;
    private readonly int levelStart;
    private readonly NodeMixer[] banks;
    private readonly NodeMixer magnitudes;
    private readonly SignMixer signs;
    private readonly int[] tail = new int[TailEscapeBits + (TailLengths * 4) + ((MaxUnary + 2) * 8)];
    private readonly int[] lines = new int[6];
    private readonly int[] columnScales;
    private readonly Strand upper;
    private readonly Strand lower;
    private bool[] emptyRows = [];
    private (int Column, int Position)[] places = [];
    private int lowerRows;
    private int pair;

    internal WeightModel(MixingParameters parameters, int columns, int length, int min, int max)
    {
        this.columns = columns;
        this.length = length;
        period = parameters.Period;
        positions = period <= MaxPositions ? period : 1;

        // Without a period the weight above takes the part of the related one.
        before = period == 1 ? columns : period;
        beforeRight = Math.Max(before - 1, 1);

        // Of a square kernel the row above; else the row above in the tensor, where that is not the related weight itself.
        int root = SquareRoot(period);
        kernelAbove = period == 1 ? 2 : root * root == period ? root : columns;
        center = parameters.Center;
        lowBits = parameters.LowBits;
        plainSigns = parameters.PlainSigns;
        emptyLines = parameters.EmptyLines;
        negativeLimit = Math.Max(center - min, 0);
        positiveLimit = Math.Max(max - center, 0);
        unary = Math.Min(MaxUnary, (Math.Max(negativeLimit, positiveLimit) - 1) >> lowBits);
        scale = Exp(2 * parameters.Scale);
        levelStart = (parameters.Scale >> 2) - (Levels / 2);
        banks = new NodeMixer[(unary / NodeMixer.Nodes) + 1];
        for (int i = 0; i < banks.Length; i++)
            banks[i] = new NodeMixer(Math.Min(unary + 1 - (i * NodeMixer.Nodes), NodeMixer.Nodes), columns, Levels * Levels, positions * 9, 243, 64);
        magnitudes = banks[0];
        signs = new SignMixer(columns, positions * 9, 81);
        tail.AsSpan().Fill(Counter.Fresh);
        lines.AsSpan().Fill(Counter.Fresh);
        columnScales = new int[columns];
        columnScales.AsSpan().Fill(scale);
        int margin = (2 * Math.Max(columns, before)) + 4;
        upper = new Strand(0, margin, columns, length);
        lower = new Strand(1, margin, columns, length);
    }

    /// <summary>Pairs of rows to code, known after <see cref="Begin"/>; the last may lack its lower row.</summary>
    internal int Pairs { get; private set; }

    /// <summary>Codes which columns and rows are empty, where the parameters say so, and halves the other rows.</summary>
    /// <param name="coder">Writes, reads or prices.</param>
    /// <param name="symbols">All symbols of the segment.</param>
    internal void Begin<TCoder, TSymbol>(ref TCoder coder, Span<TSymbol> symbols)
        where TCoder : struct, INodeCoder, allows ref struct
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        int live = ((length - 1) / columns) + 1;
        emptyRows = new bool[live];
        bool[] emptyColumns = new bool[columns];
        if (emptyLines)
        {
            var zero = TSymbol.CreateTruncating(center);
            if (TCoder.Decodes)
                symbols.Fill(zero);
            else
                emptyColumns = ParameterSearch.EmptyColumns<TSymbol>(symbols, columns, center);
            for (int i = 0; i < columns; i++)
            {
                int context = 2 + (i > 0 && emptyColumns[i - 1] ? 1 : 0) + (i >= period && emptyColumns[i - period] ? 2 : 0);
                emptyColumns[i] = Simple(ref coder, ref lines[context], emptyColumns[i] ? 1 : 0) != 0;
            }

            for (int i = 0; i < emptyRows.Length; i++)
            {
                bool empty = !TCoder.Decodes && !Line(symbols, i).ContainsAnyExcept(zero);
                emptyRows[i] = Simple(ref coder, ref lines[i > 0 && emptyRows[i - 1] ? 1 : 0], empty ? 1 : 0) != 0;
                live -= emptyRows[i] ? 1 : 0;
            }
        }

        places = [.. Enumerable.Range(0, columns).Where(column => !emptyColumns[column]).Select(column => (column, positions > 1 ? column % positions : 0))];
        Pairs = (live + 1) / 2;
        lowerRows = live - Pairs;
        for (int above = 0; above < Pairs && lowerRows > 0; lower.Row++)
            above += emptyRows[lower.Row] ? 0 : 1;
    }

    /// <summary>Codes the next pairs of rows.</summary>
    internal void Run<TCoder, TSymbol>(ref TCoder coder, Span<TSymbol> symbols, int count)
        where TCoder : struct, INodeCoder, allows ref struct
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        for (int end = pair + count; pair < end; pair++)
            Row(ref coder, NextRow(upper, symbols), pair < lowerRows ? NextRow(lower, symbols) : []);
    }

    private Span<TSymbol> Line<TSymbol>(Span<TSymbol> symbols, int row) => symbols.Slice(row * columns, Math.Min(columns, length - (row * columns)));

    private Span<TSymbol> NextRow<TSymbol>(Strand strand, Span<TSymbol> symbols)
    {
        while (emptyRows[strand.Row])
            strand.NextRow();
        strand.NextRow();
        strand.Scale = scale;
        foreach (NodeMixer bank in banks)
            bank.BeginRow(strand.Number);
        signs.BeginRow(strand.Number);
        return Line(symbols, strand.Row - 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Row<TCoder, TSymbol>(ref TCoder coder, Span<TSymbol> above, Span<TSymbol> below)
        where TCoder : struct, INodeCoder, allows ref struct
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        int columnRate = ScaleRate(2 * pair);
        int i = 0;
        for (; i < places.Length && places[i].Column < below.Length; i++)
        {
            (int column, int position) = places[i];
            ref int columnScale = ref columnScales[column];
            Look(upper, column, position, columnScale, out Contexts contextsA);
            Look(lower, column, position, columnScale, out Contexts contextsB);
            int valueA = TCoder.Decodes ? 0 : int.CreateTruncating(above[column]) - center;
            int valueB = TCoder.Decodes ? 0 : int.CreateTruncating(below[column]) - center;
            magnitudes.Predict(0, contextsA, out NodeMixer.Prediction predictionA);
            magnitudes.Predict(1, contextsB, out NodeMixer.Prediction predictionB);
            int magnitudeA = magnitudes.Decide(ref coder, 0, Ones(valueA));
            int magnitudeB = magnitudes.Decide(ref coder, 1, Ones(valueB));
            magnitudes.Learn(predictionA, magnitudeA);
            magnitudes.Learn(predictionB, magnitudeB);
            if (magnitudeA != 0)
                Complete(ref coder, upper, contextsA, position, ref magnitudeA, ref valueA);
            if (magnitudeB != 0)
                Complete(ref coder, lower, contextsB, position, ref magnitudeB, ref valueB);
            if (TCoder.Decodes)
            {
                above[column] = TSymbol.CreateTruncating(valueA + center);
                below[column] = TSymbol.CreateTruncating(valueB + center);
            }

            int rowRate = ScaleRate(i);
            Learn(ref upper.Scale, rowRate, magnitudeA);
            Learn(ref lower.Scale, rowRate, magnitudeB);
            Learn(ref columnScale, columnRate, magnitudeA);
            Learn(ref columnScale, columnRate, magnitudeB);
        }

        for (; i < places.Length && places[i].Column < above.Length; i++)
            Alone(ref coder, ref above[places[i].Column], i);
    }

    // A weight of the upper strand that has none beside it.
    private void Alone<TCoder, TSymbol>(ref TCoder coder, ref TSymbol symbol, int i)
        where TCoder : struct, INodeCoder, allows ref struct
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        (int column, int position) = places[i];
        int value = TCoder.Decodes ? 0 : int.CreateTruncating(symbol) - center;
        Look(upper, column, position, columnScales[column], out Contexts contexts);
        int magnitude = magnitudes.Code(ref coder, 0, contexts, Ones(value));
        if (magnitude != 0)
            Complete(ref coder, upper, contexts, position, ref magnitude, ref value);
        if (TCoder.Decodes)
            symbol = TSymbol.CreateTruncating(value + center);
        Learn(ref upper.Scale, ScaleRate(i), magnitude);
        Learn(ref columnScales[column], ScaleRate(2 * pair), magnitude);
    }

    // How many nodes are one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Ones(int value) => (Math.Abs(value) + (1 << lowBits) - 1) >> lowBits;

    // The logarithm of 1 and more in half powers of two.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int HalfOctaves(int value)
    {
        int exponent = BitOperations.Log2((uint)value);
        return (2 * exponent) + (int)(((uint)value << 1) >> exponent) - 2;
    }

    /// <summary>A piecewise linear logarithm of 1 and more: 16 steps for each power of two.</summary>
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
    private int Level(int scale) => Math.Min(Math.Max(HalfOctaves(scale + 1) - levelStart, 0), Levels - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Look(Strand strand, int column, int position, int columnScale, out Contexts contexts)
    {
        nuint at = (nuint)(uint)(strand.Cursor + column);
        ref byte here = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(strand.Sizes), at);
        int left = Unsafe.Subtract(ref here, 1);
        int related = Unsafe.Subtract(ref here, before);
        int sum = (4 * (left + related))
            + (2 * (Unsafe.Subtract(ref here, 2) + Unsafe.Subtract(ref here, before + 1) + Unsafe.Subtract(ref here, beforeRight) + Unsafe.Subtract(ref here, 2 * before)))
            + Unsafe.Subtract(ref here, 3) + Unsafe.Subtract(ref here, columns);
        ref byte two = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(strand.Twos), at);
        int twoRelated = Unsafe.Subtract(ref two, before);
        contexts.Column = column;
        contexts.Levels = (Level(strand.Scale) * Levels) + Level(columnScale);
        contexts.Neighbors = (position * 9) + (Unsafe.Subtract(ref two, 1) * 3) + twoRelated;
        contexts.Surroundings = (((twoRelated * 9) + (Unsafe.Subtract(ref two, before + 1) * 3) + Unsafe.Subtract(ref two, beforeRight)) * 9) + (Unsafe.Subtract(ref two, kernelAbove) * 3) + Unsafe.Subtract(ref two, 2 * before);
        contexts.Sizes = (Math.Min(left, 7) * 8) + Math.Min(related, 7);
        contexts.Energy = Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(EnergyOfSum), (nuint)(uint)sum);
    }

    // What is left of a weight that is not zero.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Complete<TCoder>(ref TCoder coder, Strand strand, in Contexts contexts, int position, ref int magnitude, ref int value)
        where TCoder : struct, INodeCoder, allows ref struct
    {
        if (magnitude == NodeMixer.Nodes || lowBits > 0)
            magnitude = Magnitude(ref coder, strand.Number, contexts, magnitude, Math.Abs(value));
        nuint at = (nuint)(uint)(strand.Cursor + contexts.Column);
        int sign = -Sign(ref coder, strand, at, contexts.Column, position, value, magnitude);
        int size = Math.Min((magnitude + ((1 << lowBits) >> 1)) >> lowBits, MaxSize);
        Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(strand.Sizes), at) = (byte)size;
        Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(strand.Twos), at) = (byte)Math.Min(size, 2);
        Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(strand.Sides), at) = (byte)(2 + sign);
        value = (magnitude ^ sign) - sign;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Sign<TCoder>(ref TCoder coder, Strand strand, nuint at, int column, int position, int value, int magnitude)
        where TCoder : struct, INodeCoder, allows ref struct
    {
        if (magnitude > Math.Min(negativeLimit, positiveLimit))
        {
            if (magnitude > Math.Max(negativeLimit, positiveLimit))
                Invalid.Throw(ContainerError.SymbolValue, "A symbol lies outside the range its index entry declares.");
            return negativeLimit > positiveLimit ? 1 : 0;
        }

        if (plainSigns)
            return coder.Code(value >>> 31, BinaryRansConstants.NearlyHalf);
        ref byte here = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(strand.Sides), at);
        int left = Unsafe.Subtract(ref here, 1);
        int related = Unsafe.Subtract(ref here, before);
        return signs.Code(
            ref coder,
            strand.Number,
            column,
            (position * 9) + (left * 3) + related,
            (left * 27) + (Unsafe.Subtract(ref here, columns) * 9) + (related * 3) + Unsafe.Subtract(ref here, kernelAbove),
            value >>> 31);
    }

    // The magnitude where the first four nodes leave it open.
    private int Magnitude<TCoder>(ref TCoder coder, int strand, in Contexts contexts, int ones, int magnitude)
        where TCoder : struct, INodeCoder, allows ref struct
    {
        for (int bank = 1; ones == bank * NodeMixer.Nodes && ones <= unary; bank++)
            ones += banks[bank].Code(ref coder, strand, contexts, Ones(magnitude) - ones);
        int high = ones - 1;
        int highLimit = (Math.Max(negativeLimit, positiveLimit) - 1) >> lowBits;
        if (high == unary && high < highLimit)
            high += Escape(ref coder, ((magnitude - 1) >> lowBits) - high, highLimit - high);
        int context = TailEscapeBits + (TailLengths * 4) + (Math.Min(high, MaxUnary + 1) * 8);
        int prefix = 1;
        for (int i = lowBits - 1; i >= 0; i--)
        {
            int bit = ((magnitude - 1) >> i) & 1;
            bit = prefix < 8 ? Simple(ref coder, ref tail[context + prefix], bit) : coder.Code(bit, BinaryRansConstants.NearlyHalf);
            prefix = (prefix << 1) | bit;
        }

        return (high << lowBits) + prefix - (1 << lowBits) + 1;
    }

    // Exp-Golomb of order 0 over [0, limit]; its length and the two bits below the leading one adapt.
    private int Escape<TCoder>(ref TCoder coder, int value, int limit)
        where TCoder : struct, INodeCoder, allows ref struct
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
            bit = prefix < 4 ? Simple(ref coder, ref tail[TailEscapeBits + (bits * 4) + prefix], bit) : coder.Code(bit, BinaryRansConstants.NearlyHalf);
            prefix = (prefix << 1) | bit;
        }

        return prefix - 1;
    }

    private static int Simple<TCoder>(ref TCoder coder, ref int counter, int bit)
        where TCoder : struct, INodeCoder, allows ref struct
    {
        bit = coder.Code(bit, Counter.Probability(counter));
        Counter.Move(ref counter, bit, Counter.Limit);
        return bit;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ScaleRate(int seen) => Counter.Rates[Math.Min(seen + ScaleShrink, ScaleWindow)];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Learn(ref int mean, int rate, int magnitude) => mean += (int)(((long)((magnitude << 8) - mean) * rate) >> Counter.RateBits);
}
