using NeuralCompression.Codec.WeightCoding.ContextMixing;

namespace NeuralCompression.Codec.Updates;

/// <summary>
/// The order in which the differences of a run of symbols are stored: elements of which the base lets one expect the same stand together, so that ordinary coders, which adapt, see what
/// the base knows. Both sides derive it from the base alone. Source: docs/format.md, section 18.4.
/// </summary>
internal sealed class DifferenceOrder
{
    // Of two logarithms in half octaves of counts below 2^24; the largest sum is 100.
    private const int ZeroClasses = 128;

    private int[] places = [];
    private int[] rows = [];
    private int[] columns = [];
    private int rowLength;
    private int firstZeroClass;

    /// <summary>Puts differences in their order.</summary>
    /// <param name="baseSymbols">The run of the base.</param>
    /// <param name="rowElements">Elements of a row: the product of all axes but the first.</param>
    /// <param name="differences">The differences in the order of the tensor.</param>
    /// <param name="sorted">Receives them.</param>
    internal void Sort(ReadOnlySpan<short> baseSymbols, long rowElements, ReadOnlySpan<short> differences, Span<short> sorted)
    {
        Plan(baseSymbols, rowElements);
        for (int row = 0; row < rows.Length; row++)
        {
            ReadOnlySpan<short> line = Row(baseSymbols, row);
            ReadOnlySpan<short> from = Row(differences, row);
            for (int column = 0; column < line.Length; column++)
                sorted[places[Class(line[column], row, column)]++] = from[column];
        }
    }

    /// <summary>Puts differences back into the order of the tensor.</summary>
    internal void Restore(ReadOnlySpan<short> baseSymbols, long rowElements, ReadOnlySpan<short> sorted, Span<short> differences)
    {
        Plan(baseSymbols, rowElements);
        for (int row = 0; row < rows.Length; row++)
        {
            ReadOnlySpan<short> line = Row(baseSymbols, row);
            Span<short> to = differences.Slice(row * rowLength, line.Length);
            for (int column = 0; column < line.Length; column++)
                to[column] = sorted[places[Class(line[column], row, column)]++];
        }
    }

    // The non-zero symbols by magnitude, then the zeros, those in busy rows and columns first.
    private int Class(short symbol, int row, int column) => symbol != 0 ? Math.Abs((int)symbol) - 1 : firstZeroClass - ((rows[row] + columns[column]) >> 3);

    // The last row of a run may be shorter.
    private ReadOnlySpan<short> Row(ReadOnlySpan<short> run, int row) => run.Slice(row * rowLength, Math.Min(rowLength, run.Length - (row * rowLength)));

    private void Plan(ReadOnlySpan<short> symbols, long rowElements)
    {
        rowLength = (int)Math.Clamp(rowElements, 1, Math.Max(1, symbols.Length));
        rows = new int[(symbols.Length + rowLength - 1) / rowLength];
        columns = new int[rowLength];
        int largest = 0;
        for (int row = 0; row < rows.Length; row++)
        {
            ReadOnlySpan<short> line = Row(symbols, row);
            for (int column = 0; column < line.Length; column++)
            {
                if (line[column] == 0)
                    continue;
                largest = Math.Max(largest, Math.Abs((int)line[column]));
                rows[row]++;
                columns[column]++;
            }
        }

        foreach (int[] counts in (int[][])[rows, columns])
        {
            foreach (ref int count in counts.AsSpan())
                count = WeightModel.Log(count + 1);
        }

        firstZeroClass = largest + ZeroClasses - 1;

        places = new int[largest + ZeroClasses];
        for (int row = 0; row < rows.Length; row++)
        {
            ReadOnlySpan<short> line = Row(symbols, row);
            for (int column = 0; column < line.Length; column++)
                places[Class(line[column], row, column)]++;
        }

        int start = 0;
        foreach (ref int place in places.AsSpan())
            (place, start) = (start, start + place);
    }
}
