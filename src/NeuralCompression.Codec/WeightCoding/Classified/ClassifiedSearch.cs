using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>The encoder's choice of classes, neighbours and signs for one tensor: a few steps, each keeping the best of what it tries on a sample of rows. Integers only.</summary>
internal sealed class ClassifiedSearch
{
    /// <summary>Weights that are looked at to compare choices, or one part of all in <see cref="MaxStride"/> if those are more.</summary>
    private const int SampleWeights = 1 << 17;

    private const int MaxStride = 16;

    /// <summary>Weights that are looked at to find a period.</summary>
    private const int PeriodSample = 1 << 14;

    /// <summary>The longest period that is looked for without a hint from the shape; images of 28 columns are common.</summary>
    private const int MaxPeriod = 40;

    /// <summary>Fewer rows are cut into shorter ones, so that lanes have work.</summary>
    private const int FewRows = 8;

    /// <summary>Rows that a cut should give.</summary>
    private const int EnoughRows = 32;

    private const int MinRowLength = 8;
    private const int MaxCut = 4096;

    // A lane costs about three bytes, and below 32 lanes there is no vector kernel: 32 from a number of weights on whose time shows, 64 by the length of the payload.
    private const int WideWeights = 4 << 10;
    private const int WidestFrom = 64 << 10;
    private const int WidestRows = 256;
    private const int FourFrom = 256;

    // What the parameters and the rounding of the rANS states and streams take; bytes.
    private const int HeadBytes = 12;

    private readonly Dictionary<(bool Rows, bool Columns), WeightMatrix> matrices = [];
    private readonly int length;
    private readonly int width;
    private readonly int min;
    private readonly int max;
    private readonly int sizeShift;
    private readonly bool emptyRows;
    private readonly bool emptyColumns;
    private readonly byte[][] rowClasses;
    private readonly byte[][] columnClasses;
    private readonly long[] rowPrices;
    private readonly long[] columnPrices;
    private ClassifiedChoice best;
    private long bestCost = long.MaxValue;

    private ClassifiedSearch(ReadOnlySpan<sbyte> symbols, ReadOnlySpan<long> shape, int min, int max, long limit)
    {
        length = symbols.Length;
        this.min = min;
        this.max = max;
        int rowLength = ChooseRowLength(shape, length);
        width = rowLength != 0 ? rowLength : (int)ClassifiedLayout.RowLength(shape);
        var rows = new long[length / width];
        var columns = new long[width];
        Sum(symbols, rows, columns);
        long total = rows.Sum();
        while (sizeShift < ClassifiedLayout.MaxSize && 2 * total > (3L * length) << sizeShift)
            sizeShift++;
        rowClasses = [Plain(rows.Length), Classes(rows, total, 1), Classes(rows, total, 0)];
        columnClasses = [Plain(width), Classes(columns, total, 1), Classes(columns, total, 0)];
        rowPrices = Array.ConvertAll(rowClasses, Price);
        columnPrices = Array.ConvertAll(columnClasses, Price);
        rowPrices[0] = columnPrices[0] = 0;
        matrices[(false, false)] = new WeightMatrix(symbols, width, Array.ConvertAll(rows, _ => true), Array.ConvertAll(columns, _ => true), sizeShift);
        emptyRows = rows.Contains(0);
        emptyColumns = columns.Contains(0);

        best = new ClassifiedChoice
        {
            Parameters = new ClassifiedParameters
            {
                LaneCode = LaneCode(length, rows.Length, limit),
                SizeShift = sizeShift,
                RowLength = rowLength,
                NearWeight = 2,
                PrecisionBits = ClassifiedLayout.MaxPrecisionBits,
                Tables = 1,
            },
        };
        Text = null!;
        Tables = null!;
    }

    /// <summary>The text as it is to be coded.</summary>
    internal ClassifiedText Text { get; private set; }

    internal TablePlan Tables { get; private set; }

    /// <summary>Searches; null where the other codings, of <paramref name="limit"/> bytes, are not beaten.</summary>
    /// <param name="symbols">The weights.</param>
    /// <param name="shape">Their shape.</param>
    /// <param name="min">The smallest symbol.</param>
    /// <param name="max">The largest symbol.</param>
    /// <param name="limit">What the other codings take; bytes.</param>
    /// <param name="choice">What a search of much the same weights found, which is then taken as it is; receives what was found.</param>
    internal static ClassifiedSearch? Run(ReadOnlySpan<sbyte> symbols, ReadOnlySpan<long> shape, int min, int max, long limit, ref ClassifiedChoice? choice)
    {
        var search = new ClassifiedSearch(symbols, shape, min, max, limit);
        if (choice is not ClassifiedChoice known || !search.Adopt(known))
        {
            search.ChooseClasses();
            search.ChooseNeighbours(search.Period(shape));
            search.ChooseClasses();
        }

        choice = search.best;
        return search.Finish(limit) ? search : null;
    }

