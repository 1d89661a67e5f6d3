namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>The fixed numbers of the classified coding. Source: docs/format.md, section 5.8.</summary>
internal static class ClassifiedLayout
{
    /// <summary>Classes of a row or a column: 0 is empty, all others may hold anything.</summary>
    internal const int Classes = 8;

    /// <summary>The class of every row, or column, where classes are not written.</summary>
    internal const int PlainClass = 1;

    /// <summary>Scales: class of the row plus class of the column, minus two.</summary>
    internal const int Scales = (2 * Classes) - 3;

    /// <summary>Sums of neighbours' sizes that are told apart, so that one shuffle looks up sixteen weights or more.</summary>
    internal const int Energies = 16;

    /// <summary>Contexts before they share tables.</summary>
    internal const int Contexts = Scales * Energies;

    /// <summary>Room of a map, so that the scales of all row classes can be read together for every column class.</summary>
    internal const int MapLength = (2 * Classes - 2) * Energies;

    /// <summary>Tables of one tensor: 5 bits.</summary>
    internal const int MaxTables = 32;

    /// <summary>The finest table whose slots fit in 32 bits.</summary>
    internal const int MaxPrecisionBits = EntropyCoding.SlotTable.MaxPackedPrecisionBits;

    /// <summary>A size above this is this: sizes with a sign have 4 bits.</summary>
    internal const int MaxSize = 7;

    /// <summary>What is added to a signed size in the history, so that it indexes a table of 16.</summary>
    internal const int Neutral = MaxSize + 1;

    /// <summary>The largest distance to a far neighbour: what bounds the history, 2^14 steps of at most 64 bytes.</summary>
    internal const int MaxDistance = (1 << 14) - 2;

    /// <summary>Bits of a distance in the file.</summary>
    internal const int DistanceBits = 14;

    /// <summary>Bits of a row length in the file, where it does not follow from the shape.</summary>
    internal const int RowLengthBits = 24;

    /// <summary>The largest weight of a neighbour in the energy.</summary>
    internal const int MaxWeight = 3;

    /// <summary>Columns decoded between two calls of a kernel: a cache line of each row.</summary>
    internal const int BlockColumns = 64;

    /// <summary>The signed size of a symbol, in [1, 15], as the history holds it.</summary>
    internal static byte SignedSize(int symbol, int shift)
    {
        int size = Math.Min((Math.Abs(symbol) + ((1 << shift) >> 1)) >> shift, MaxSize);
        return (byte)(Neutral + (symbol < 0 ? -size : size));
    }

    /// <summary>Row length that a shape gives: all axes but the first.</summary>
    internal static long RowLength(ReadOnlySpan<long> shape)
    {
        long columns = 1;
        for (int axis = shape.Length - 1; axis > 0; axis--)
            columns *= shape[axis];
        return columns;
    }
}
