namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>One of two runs of rows that are coded side by side: where it is, and what it coded last. Source: docs/format.md, section 5.6.5.</summary>
/// <param name="number">0 for the first run, 1 for the second.</param>
/// <param name="margin">Weights to look back from a row.</param>
/// <param name="columns">Weights of a row.</param>
/// <param name="length">Weights of the segment.</param>
internal sealed class Strand(int number, int margin, int columns, int length)
{
    private const int HistoryLength = 1 << 16;

    internal readonly int Number = number;

    /// <summary>Magnitudes without their low bits, up to 255.</summary>
    internal readonly byte[] Sizes = new byte[HistoryBytes(margin, columns, length)];

    /// <summary>The same, up to 2.</summary>
    internal readonly byte[] Twos = new byte[HistoryBytes(margin, columns, length)];

    /// <summary>0 for zero, 1 for negative, 2 for positive.</summary>
    internal readonly byte[] Sides = new byte[HistoryBytes(margin, columns, length)];

    /// <summary>Where the row starts in these arrays.</summary>
    internal int Cursor = margin - columns;

    /// <summary>The row of the segment that comes next.</summary>
    internal int Row;

    /// <summary>The mean magnitude in the row, in 1/256.</summary>
    internal int Scale;

    /// <summary>Goes on to a row that is zero as yet.</summary>
    internal void NextRow()
    {
        Cursor += columns;
        bool slides = Cursor + columns > Sizes.Length;
        foreach (byte[] history in (ReadOnlySpan<byte[]>)[Sizes, Twos, Sides])
        {
            if (slides)
                history.AsSpan(Cursor - margin, margin).CopyTo(history);
            history.AsSpan(slides ? margin : Cursor, columns).Clear();
        }

        if (slides)
            Cursor = margin;
        Row++;
    }

    // All rows, or as many as make copying the margin to the front rare.
    private static int HistoryBytes(int margin, int columns, int length) =>
        margin + Math.Max(columns, Math.Min((((length - 1) / columns) + 1) * columns, Math.Max(margin, HistoryLength)));
}