    // What follows from the weights themselves stays this search's.
    private bool Adopt(ClassifiedChoice known)
    {
        ClassifiedParameters own = best.Parameters;
        ClassifiedChoice adopted = known with { Parameters = known.Parameters with { LaneCode = own.LaneCode, SizeShift = own.SizeShift, RowLength = own.RowLength } };
        if ((known.Parameters.Mirrors && min < -sbyte.MaxValue) || Resolve(adopted) is null)
            return false;
        best = adopted;
        return true;
    }

    private static int ChooseRowLength(ReadOnlySpan<long> shape, int length)
    {
        long columns = ClassifiedLayout.RowLength(shape);
        long rows = length / columns;
        if (columns == 1)
        {
            // A vector is one row, not rows of one weight.
            columns = length;
            rows = 1;
        }

        if (rows >= FewRows)
            return 0;
        for (int cut = 2; cut <= MaxCut && columns / cut >= MinRowLength; cut++)
        {
            if (columns % cut == 0 && rows * cut >= EnoughRows)
                return (int)(columns / cut);
        }

        return 0;
    }

    private static int LaneCode(int length, int rows, long bytes) => length switch
    {
        < WideWeights => bytes < FourFrom ? 0 : 1,
        _ => bytes < WidestFrom || rows < WidestRows ? 2 : 3,
    };

