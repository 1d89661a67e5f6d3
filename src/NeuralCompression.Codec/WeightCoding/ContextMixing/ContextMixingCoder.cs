using System.Numerics;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>The <c>SmallestSize</c> coder: adaptive context mixing over binary decisions, coded with rANS. Source: docs/format.md, section 5.6.</summary>
internal static class ContextMixingCoder
{
    /// <summary>Weights of a rANS block: what bounds the encoder's memory.</summary>
    private const int BlockWeights = 1 << 19;

    /// <summary>Codes symbols, at least one.</summary>
    internal static byte[] Encode<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        int columns = ParameterSearch.RowLength(shape, symbols.Length);
        T[] copy = symbols.ToArray();
        MixingParameters parameters = ParameterSearch.Run(copy, shape, columns, min, max);
        var output = new BinaryRansEncoder();
        output.Append(parameters.ToArray());
        var model = new WeightModel(parameters, columns, min, max);
        var sink = new Writer(output);
        for (int start = 0; start < copy.Length; start += BlockWeights)
        {
            model.Run(ref sink, copy.AsSpan(start, Math.Min(BlockWeights, copy.Length - start)));
            output.EndBlock();
        }

        return output.ToArray();
    }

    /// <summary>Decodes exactly as many symbols as the destination holds, all in [min, max].</summary>
    internal static void Decode<T>(ReadOnlySpan<byte> payload, ReadOnlySpan<long> shape, int min, int max, Span<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        MixingParameters parameters = MixingParameters.Read(payload, out int head);
        var model = new WeightModel(parameters, ParameterSearch.RowLength(shape, symbols.Length), min, max);
        var source = new Reader { Rans = new BinaryRansDecoder(payload[head..]) };
        for (int start = 0; start < symbols.Length; start += BlockWeights)
        {
            source.Rans.BeginBlock();
            model.Run(ref source, symbols.Slice(start, Math.Min(BlockWeights, symbols.Length - start)));
            source.Rans.EndBlock();
        }

        if (source.Rans.Position != payload.Length - head)
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data goes on after the last symbol.");
    }

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
