using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding.Classified.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>The rows and columns of a tensor that a choice of parameters codes, and the context of each weight. Source: docs/format.md, section 5.8.3.</summary>
internal sealed class ClassifiedText
{
    private readonly sbyte[] symbols;
    private readonly byte[] sizes;
    private readonly byte[] classes;
    private readonly int firstDigit;

    // Parts of the energy and of the expected sign, by signed size.
    private readonly Vector128<byte> near;
    private readonly Vector128<byte> second;
    private readonly Vector128<byte> far;
    private readonly Vector128<byte> side;
    private readonly Vector128<byte> nearSign;
    private readonly Vector128<byte> farSign;

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
        near = Vector128.Create(ClassifiedSteps.Weights(parameters.NearWeight));
        second = Vector128.Create(ClassifiedSteps.Weights(parameters.SecondWeight));
        far = Vector128.Create(ClassifiedSteps.Weights(parameters.FarWeight));
        side = Vector128.Create(ClassifiedSteps.Weights(parameters.SideWeight));
        nearSign = Vector128.Create(ClassifiedSteps.Signs(parameters.SignOfNear));
        farSign = Vector128.Create(ClassifiedSteps.Signs(parameters.SignOfFar));
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
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FillRow(int row, Span<byte> digits, Span<byte> contexts)
    {
        int start = row / Rows.Stripe * Rows.Stripe * Width;
        int place = row * Width;
        int scale = RowClasses[Rows.Rows[row]] - 2;
        int distance = Math.Max(Parameters.FarDistance, 2);
        ReadOnlySpan<byte> history = sizes.AsSpan(start, place - start + Width);
        ReadOnlySpan<sbyte> values = symbols.AsSpan(place, Width);
        ReadOnlySpan<byte> columns = classes;
        int at = place - start;
        int nearWeight = Parameters.NearWeight;
        int secondWeight = Parameters.SecondWeight;
        int farWeight = Parameters.FarWeight;
        int sideWeight = Parameters.SideWeight;
        int signOfNear = Parameters.SignOfNear ? 1 : 0;
        int signOfFar = Parameters.SignOfFar ? 1 : 0;
        bool usesFar = Parameters.UsesFar;
        for (int column = 0; column < values.Length; column++, at++)
        {
            // Once all neighbours lie in the stripe, sixteen at a time; empty columns get a context that nothing reads.
            if (at > distance && column + Vector128<byte>.Count <= values.Length)
            {
                FillSixteen(history, at, distance, Vector128.Create(values.Slice(column, Vector128<byte>.Count)).AsByte(), out Vector128<byte> digit, out Vector128<byte> energies);
                digit.CopyTo(digits[column..]);
                Vector128<byte> scales = Vector128.Create(columns.Slice(column, Vector128<byte>.Count)) + Vector128.Create((byte)scale);
                ((scales * Vector128.Create((byte)ClassifiedLayout.Energies)) | energies).CopyTo(contexts[column..]);
                column += Vector128<byte>.Count - 1;
                at += Vector128<byte>.Count - 1;
                continue;
            }

            int columnClass = columns[column];
            if (columnClass == 0)
                continue;
            int beside = Size(history, at - 1);
            int energy = (nearWeight * Math.Abs(beside)) + (secondWeight * Math.Abs(Size(history, at - 2)));
            int sign = signOfNear * beside;
            if (usesFar)
            {
                int above = Size(history, at - distance);
                energy += (farWeight * Math.Abs(above)) + (sideWeight * (Math.Abs(Size(history, at - distance - 1)) + Math.Abs(Size(history, at - distance + 1))));
                sign += signOfFar * above;
            }

            int symbol = values[column];
            digits[column] = (byte)((sign < 0 ? -symbol : symbol) - firstDigit);
            contexts[column] = (byte)(((scale + columnClass) * ClassifiedLayout.Energies) + Math.Min(energy, ClassifiedLayout.Energies - 1));
        }
    }

    // Digits and energies of sixteen weights from a place on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void FillSixteen(ReadOnlySpan<byte> history, int at, int distance, Vector128<byte> values, out Vector128<byte> digits, out Vector128<byte> energies)
    {
        Vector128<byte> beside = Vector128.Create(history.Slice(at - 1, Vector128<byte>.Count));
        energies = Vector128.Shuffle(near, beside) + Vector128.Shuffle(second, Vector128.Create(history.Slice(at - 2, Vector128<byte>.Count)));
        Vector128<byte> sign = Vector128.Shuffle(nearSign, beside);
        if (Parameters.UsesFar)
        {
            Vector128<byte> above = Vector128.Create(history.Slice(at - distance, Vector128<byte>.Count));
            energies += Vector128.Shuffle(far, above) + Vector128.Shuffle(side, Vector128.Create(history.Slice(at - distance - 1, Vector128<byte>.Count)))
                + Vector128.Shuffle(side, Vector128.Create(history.Slice(at - distance + 1, Vector128<byte>.Count)));
            sign += Vector128.Shuffle(farSign, above);
        }

        energies = Vector128.Min(energies, Vector128.Create((byte)(ClassifiedLayout.Energies - 1)));
        Vector128<byte> negative = Vector128.LessThan(sign.AsSByte(), Vector128<sbyte>.Zero).AsByte();
        digits = (values ^ negative) - negative - Vector128.Create((byte)firstDigit);
    }

    // With its sign; before the stripe everything is 0.
    private static int Size(ReadOnlySpan<byte> history, int place) => (uint)place < (uint)history.Length ? history[place] - ClassifiedLayout.Neutral : 0;
}