    private static byte[] Plain(int count)
    {
        var classes = new byte[count];
        classes.AsSpan().Fill(ClassifiedLayout.PlainClass);
        return classes;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sum(ReadOnlySpan<sbyte> symbols, long[] rows, long[] columns)
    {
        for (int row = 0; row < rows.Length; row++)
        {
            ReadOnlySpan<sbyte> values = symbols.Slice(row * columns.Length, columns.Length);
            long sum = 0;
            for (int column = 0; column < values.Length; column++)
            {
                int magnitude = Math.Abs((int)values[column]);
                sum += magnitude;
                columns[column] += magnitude;
            }

            rows[row] = sum;
        }
    }

    // The class of a line is the logarithm of its mean magnitude over that of the tensor, in steps of 1 / 2^halvings; class 4 is the mean.
    private static byte[] Classes(long[] sums, long total, int halvings)
    {
        var classes = new byte[sums.Length];
        long mean = FixedPointLog2.OfLarge(total) - FixedPointLog2.OfLarge(sums.Length);
        for (int i = 0; i < sums.Length; i++)
        {
            if (sums[i] == 0)
                continue;
            long ratio = (FixedPointLog2.OfLarge(sums[i]) - mean) << halvings;
            long step = (ratio + (1 << (FixedPointLog2.FractionBits - 1))) >> FixedPointLog2.FractionBits;
            classes[i] = (byte)Math.Clamp((ClassifiedLayout.Classes / 2) + step, 1, ClassifiedLayout.Classes - 1);
        }

        return classes;
    }

    private static long Price(byte[] classes)
    {
        var price = default(DecisionPrice);
        SideInformation.Classes(ref price, classes.AsSpan());
        return price.Cost;
    }

    // None, rows, columns or both, in fine or in coarse steps; and where columns are empty, whether neighbours are looked for across them.
    private void ChooseClasses()
    {
        ClassifiedChoice start = best;
        bestCost = long.MaxValue;
        for (int rows = 0; rows < 3; rows++)
        {
            for (int columns = 0; columns < 3; columns++)
            {
                if (rows != 0 && columns != 0 && rows != columns)
                    continue;
                var choice = new ClassifiedChoice
                {
                    Rows = rows,
                    Columns = columns,
                    Far = start.Far,
                    Parameters = start.Parameters with { HasRowClasses = rows != 0, HasColumnClasses = columns != 0, SkipsEmptyColumns = false },
                };
                Try(choice);
                if (columns != 0 && emptyColumns)
                    Try(choice with { Parameters = choice.Parameters with { SkipsEmptyColumns = true } });
            }
        }
    }

    private void ChooseNeighbours(int period)
    {
        ClassifiedChoice start = best with { Parameters = best.Parameters with { NearWeight = 0, SecondWeight = 0 } };
        Try(start);
        foreach (int far in (int[])[ClassifiedChoice.Above, period])
        {
            ClassifiedChoice at = start with { Far = far };
            Try(at with { Parameters = at.Parameters with { NearWeight = 2, FarWeight = 2 } });
            Try(at with { Parameters = at.Parameters with { NearWeight = 2, SecondWeight = 1, FarWeight = 2, SideWeight = 1 } });
        }

        if (min < -sbyte.MaxValue)
            return;
        start = best;
        Try(start with { Parameters = start.Parameters with { SignOfNear = true } });
        foreach (int far in (int[])[ClassifiedChoice.Above, period])
        {
            // A far neighbour may tell the sign also where it does not tell the size.
            if (start.Parameters.FarWeight != 0 && start.Far != far)
                continue;
            ClassifiedChoice at = start with { Far = far };
            Try(at with { Parameters = at.Parameters with { SignOfFar = true } });
            Try(at with { Parameters = at.Parameters with { SignOfNear = true, SignOfFar = true } });
        }
    }

    private void Try(ClassifiedChoice choice)
    {
        if (Resolve(choice) is not ClassifiedText text)
            return;
        int stride = Math.Clamp(length / SampleWeights, 1, Math.Clamp(text.Rows.Rows.Length / 8, 1, MaxStride));
        TableClusters clusters = TableClusters.Create(text.Count(stride), text.Alphabet, text.Zero, TablePlan.UsualTables);
        long cost = clusters.Cost + rowPrices[choice.Rows] + columnPrices[choice.Columns];
        if (cost < bestCost)
        {
            bestCost = cost;
            best = choice;
        }
    }

    // The text of a choice; null where its far distance is not possible.
    private ClassifiedText? Resolve(ClassifiedChoice choice)
    {
        ClassifiedParameters parameters = choice.Parameters;
        WeightMatrix matrix = Matrix(parameters);
        if (parameters.UsesFar)
        {
            int distance = choice.Far == ClassifiedChoice.Above ? matrix.Width : choice.Far;
            if (distance is < 2 or > ClassifiedLayout.MaxDistance)
                return null;
            parameters = parameters with { FarDistance = distance };
        }

        return new ClassifiedText(matrix, parameters, rowClasses[choice.Rows], columnClasses[choice.Columns], min, max);
    }

    private WeightMatrix Matrix(in ClassifiedParameters parameters)
    {
        (bool Rows, bool Columns) leavesOut = (parameters.HasRowClasses && emptyRows, parameters.SkipsEmptyColumns && emptyColumns);
        if (!matrices.TryGetValue(leavesOut, out WeightMatrix? matrix))
        {
            // Class 0 is the same in fine and in coarse steps.
            bool[] rows = Array.ConvertAll(rowClasses[1], value => !leavesOut.Rows || value != 0);
            bool[] columns = Array.ConvertAll(columnClasses[1], value => !leavesOut.Columns || value != 0);
            matrix = new WeightMatrix(matrices[(false, false)].Symbols, width, rows, columns, sizeShift);
            matrices.Add(leavesOut, matrix);
        }

        return matrix;
    }

    private bool Finish(long limit)
    {
        ClassifiedText text = Resolve(best)!;
        Tables = TablePlan.Create(text.Count(1), text.Alphabet, text.Zero);
        long side = (rowPrices[best.Rows] + columnPrices[best.Columns]) >> (FixedPointLog2.FractionBits + 3);
        if (HeadBytes + side + Tables.EstimatedBytes >= limit)
            return false;
        text.Fill(text.Parameters with { PrecisionBits = Tables.PrecisionBits, Tables = Tables.Tables.Length });
        Text = text;
        return true;
    }

    // The distance within a row at which sizes or signs agree most: the size of a kernel, or the width of an image.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Period(ReadOnlySpan<long> shape)
    {
        WeightMatrix matrix = Matrix(best.Parameters);
        int count = Math.Min(matrix.Sizes.Length, PeriodSample);
        ReadOnlySpan<byte> sizes = matrix.Sizes.AsSpan((matrix.Sizes.Length - count) / 2 / matrix.Width * matrix.Width, count);
        var distances = new SortedSet<int>(Enumerable.Range(2, MaxPeriod - 1));
        long product = 1;
        for (int axis = shape.Length - 1; axis > 0 && product * shape[axis] <= ClassifiedLayout.MaxDistance; axis--)
        {
            product *= shape[axis];
            distances.Add((int)product);
        }

        int period = 2;
        long score = -1;
        foreach (int distance in distances)
        {
            if (distance < 2 || distance >= matrix.Width || distance >= count)
                continue;
            long energy = 0;
            long sign = 0;
            for (int i = distance; i < sizes.Length; i++)
            {
                int product2 = (sizes[i] - ClassifiedLayout.Neutral) * (sizes[i - distance] - ClassifiedLayout.Neutral);
                energy += Math.Abs(product2);
                sign += product2;
            }

            long sum = (energy + Math.Abs(sign)) * PeriodSample / (count - distance);
            if (sum > score)
            {
                score = sum;
                period = distance;
            }
        }

        return period;
    }
}
