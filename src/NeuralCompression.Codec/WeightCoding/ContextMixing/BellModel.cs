using System.Numerics;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Symbols that follow a logistic distribution, without adapting: a short tensor, the biases of a layer for example, ends before a model has learnt anything. Source: docs/format.md, section 5.6.6.</summary>
/// <param name="Center">The mean.</param>
/// <param name="Width">The scale: (8 + Width mod 8) x 2^floor(Width / 8) / 64.</param>
internal readonly record struct BellModel(int Center, int Width)
{
    /// <summary>The first byte of a payload in this form.</summary>
    internal const byte Flag = 0x80;

    internal const int HeadBytes = 4;

    /// <summary>Symbols up to which the encoder tries this form.</summary>
    internal const int MaxLength = 1 << 12;

    private const int MaxWidth = 127;

    internal byte[] ToArray() => [Flag, (byte)Center, (byte)(Center >> 8), (byte)Width];

    internal static BellModel Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < HeadBytes)
            Invalid.Throw(ContainerError.EntropyStream, "The parameters end early.");
        if (payload[3] > MaxWidth)
            Invalid.Throw(ContainerError.EntropyStream, "A parameter is out of range.");
        return new BellModel((short)(payload[1] | (payload[2] << 8)), payload[3]);
    }

    /// <summary>The mean of the symbols, and the narrowest width that is at least their deviation x 0.55: a logistic distribution deviates by 1.8 times its scale.</summary>
    internal static BellModel Fit<T>(ReadOnlySpan<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        int min = int.CreateTruncating(symbols[0]);
        long sum = 0;
        foreach (T symbol in symbols)
        {
            min = Math.Min(min, int.CreateTruncating(symbol));
            sum += int.CreateTruncating(symbol);
        }

        // Rounded division of what lies above the smallest, which is not negative.
        int center = min + (int)(((2 * (sum - ((long)min * symbols.Length))) + symbols.Length) / (2L * symbols.Length));
        long squares = 0;
        foreach (T symbol in symbols)
        {
            long distance = int.CreateTruncating(symbol) - center;
            squares += distance * distance;
        }

        // (64 x scale)^2 against 64^2 x 0.55^2 x the mean square.
        int width = 0;
        while (width < MaxWidth && (long)Scale(width) * Scale(width) * symbols.Length < squares * 1239)
            width++;
        return new BellModel(center, width);
    }

    /// <summary>Codes symbols, all in [min, max].</summary>
    internal void Run<TCoder, TSymbol>(ref TCoder coder, Span<TSymbol> symbols, int min, int max)
        where TCoder : struct, IDecisionCoder, allows ref struct
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        foreach (ref TSymbol place in symbols)
        {
            int symbol = TCoder.Decodes ? 0 : int.CreateTruncating(place);
            int low = min;
            int high = max;
            int below = 0;
            int above = 65_536;

            // Halves of the range that is left, by the share of the distribution that they hold.
            while (low < high)
            {
                int middle = (low + high + 1) >> 1;
                int cut = Below(middle);
                int probability = above == below ? BinaryRansConstants.NearlyHalf : Math.Clamp((int)((long)(above - cut) * 65_536 / (above - below)), 1, 65_535);
                if (coder.Code(symbol >= middle ? 1 : 0, probability) != 0)
                    (low, below) = (middle, cut);
                else
                    (high, above) = (middle - 1, cut);
            }

            if (TCoder.Decodes)
                place = TSymbol.CreateTruncating(low);
        }
    }

    private static int Scale(int width) => (8 + (width & 7)) << (width >> 3);

    // The share of the distribution below a symbol, of 2^16.
    private int Below(int symbol)
    {
        long numerator = ((2L * symbol) - 1 - (2L * Center)) * 8192;
        long logOdds = Math.Abs(numerator) / Scale(Width);
        int magnitude = (int)Math.Min(logOdds, Logistic.Limit);
        return Logistic.Probability(numerator < 0 ? -magnitude : magnitude);
    }
}
