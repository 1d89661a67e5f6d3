using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>The rows and columns of a tensor that a choice of parameters codes, and the context of each weight. Source: docs/format.md, section 5.8.3.</summary>
internal sealed class ClassifiedText
{
    private readonly sbyte[] symbols;
    private readonly byte[] sizes;
    private readonly byte[] classes;
    private readonly int firstDigit;

    /// <param name="matrix">The weights that are left where empty rows and columns are left out as the parameters say.</param>
    /// <param name="parameters">Everything but precision and number of tables matters.</param>
    /// <param name="rowClasses">Of all rows.</param>
    /// <param name="columnClasses">Of all columns.</param>
    /// <param name="min">The smallest symbol.</param>
    /// <param name="max">The largest symbol.</param>
    internal ClassifiedText(WeightMatrix matrix, in ClassifiedParameters parameters, byte[] rowClasses, byte[] columnClasses, int min, int max)
    {
        symbols = matrix.Symbols;
        sizes = matrix.Sizes;
        Width = matrix.Width;
        Parameters = parameters;
        RowClasses = rowClasses;
        ColumnClasses = columnClasses;
        Rows = new LaneRows(rowClasses, RansConstants.LaneCounts[parameters.LaneCode]);
        classes = parameters.SkipsEmptyColumns ? Array.FindAll(columnClasses, value => value != 0) : columnClasses;
        int bound = Math.Max(-min, max);
        firstDigit = parameters.Mirrors ? -bound : min;
        Alphabet = (parameters.Mirrors ? bound : max) - firstDigit + 1;
    }

    internal ClassifiedParameters Parameters { get; private set; }

    internal byte[] RowClasses { get; }

    internal byte[] ColumnClasses { get; }

    internal LaneRows Rows { get; }

    /// <summary>Columns that count as places.</summary>
    internal int Width { get; }

    /// <summary>Digits: symbols, maybe mirrored, minus the smallest.</summary>
    internal int Alphabet { get; }

    /// <summary>The digit of the symbol 0; outside the alphabet where that is.</summary>
    internal int Zero => -firstDigit;

    /// <summary>The digits of all rows that are coded, one row after the other; empty before <see cref="Fill"/>.</summary>
    internal byte[] Digits { get; private set; } = [];

    /// <summary>Their contexts.</summary>
    internal byte[] Contexts { get; private set; } = [];

    /// <summary>True for a column that is a place but not coded.</summary>
    internal bool IsEmptyColumn(int column) => classes[column] == 0;

    /// <summary>Counts digits by context in every <paramref name="stride"/>-th row, times the stride.</summary>
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.AggressiveOptimization)]
    internal int[] Count(int stride)
    {
        var counts = new int[ClassifiedLayout.Contexts * Alphabet];
        var digits = new byte[Width];
        var contexts = new byte[Width];
        for (int row = 0; row < Rows.Rows.Length; row += stride)
        {
            FillRow(row, digits, contexts);
            for (int column = 0; column < digits.Length; column++)
            {
                if (classes[column] != 0)
                    counts[(contexts[column] * Alphabet) + digits[column]] += stride;
            }
        }

        return counts;
    }

    /// <summary>Digits and contexts of all rows; the parameters become final.</summary>
    internal void Fill(in ClassifiedParameters parameters)
    {
        Parameters = parameters;
        Digits = new byte[Rows.Rows.Length * Width];
        Contexts = new byte[Digits.Length];
        for (int row = 0; row < Rows.Rows.Length; row++)
            FillRow(row, Digits.AsSpan(row * Width, Width), Contexts.AsSpan(row * Width, Width));
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.AggressiveOptimization)]
    private void FillRow(int row, Span<byte> digits, Span<byte> contexts)
    {
        int start = row / Rows.Stripe * Rows.Stripe * Width;
        int place = row * Width;
        int scale = RowClasses[Rows.Rows[row]] - 2;
        int far = Math.Max(Parameters.FarDistance, 2);
        ReadOnlySpan<byte> history = sizes.AsSpan(start, place - start + Width);
        ReadOnlySpan<sbyte> values = symbols.AsSpan(place, Width);
        ReadOnlySpan<byte> columns = classes;
        int at = place - start;
        int nearWeight = Parameters.NearWeight;
        int secondWeight = Parameters.SecondWeight;
        int farWeight = Parameters.FarWeight;
        int sideWeight = Parameters.SideWeight;
        int nearSign = Parameters.SignOfNear ? 1 : 0;
        int farSign = Parameters.SignOfFar ? 1 : 0;
        bool usesFar = Parameters.UsesFar;
        for (int column = 0; column < values.Length; column++, at++)
        {
            int columnClass = columns[column];
            if (columnClass == 0)
                continue;
            int near = Size(history, at - 1);
            int energy = (nearWeight * Math.Abs(near)) + (secondWeight * Math.Abs(Size(history, at - 2)));
            int sign = nearSign * near;
            if (usesFar)
            {
                int above = Size(history, at - far);
                energy += (farWeight * Math.Abs(above)) + (sideWeight * (Math.Abs(Size(history, at - far - 1)) + Math.Abs(Size(history, at - far + 1))));
                sign += farSign * above;
            }

            int symbol = values[column];
            digits[column] = (byte)((sign < 0 ? -symbol : symbol) - firstDigit);
            contexts[column] = (byte)(((scale + columnClass) * ClassifiedLayout.Energies) + Math.Min(energy, ClassifiedLayout.Energies - 1));
        }
    }

    // With its sign; before the stripe everything is 0.
    private static int Size(ReadOnlySpan<byte> history, int place) => (uint)place < (uint)history.Length ? history[place] - ClassifiedLayout.Neutral : 0;
}
