using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Chooses the parameters of a tensor by pricing a part of it with each candidate and keeping the cheapest. The file does not depend on how; the decoder reads the result.</summary>
internal static class ParameterSearch
{
    /// <summary>Weights a candidate is priced on; fewer where a weight costs bits rather than parts of one.</summary>
    private const int Sample = 1 << 17;
    private const int DenseSample = 1 << 14;

    /// <summary>The scale of a mean magnitude of one half.</summary>
    private const int DenseScale = 56;

    /// <summary>Weights and distances the search for a period looks at.</summary>
    private const int PeriodSample = 1 << 16;
    private const int LongestPeriod = 512;
    private const int Peaks = 3;

    internal static MixingParameters Run<T>(Span<T> symbols, ReadOnlySpan<long> shape, int columns, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        int mode = Mode<T>(symbols, min, max);
        int center = min <= 0 && max >= 0 ? 0 : mode;
        MixingParameters best = Start<T>(symbols, columns, center);
        Span<T> sample = symbols[..Math.Min(symbols.Length, Math.Max((best.Scale < DenseScale ? Sample : DenseSample) / columns, 1) * columns)];
        long cost = Cost(best, sample, columns, min, max);
        if (mode != center)
            Try(Start<T>(symbols, columns, mode), sample);

        foreach (int period in Periods<T>(sample, shape, columns, best.Center))
            Try(best with { Period = period }, sample);
        if (max - min > 4)
        {
            int lowBits = best.LowBits;
            Try(best with { LowBits = Math.Min(lowBits + 1, MixingParameters.MaxLowBits) }, sample);
            if (lowBits > 0 && best.LowBits == lowBits)
                Try(best with { LowBits = lowBits - 1 }, sample);
        }

        if (min < best.Center && max > best.Center)
            Try(best with { PlainSigns = true }, sample);
        return best;

        void Try(MixingParameters candidate, Span<T> part)
        {
            long candidateCost = Cost(candidate, part, columns, min, max);
            if (candidateCost < cost)
                (best, cost) = (candidate, candidateCost);
        }
    }

    /// <summary>Parameters found before, for weights that have changed a little: what follows from counts alone is taken afresh.</summary>
    internal static MixingParameters Adapt<T>(MixingParameters found, ReadOnlySpan<T> symbols, int columns)
        where T : struct, IBinaryInteger<T>
    {
        MixingParameters start = Start(symbols, columns, found.Center);
        return found with { Scale = start.Scale, EmptyLines = start.EmptyLines };
    }

    internal static bool[] EmptyColumns<T>(ReadOnlySpan<T> symbols, int columns, int center)
        where T : struct, IBinaryInteger<T>
    {
        T zero = T.CreateTruncating(center);
        var isEmpty = new bool[columns];
        isEmpty.AsSpan().Fill(true);
        for (int start = 0; start < symbols.Length; start += columns)
        {
            ReadOnlySpan<T> line = symbols.Slice(start, Math.Min(columns, symbols.Length - start));
            for (int i = line.IndexOfAnyExcept(zero); i >= 0 && i < line.Length; i++)
                isEmpty[i] &= line[i] == zero;
        }

        return isEmpty;
    }

    private static MixingParameters Start<T>(ReadOnlySpan<T> symbols, int columns, int center)
        where T : struct, IBinaryInteger<T>
    {
        long sum = 0;
        foreach (T symbol in symbols)
            sum += Math.Abs(int.CreateTruncating(symbol) - center);
        int mean = (int)Math.Min((sum << 8) / symbols.Length, int.MaxValue >> 5) + 1;
        int exponent = BitOperations.Log2((uint)mean);
        int log = (exponent << 4) | ((int)(((long)mean << 4) >> exponent) & 15);

        T zero = T.CreateTruncating(center);
        long emptyRows = 0;
        int rows = 0;
        for (int start = 0; start < symbols.Length; start += columns, rows++)
            emptyRows += symbols.Slice(start, Math.Min(columns, symbols.Length - start)).ContainsAnyExcept(zero) ? 0 : 1;
        long emptyColumns = EmptyColumns(symbols, columns, center).AsSpan().Count(true);
        return new MixingParameters
        {
            Period = 1,
            Scale = (byte)Math.Min(log >> 1, byte.MaxValue),
            LowBits = Math.Clamp(exponent - 10, 0, MixingParameters.MaxLowBits),
            Center = center,
            EmptyLines = (emptyRows * 50 > rows) || (emptyColumns * 50 > columns && rows > 1),
        };
    }

