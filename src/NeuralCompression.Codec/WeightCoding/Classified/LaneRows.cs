using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>Which lane codes which rows: the rows that are not empty, cut into stripes of equal length, the last maybe shorter. Source: docs/format.md, section 5.8.4.</summary>
internal readonly struct LaneRows
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal LaneRows(ReadOnlySpan<byte> rowClasses, int lanes)
    {
        Rows = new int[rowClasses.Length - rowClasses.Count((byte)0)];
        int place = 0;
        for (int row = 0; row < rowClasses.Length; row++)
        {
            if (rowClasses[row] != 0)
                Rows[place++] = row;
        }

        Stripe = Math.Max(1, (Rows.Length + lanes - 1) / lanes);
        Lanes = (Rows.Length + Stripe - 1) / Stripe;
    }

    /// <summary>The rows that are coded, ascending.</summary>
    internal int[] Rows { get; }

    /// <summary>Rows of every lane but the last.</summary>
    internal int Stripe { get; }

    /// <summary>Lanes that have rows.</summary>
    internal int Lanes { get; }

    /// <summary>Lanes that have a row number <paramref name="step"/> in their stripe: all, or all but the last.</summary>
    internal int Active(int step) => Lanes == 0 || ((Lanes - 1) * Stripe) + step < Rows.Length ? Lanes : Lanes - 1;
}
