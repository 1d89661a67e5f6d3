namespace NeuralCompression.Codec.Tests.Reference;

/// <summary>Coding 6, written from section 5.8 of docs/format.md alone: slow, simple, sharing no code with src.</summary>
internal sealed class ReferenceClassified
{
    private readonly byte[] file;
    private readonly int end;
    private int at;
    private ulong binary;

    private ReferenceClassified(byte[] file, int at, int end)
    {
        this.file = file;
        this.at = at;
        this.end = end;
    }

    internal static (int[] Symbols, int End) Decode(byte[] file, int at, int end, long[] shape, int count, int min, int max)
    {
        var decoder = new ReferenceClassified(file, at, end);
        return (decoder.Run(shape, count, min, max), decoder.at);
    }

    private static void Must(bool condition)
    {
        if (!condition)
            throw new FormatException("classified");
    }

    private int[] Run(long[] shape, int count, int min, int max)
    {
        Must(min >= -128 && max <= 127);

        // 5.8.1
        var bits = new ReferenceDecoder.BitField(file, at, end);
        int lanes = new[] { 1, 4, 32, 64 }[bits.Number(2)];
        int precision = bits.Number(3) + 8;
        Must(precision <= 12);
        int tableCount = bits.Number(5) + 1;
        int shift = bits.Number(3);
        bool hasRows = bits.Number(1) == 1;
        bool hasColumns = bits.Number(1) == 1;
        bool skips = bits.Number(1) == 1;
        Must(hasColumns || !skips);
        int signNear = bits.Number(1);
        int signFar = bits.Number(1);
        int near = bits.Number(2);
        int second = bits.Number(2);
        int far = bits.Number(2);
        int side = bits.Number(2);
        bool ownLength = bits.Number(1) == 1;
        int distance = 2;
        if (far + side + signFar > 0)
        {
            distance = bits.Number(14);
            Must(distance is >= 2 and <= 16382);
        }

        long width = 1;
        for (int axis = 1; axis < shape.Length; axis++)
            width *= shape[axis];
        if (ownLength)
            width = bits.Number(24);
        at = bits.End();
        Must(width > 0 && count % width == 0);
        bool mirrors = signNear + signFar > 0;
        int bound = Math.Max(-min, max);
        Must(!mirrors || bound <= 127);

        // 5.8.2
        int[] rowClass = Enumerable.Repeat(1, (int)(count / width)).ToArray();
        int[] columnClass = Enumerable.Repeat(1, (int)width).ToArray();
        var map = new int[13, 16];
        if (hasRows || hasColumns || tableCount > 1)
        {
            binary = 0;
            for (int i = 0; i < 5; i++)
                binary |= (ulong)U8() << (8 * i);
            Must(binary >= 1UL << 24);
            if (hasRows)
                Classes(rowClass);
            if (hasColumns)
                Classes(columnClass);
            Map(map, rowClass, columnClass, near + second + far + side > 0 ? 16 : 1, tableCount);
            Must(binary == 1UL << 24);
        }

        Must((min <= 0 && max >= 0) || !(rowClass.Contains(0) || columnClass.Contains(0)));

        // 5.8.3
        int first = mirrors ? -bound : min;
        bits = new ReferenceDecoder.BitField(file, at, end);
        var tables = new int[tableCount][];
        for (int i = 0; i < tableCount; i++)
        {
            int mantissa = bits.Number(3);
            tables[i] = ReferenceDecoder.Table(bits, (mirrors ? bound : max) - first + 1, precision, mantissa, endsAreAbsent: true);
        }

        at = bits.End();

        // 5.8.4
        int[] rows = Enumerable.Range(0, rowClass.Length).Where(row => rowClass[row] != 0).ToArray();
        int stripe = (rows.Length + lanes - 1) / lanes;
        int used = stripe == 0 ? 0 : (rows.Length + stripe - 1) / stripe;
        var x = new long[used];
        for (int lane = 0; lane < used; lane++)
        {
            x[lane] = U8() + (U8() << 8) + (U8() << 16) + ((long)U8() << 24);
            Must(x[lane] >= 1 << 15 && x[lane] < 1L << 31);
        }

        var symbols = new int[count];
        var places = new List<int>[used];
        for (int lane = 0; lane < used; lane++)
            places[lane] = [];
        for (int step = 0; step < stripe; step++)
        {
            for (int column = 0; column < width; column++)
            {
                for (int lane = 0; lane < used && (lane * stripe) + step < rows.Length; lane++)
                {
                    int row = rows[(lane * stripe) + step];
                    if (columnClass[column] == 0)
                    {
                        if (!skips)
                            places[lane].Add(0);
                        continue;
                    }

                    List<int> past = places[lane];
                    int Size(int back)
                    {
                        int value = back <= past.Count ? past[^back] : 0;
                        return Math.Sign(value) * Math.Min((Math.Abs(value) + ((1 << shift) / 2)) >> shift, 7);
                    }

                    int energy = (near * Math.Abs(Size(1))) + (second * Math.Abs(Size(2))) + (far * Math.Abs(Size(distance)))
                        + (side * (Math.Abs(Size(distance + 1)) + Math.Abs(Size(distance - 1))));
                    int[] frequency = tables[map[rowClass[row] + columnClass[column] - 2, Math.Min(energy, 15)]];
                    long slot = x[lane] % (1 << precision);
                    int s = 0;
                    long cumulative = 0;
                    while (slot >= cumulative + frequency[s])
                        cumulative += frequency[s++];
                    x[lane] = (frequency[s] * (x[lane] >> precision)) + slot - cumulative;
                    if (x[lane] < 1 << 15)
                        x[lane] = (x[lane] << 16) + U8() + (U8() << 8);
                    int symbol = first + s;
                    if ((signNear * Size(1)) + (signFar * Size(distance)) < 0)
                        symbol = -symbol;
                    past.Add(symbol);
                    symbols[(row * width) + column] = symbol;
                }
            }
        }

        Must(x.All(state => state == 1 << 15));
        return symbols;
    }

