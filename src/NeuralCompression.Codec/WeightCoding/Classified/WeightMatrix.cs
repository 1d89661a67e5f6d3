using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>Weights by row and column, without the rows and columns that are left out, and their signed sizes.</summary>
internal sealed class WeightMatrix
{
    /// <param name="symbols">All weights, row by row.</param>
    /// <param name="width">Weights of a row.</param>
    /// <param name="keepsRow">Rows to keep.</param>
    /// <param name="keepsColumn">Columns to keep.</param>
    /// <param name="sizeShift">Low bits that sizes leave out.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal WeightMatrix(ReadOnlySpan<sbyte> symbols, int width, bool[] keepsRow, bool[] keepsColumn, int sizeShift)
    {
        var columns = new List<int>(width);
        for (int column = 0; column < width; column++)
        {
            if (keepsColumn[column])
                columns.Add(column);
        }

        Width = columns.Count;
        Symbols = new sbyte[keepsRow.Count(kept => kept) * Width];
        Sizes = new byte[Symbols.Length];
        int place = 0;
        for (int row = 0; row < keepsRow.Length; row++)
        {
            if (!keepsRow[row])
                continue;
            ReadOnlySpan<sbyte> source = symbols.Slice(row * width, width);
            if (Width == width)
            {
                source.CopyTo(Symbols.AsSpan(place));
                place += width;
                continue;
            }

            foreach (int column in columns)
                Symbols[place++] = source[column];
        }

        Span<byte> size = stackalloc byte[256];
        for (int symbol = sbyte.MinValue; symbol <= sbyte.MaxValue; symbol++)
            size[(byte)symbol] = ClassifiedLayout.SignedSize(symbol, sizeShift);
        for (int i = 0; i < Sizes.Length; i++)
            Sizes[i] = size[(byte)Symbols[i]];
    }

    /// <summary>Weights of a row that are left.</summary>
    internal int Width { get; }

    internal sbyte[] Symbols { get; }

    /// <summary>As the history of the decoder holds them.</summary>
    internal byte[] Sizes { get; }
}
