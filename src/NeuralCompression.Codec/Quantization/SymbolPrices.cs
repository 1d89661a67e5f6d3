using System.Numerics;
using NeuralCompression.Codec.WeightCoding.ContextMixing;

namespace NeuralCompression.Codec;

/// <summary>What each symbol of a tensor costs given all the others: the additive log-odds of its row and its column, and the frequencies of the non-zeros.</summary>
/// <remarks>Doubles: it decides which symbols are stored, not how. The own symbol is left out of every count, so that nothing vouches for itself.</remarks>
internal sealed class SymbolPrices
{
    // A row of unknown activity counts as this many weights of the tensor's average.
    private const double Prior = 3;

    private readonly int columns;
    private readonly int rows;
    private readonly int length;
    private readonly int min;
    private readonly bool hasContexts;
    private readonly int[] rowCounts;
    private readonly int[] columnCounts;
    private readonly double[] rowLogits;
    private readonly double[] columnLogits;
    private readonly double[] symbolBits;
    private double logit;
    private int row;
    private int column;
    private double zeroBits;
    private double nonZeroBits;

    internal SymbolPrices(ReadOnlySpan<long> shape, int length, int min, int max, bool hasContexts)
    {
        this.length = length;
        this.min = min;
        this.hasContexts = hasContexts;
        columns = ContextMixingCoder.RowLength(shape, length);
        rows = ((length - 1) / columns) + 1;
        rowCounts = new int[rows];
        columnCounts = new int[columns];
        rowLogits = new double[columns + 1];
        columnLogits = new double[rows + 1];
        symbolBits = new double[max - min + 1];
    }

    /// <summary>Whether a zero costs less than any other symbol wherever it stands, about: most symbols are zero.</summary>
    internal bool ZeroIsCheapest { get; private set; }

    /// <summary>Takes the frequencies of a whole tensor.</summary>
    internal void Count<TSymbol>(ReadOnlySpan<TSymbol> symbols)
        where TSymbol : struct, IBinaryInteger<TSymbol>
    {
        rowCounts.AsSpan().Clear();
        columnCounts.AsSpan().Clear();
        var counts = new int[symbolBits.Length];
        int nonZeros = 0;
        for (int start = 0, line = 0; start < symbols.Length; start += columns, line++)
        {
            ReadOnlySpan<TSymbol> rest = symbols.Slice(start, Math.Min(columns, symbols.Length - start));
            for (int i = rest.IndexOfAnyExcept(TSymbol.Zero); i >= 0 && i < rest.Length; i++)
            {
                if (rest[i] == TSymbol.Zero)
                    continue;
                counts[int.CreateTruncating(rest[i]) - min]++;
                rowCounts[line]++;
                columnCounts[i]++;
                nonZeros++;
            }
        }

        double share = Math.Clamp(nonZeros / (double)length, 0.5 / length, 1 - (0.5 / length));
        ZeroIsCheapest = share < 0.25;
        logit = Logit(share);
        Fill(rowLogits, columns - 1, share);
        Fill(columnLogits, rows - 1, share);
        for (int i = 0; i < counts.Length; i++)
            symbolBits[i] = Math.Log2((nonZeros + (0.5 * counts.Length)) / (counts[i] + 0.5));
    }

    /// <summary>The next prices are those of one place.</summary>
    internal void Select(int index, int now)
    {
        row = index / columns;
        column = index - (row * columns);
        int self = now != 0 ? 1 : 0;
        double odds = hasContexts ? rowLogits[rowCounts[row] - self] + columnLogits[columnCounts[column] - self] - logit : logit;

        // Bits of a decision with log-odds x: log2(1 + e^-x) for a yes, x more for a no; the larger part taken out, so that nothing overflows.
        double rare = Math.Log2(1 + Math.Exp(-Math.Abs(odds)));
        double often = Math.Abs(odds) * Math.Log2(Math.E);
        (zeroBits, nonZeroBits) = odds < 0 ? (rare, rare + often) : (rare + often, rare);
    }

    internal double Bits(int symbol) => symbol == 0 ? zeroBits : nonZeroBits + symbolBits[symbol - min];

    /// <summary>The selected place has another symbol now.</summary>
    internal void Change(int before, int after)
    {
        int change = (after != 0 ? 1 : 0) - (before != 0 ? 1 : 0);
        rowCounts[row] += change;
        columnCounts[column] += change;
    }

    // Log-odds of a row with so many non-zeros among so many others.
    private static void Fill(double[] logits, int others, double share)
    {
        for (int count = 0; count < logits.Length; count++)
            logits[count] = Logit(Math.Clamp((count + (Prior * share)) / (others + Prior), 1e-9, 1 - 1e-9));
    }

    private static double Logit(double probability) => Math.Log(probability / (1 - probability));
}