    private static int Mode<T>(ReadOnlySpan<T> symbols, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        var counts = new int[max - min + 1];
        foreach (T symbol in symbols)
            counts[int.CreateTruncating(symbol) - min]++;
        int mode = Math.Clamp(0, min, max) - min;
        for (int i = 0; i < counts.Length; i++)
        {
            if (counts[i] > counts[mode])
                mode = i;
        }

        return mode + min;
    }

    // The axes' products, and the distances at which non-zero weights of a row meet most often.
    private static HashSet<int> Periods<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int columns, int center)
        where T : struct, IBinaryInteger<T>
    {
        var periods = new HashSet<int>();
        long product = 1;
        for (int axis = shape.Length - 1; axis > 1; axis--)
        {
            product *= shape[axis];
            if (product < columns && product <= LongestPeriod)
                periods.Add((int)product);
        }

        int longest = Math.Min(LongestPeriod, columns / 2);
        if (longest < 2)
            return periods;
        symbols = symbols[..Math.Min(symbols.Length, PeriodSample)];
        int level = 0;
        foreach (T symbol in symbols)
            level += Math.Abs(int.CreateTruncating(symbol) - center);
        level /= symbols.Length;
        var large = new ulong[(symbols.Length / 64) + 2];
        for (int i = 0; i < symbols.Length; i++)
        {
            if (Math.Abs(int.CreateTruncating(symbols[i]) - center) > level)
                large[i >> 6] |= 1UL << (i & 63);
        }

        var meetings = new long[longest + 2];
        for (int distance = 1; distance < meetings.Length && distance < symbols.Length; distance++)
        {
            long count = 0;
            int skip = distance >> 6;
            int shift = distance & 63;
            for (int i = 0; i + skip + 1 < large.Length; i++)
            {
                ulong later = (large[i + skip] >> shift) | (shift == 0 ? 0 : large[i + skip + 1] << (64 - shift));
                count += BitOperations.PopCount(large[i] & later);
            }

            meetings[distance] = count * symbols.Length / (symbols.Length - distance);
        }

        for (int peak = 0; peak < Peaks; peak++)
        {
            int best = 0;
            for (int distance = 2; distance <= longest; distance++)
            {
                if (meetings[distance] > meetings[best] && meetings[distance] >= meetings[distance - 1] && meetings[distance] >= meetings[distance + 1])
                    best = distance;
            }

            if (best == 0)
                break;
            periods.Add(best);
            meetings[best] = 0;
        }

        return periods;
    }

    /// <summary>The code length of weights with given parameters; bits x 2^16.</summary>
    internal static long Cost<T>(MixingParameters parameters, Span<T> symbols, int columns, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        var meter = default(Meter);
        var model = new WeightModel(parameters, columns, symbols.Length, min, max);
        model.Begin(ref meter, symbols);
        model.Run(ref meter, symbols, model.Pairs);
        return meter.Bits + ((long)parameters.ToArray().Length << (FixedPointLog2.FractionBits + 3));
    }

    /// <summary>The code length of weights by a fixed distribution; bits x 2^16.</summary>
    internal static long Cost<T>(BellModel model, Span<T> symbols, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        var meter = default(Meter);
        model.Run(ref meter, symbols, min, max);
        return meter.Bits + ((long)BellModel.HeadBytes << (FixedPointLog2.FractionBits + 3));
    }

    // Adds up the code length, bits x 2^16, probabilities rounded to 14 bits.
    private struct Meter : INodeCoder
    {
        internal long Bits;

        public static bool Decodes => false;

        public int Code(int bit, int probability)
        {
            Add(bit != 0 ? probability : 65_536 - probability);
            return bit;
        }

        public int Code(int answer, ref int thresholds)
        {
            Add(Unsafe.Add(ref thresholds, answer) - Unsafe.Add(ref thresholds, answer + 1));
            return answer;
        }

        private void Add(int slots) => Bits += (14 << FixedPointLog2.FractionBits) - FixedPointLog2.Of(Math.Max(slots >> 2, 1));
    }
}
