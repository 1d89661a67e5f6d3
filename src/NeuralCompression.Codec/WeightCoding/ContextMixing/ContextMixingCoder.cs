using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>The <c>SmallestSize</c> coder: adaptive context mixing over binary decisions, coded with rANS. Source: docs/format.md, section 5.6.</summary>
internal static class ContextMixingCoder
{
    /// <summary>Weights of a rANS block, in whole pairs of rows: what bounds the encoder's memory.</summary>
    private const int BlockWeights = 1 << 19;

    /// <summary>Rows longer than this are cut further: the model keeps counters for each column.</summary>
    private const int MaxColumns = 1 << 18;

    /// <summary>The row length where the shape gives none.</summary>
    private const int DefaultColumns = 1 << 12;

    /// <summary>Codes symbols, at least one.</summary>
    internal static byte[] Encode<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        T[] copy = symbols.ToArray();
        byte[] mixed = EncodeMixed(copy, shape, min, max);
        if (copy.Length > BellModel.MaxLength)
            return mixed;
        byte[] bell = EncodeBell(copy, BellModel.Fit<T>(copy), min, max);
        return bell.Length < mixed.Length ? bell : mixed;
    }

    internal static byte[] EncodeBell<T>(T[] symbols, BellModel model, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        var output = new BinaryRansEncoder();
        output.Append(model.ToArray());
        var sink = new Writer(output);
        model.Run<Writer, T>(ref sink, symbols, min, max);
        output.EndOnlyBlock();
        return output.ToArray();
    }

    private static byte[] EncodeMixed<T>(T[] copy, ReadOnlySpan<long> shape, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        int columns = RowLength(shape, copy.Length);
        MixingParameters parameters = ParameterSearch.Run(copy, shape, columns, min, max);
        var output = new BinaryRansEncoder();
        output.Append(parameters.ToArray());
        var model = new WeightModel(parameters, columns, copy.Length, min, max);
        var sink = new Writer(output);
        model.Begin<Writer, T>(ref sink, copy);
        int block = BlockPairs(columns);
        int pair = 0;
        do
        {
            model.Run<Writer, T>(ref sink, copy, Math.Min(block, model.Pairs - pair));
            pair += block;
            if (IsOneBlock(copy.Length, columns))
                output.EndOnlyBlock();
            else
                output.EndBlock(last: pair >= model.Pairs);
        }
        while (pair < model.Pairs);
        return output.ToArray();
    }

    /// <summary>Decodes exactly as many symbols as the destination holds, all in [min, max].</summary>
    internal static void Decode<T>(ReadOnlySpan<byte> payload, ReadOnlySpan<long> shape, int min, int max, Span<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        if (!payload.IsEmpty && payload[0] == BellModel.Flag)
        {
            BellModel bell = BellModel.Read(payload);
            var reader = new Reader { Rans = new BinaryRansDecoder(payload[BellModel.HeadBytes..]) };
            reader.Rans.BeginOnlyBlock();
            bell.Run(ref reader, symbols, min, max);
            reader.Rans.EndBlock(last: true);
            return;
        }

        MixingParameters parameters = MixingParameters.Read(payload, out int head);
        if (parameters.Center < min || parameters.Center > max)
            Invalid.Throw(ContainerError.EntropyStream, "A parameter is out of range.");
        int columns = RowLength(shape, symbols.Length);
        var model = new WeightModel(parameters, columns, symbols.Length, min, max);
        var source = new Reader { Rans = new BinaryRansDecoder(payload[head..]) };
        if (IsOneBlock(symbols.Length, columns))
            source.Rans.BeginOnlyBlock();
        else
            source.Rans.BeginBlock();
        model.Begin(ref source, symbols);
        int block = BlockPairs(columns);
        for (int pair = block; ; pair += block)
        {
            bool last = pair >= model.Pairs;
            model.Run(ref source, symbols, last ? block - (pair - model.Pairs) : block);
            source.Rans.EndBlock(last);
            if (last)
                return;
            source.Rans.BeginBlock();
        }
    }

    /// <summary>Weights of a row: all axes but the first; where that is too long, as many of the last axes as are not. What is left at the end is a shorter row.</summary>
    internal static int RowLength(ReadOnlySpan<long> shape, int length)
    {
        long columns = 1;
        for (int axis = shape.Length - 1; axis > 0 && columns * shape[axis] <= MaxColumns; axis--)
            columns *= shape[axis];
        return columns == 1 ? Math.Min(length, DefaultColumns) : (int)columns;
    }

    /// <summary>Pairs of rows of a block.</summary>
    internal static int BlockPairs(int columns) => Math.Max(BlockWeights / 2 / columns, 1);

    // Whether a block holds all rows, also if none is empty.
    private static bool IsOneBlock(int length, int columns) => (length - 1) / columns < 2 * BlockPairs(columns);

    private struct Writer(BinaryRansEncoder output) : INodeCoder
    {
        public static bool Decodes => false;

        public readonly int Code(int bit, int probability)
        {
            output.Add(bit, probability);
            return bit;
        }

        public readonly int Code(int answer, ref int thresholds)
        {
            int start = Unsafe.Add(ref thresholds, answer + 1);
            output.AddSlots(start, Unsafe.Add(ref thresholds, answer) - start);
            return answer;
        }
    }

    private ref struct Reader : INodeCoder
    {
        internal BinaryRansDecoder Rans;

        public static bool Decodes => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public int Code(int bit, int probability) => Rans.Decode(probability);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public int Code(int answer, ref int thresholds) => Rans.Decode(ref thresholds);
    }
}
