using System.Numerics;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>The <c>SmallestSize</c> coder: adaptive context mixing over binary decisions, coded with rANS. Source: docs/format.md, section 5.6.</summary>
internal static class ContextMixingCoder
{
    /// <summary>Weights of a rANS block: what bounds the encoder's memory.</summary>
    private const int BlockWeights = 1 << 19;

    private const int MaxPeriod = 1 << 12;

    internal static byte[] Encode<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        MixingParameters parameters = Choose(symbols, shape, min, max);
        var output = new BinaryRansEncoder();
        output.Append([parameters.Scale, (byte)parameters.Period, (byte)(parameters.Period >> 8)]);
        var model = new WeightModel(parameters, min, max);
        var sink = new Writer(output);
        T[] copy = symbols.ToArray();
        for (int start = 0; start < copy.Length; start += BlockWeights)
        {
            model.Run(ref sink, copy.AsSpan(start, Math.Min(BlockWeights, copy.Length - start)));
            output.EndBlock();
        }

        return output.ToArray();
    }

    internal static void Decode<T>(ReadOnlySpan<byte> payload, ReadOnlySpan<long> shape, int min, int max, Span<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        if (payload.Length < 3)
            Invalid.Throw(ContainerError.EntropyStream, "The parameters are missing.");
        int period = payload[1] | (payload[2] << 8);
        if (period is 0 or > MaxPeriod)
            Invalid.Throw(ContainerError.EntropyStream, "The period is out of range.");
        var parameters = new MixingParameters(RowLength(shape, symbols.Length), period, payload[0], 0);
        var model = new WeightModel(parameters, min, max);
        var source = new Reader { Rans = new BinaryRansDecoder(payload[3..]) };
        for (int start = 0; start < symbols.Length; start += BlockWeights)
        {
            source.Rans.BeginBlock();
            model.Run(ref source, symbols.Slice(start, Math.Min(BlockWeights, symbols.Length - start)));
            source.Rans.EndBlock();
        }

        if (source.Rans.Position != payload.Length - 3)
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data goes on after the last symbol.");
    }

    private static MixingParameters Choose<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        long sum = 0;
        foreach (T symbol in symbols)
            sum += Math.Abs(int.CreateTruncating(symbol));
        int mean = (int)Math.Min((sum << 8) / symbols.Length, int.MaxValue >> 5);
        int exponent = BitOperations.Log2((uint)mean + 1);
        int log = (exponent << 4) | ((int)(((long)(mean + 1) << 4) >> exponent) & 15);
        int period = 1;
        if (shape.Length > 2)
        {
            long kernel = 1;
            foreach (long length in shape[2..])
                kernel *= length;
            period = (int)Math.Clamp(kernel, 1, MaxPeriod);
            if (shape.Length == 4 && shape[1] == 1)
                period = (int)Math.Clamp(shape[3], 1, MaxPeriod);
        }

        int columns = RowLength(shape, symbols.Length);
        if (columns == 784)
            period = 28;
        return new MixingParameters(columns, period, (byte)(log >> 1), 0);
    }

    private static int RowLength(ReadOnlySpan<long> shape, int length) => shape.Length > 1 ? (int)(length / shape[0]) : Math.Max(length, 1);

    private struct Writer(BinaryRansEncoder output) : IDecisionCoder
    {
        public static bool Decodes => false;

        public readonly int Code(int bit, int probability)
        {
            output.Add(bit, probability);
            return bit;
        }
    }

    private ref struct Reader : IDecisionCoder
    {
        internal BinaryRansDecoder Rans;

        public static bool Decodes => true;

        public int Code(int bit, int probability) => Rans.Decode(probability);
    }
}