    private void Classes(int[] classes)
    {
        var counts = new Dictionary<(int, int), int[]>();
        int previous = 0;
        for (int i = 0; i < classes.Length; i++)
        {
            int node = 1;
            while (node < 8)
                node = (2 * node) + Decision(counts, (previous, node));
            classes[i] = previous = node - 8;
        }
    }

    private void Map(int[,] map, int[] rowClass, int[] columnClass, int energies, int tables)
    {
        var counts = new Dictionary<(int, int), int[]>();
        int first = 0;
        for (int scale = 0; scale < 13; scale++)
        {
            if (!rowClass.Distinct().Any(row => row != 0 && columnClass.Any(column => column != 0 && row + column - 2 == scale)))
                continue;
            int table = first;
            for (int energy = 0; energy < energies; energy++)
            {
                int place = energy == 0 ? 0 : 1;
                if (tables > 1 && Decision(counts, (place, 0)) == 1)
                {
                    bool down = table == tables - 1 || (table > 0 && Decision(counts, (place, 1)) == 1);
                    int most = down ? table : tables - 1 - table;
                    int step = 1;
                    while (step < most && Decision(counts, (place, 2 + Math.Min(step - 1, 7))) == 1)
                        step++;
                    table += down ? -step : step;
                }

                map[scale, energy] = table;
                if (energy == 0)
                    first = table;
            }
        }
    }

    private int Decision(Dictionary<(int, int), int[]> counts, (int, int) context)
    {
        if (!counts.TryGetValue(context, out int[]? seen))
            counts[context] = seen = [0, 0];
        uint p = (uint)((65536 * ((2 * seen[1]) + 1)) / (2 * (seen[0] + seen[1] + 1)));
        ulong slot = binary % 65536;
        ulong high = binary / 65536;
        int bit = slot < p ? 1 : 0;
        binary = bit == 1 ? (p * high) + slot : ((65536 - p) * high) + slot - p;
        if (binary < 1UL << 24)
            binary = (binary << 16) + (ulong)(U8() + (U8() << 8));
        seen[bit]++;
        if (seen[0] + seen[1] == 255)
        {
            seen[0] = (seen[0] + 1) / 2;
            seen[1] = (seen[1] + 1) / 2;
        }

        return bit;
    }

    private int U8()
    {
        Must(at < end);
        return file[at++];
    }
}
