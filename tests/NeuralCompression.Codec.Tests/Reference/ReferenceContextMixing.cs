using System.Numerics;

namespace NeuralCompression.Codec.Tests.Reference;

/// <summary>Coding 4, written from section 5.6 of docs/format.md alone: slow, simple, sharing no code with src.</summary>
internal sealed class ReferenceContextMixing
{
    private static readonly BigInteger[] E = Decays();

    private readonly byte[] file = [];
    private readonly int end;
    private readonly int lowBits;
    private readonly bool plainSigns;
    private readonly bool emptyLines;
    private readonly int twiceScale;
    private readonly int period;
    private readonly int center;
    private readonly int below;
    private readonly int above;
    private readonly int width;
    private readonly int[] values = [];
    private readonly Mixer magnitudes = new(1);
    private readonly Mixer signs = new(1);
    private readonly Dictionary<(string, int, int), Counter> plain = [];
    private readonly long[] columnScale = [];
    private int at;
    private BigInteger state;

    private ReferenceContextMixing(byte[] file, int at, int end, long[] shape, int count, int min, int max)
    {
        this.file = file;
        this.at = at;
        this.end = end;
        int flags = U8();
        Must(flags < 128 && flags % 16 <= 12);
        lowBits = flags % 16;
        plainSigns = (flags & 16) != 0;
        emptyLines = (flags & 64) != 0;
        twiceScale = 2 * U8();
        period = U8();
        if (period >= 128)
            period += (U8() * 128) - 128;
        Must(period++ < 1 << 14);
        center = (flags & 32) != 0 ? (short)(U8() + (U8() * 256)) : 0;
        Must(center >= min && center <= max);
        below = Math.Max(center - min, 0);
        above = Math.Max(max - center, 0);

        long product = 1;
        for (int axis = shape.Length - 1; axis > 0 && product * shape[axis] <= 1 << 18; axis--)
            product *= shape[axis];
        width = product == 1 ? Math.Min(4096, count) : (int)product;
        values = new int[count];
        magnitudes = new Mixer(Math.Min(14, Math.Max(below, above) >> lowBits) + 1);
        signs = new Mixer(1);
        columnScale = new long[width];
        Array.Fill(columnScale, StartScale());
    }

    internal static (int[] Symbols, int End) Decode(byte[] file, int at, int end, long[] shape, int count, int min, int max)
    {
        if (at < end && file[at] == 128)
            return (Bell(file, at, end, count, min, max), end);
        var decoder = new ReferenceContextMixing(file, at, end, shape, count, min, max);
        decoder.Run();
        return (Array.ConvertAll(decoder.values, value => value + decoder.center), decoder.at);
    }

    private ReferenceContextMixing(byte[] file, int at, int end) => (this.file, this.at, this.end) = (file, at, end);

    // Section 5.6.6.
    private static int[] Bell(byte[] file, int at, int end, int count, int min, int max)
    {
        var decoder = new ReferenceContextMixing(file, at + 1, end);
        int center = (short)(decoder.U8() + (decoder.U8() * 256));
        int width = decoder.U8();
        Must(width <= 127);
        long scale = (8 + (width % 8)) * (1L << (width / 8));
        decoder.ReadState((end - decoder.at) % 2 == 0 ? 4 : 5);
        var symbols = new int[count];
        for (int i = 0; i < count; i++)
        {
            (int low, int high, long b, long a) = (min, max, 0, 65_536);
            while (low < high)
            {
                int m = (int)Math.Floor((low + high + 1) / 2.0);
                long v = 8192L * ((2L * m) - 1 - (2L * center));
                long c = Squash((int)Math.Min(Math.Abs(v) / scale, 3071) * Math.Sign(v));
                if (decoder.Decision(a == b ? 32_768 : (int)Math.Clamp(65_536 * (a - c) / (a - b), 1, 65_535)) == 1)
                    (low, b) = (m, c);
                else
                    (high, a) = (m - 1, c);
            }

            symbols[i] = low;
        }

        Must(decoder.state == 1 << 16 && decoder.at == end);
        return symbols;
    }

    private void ReadState(int bytes)
    {
        state = 0;
        for (int i = 0; i < bytes; i++)
            state += (BigInteger)U8() << (8 * i);
        Must(state >= 1 << 16);
    }

    private static void Must(bool condition)
    {
        if (!condition)
            throw new FormatException("context mixing");
    }

    private void Run()
    {
        int block = Math.Max((1 << 19) / width, 1);
        var empty = new bool[width];
        int rowWasEmpty = 0;
        for (int row = 0; row * (long)width < values.Length; row++)
        {
            if (row % block == 0)
            {
                if (row > 0)
                    Must(state == 1 << 24);
                ReadState(block * (long)width >= values.Length && (end - at) % 2 == 0 ? 4 : 5);
            }

            if (row == 0 && emptyLines)
            {
                for (int column = 0; column < width; column++)
                {
                    int context = (column > 0 && empty[column - 1] ? 1 : 0) + (column >= period && empty[column - period] ? 2 : 0);
                    empty[column] = Plain("column", context, 0) == 1;
                }
            }

            if (emptyLines)
            {
                rowWasEmpty = Plain("row", rowWasEmpty, 0);
                if (rowWasEmpty == 1)
                    continue;
            }

            magnitudes.BeginRow();
            signs.BeginRow();
            long rowScale = StartScale();
            int coded = 0;
            for (int column = 0; column < width && (row * width) + column < values.Length; column++)
            {
                if (empty[column])
                    continue;
                int value = Weight((row * width) + column, column, Level(rowScale), Level(columnScale[column]));
                values[(row * width) + column] = value;
                rowScale += ((256L * Math.Abs(value)) - rowScale) * Counter.Rate(Math.Min(coded + 4, 255)) >> 13;
                columnScale[column] += ((256L * Math.Abs(value)) - columnScale[column]) * Counter.Rate(Math.Min(row + 4, 255)) >> 13;
                coded++;
            }
        }

        Must(state == 1 << 16 && at == end);
    }

    private int Weight(int index, int column, int rowLevel, int columnLevel)
    {
        int related = period == 1 ? width : period;
        int root = (int)Math.Sqrt(period);
        int kernel = period == 1 ? 2 : root * root == period ? root : width;
        int right = Math.Max(related - 1, 1);
        int position = period is 1 or > 64 ? 0 : column % period;
        int Size(int back) => index < back || values[index - back] == 0 ? 0 : Math.Min((Math.Abs(values[index - back]) + ((1 << lowBits) >> 1)) >> lowBits, 255);
        int Two(int back) => Math.Min(Size(back), 2);
        int Side(int back) => index < back ? 1 : Math.Sign(values[index - back]) + 1;

        int e = (4 * Size(1)) + (4 * Size(related)) + (2 * Size(2)) + (2 * Size(related + 1)) + (2 * Size(right)) + (2 * Size(2 * related)) + Size(3) + Size(width);
        int energy = e == 0 ? 0 : Math.Min((Log(e) >> 3) + 1, 23);
        int[] contexts =
        [
            0, column, (rowLevel * 16) + columnLevel, (position * 9) + (Two(1) * 3) + Two(related),
            (Two(related) * 81) + (Two(related + 1) * 27) + (Two(right) * 9) + (Two(kernel) * 3) + Two(2 * related),
        ];
        if (magnitudes.Decode(this, 0, contexts, energy) == 0)
            return 0;

        bool negative = above == 0;
        if (above > 0 && below > 0)
        {
            int[] sides =
            [
                0, column, (Side(1) * 9) + (Side(2) * 3) + Side(width), (position * 9) + (Side(1) * 3) + Side(related),
                (Side(1) * 27) + (Side(width) * 9) + (Side(related) * 3) + Side(kernel),
            ];
            negative = (plainSigns ? Decision(32_768) : signs.Decode(this, 0, sides, Side(1))) == 1;
        }

        int limit = negative ? below : above;
        int most = (limit - 1) >> lowBits;
        int high = 0;
        while (high < most && high < magnitudes.Nodes - 1 && magnitudes.Decode(this, high + 1, contexts, energy) == 1)
            high++;
        if (high == magnitudes.Nodes - 1 && high < most)
        {
            int longest = BitOperations.Log2((uint)(most - high + 1));
            int bits = 0;
            while (bits < longest && Plain("length", bits, 0) == 1)
                bits++;
            int number = 1;
            for (int i = 0; i < bits; i++)
                number = (2 * number) + (number < 4 ? Plain("escape", bits, number) : Decision(32_768));
            high += number - 1;
        }

        int low = 1;
        for (int i = 0; i < lowBits; i++)
            low = (2 * low) + (low < 8 ? Plain("low", Math.Min(high, 15), low) : Decision(32_768));
        int magnitude = (high << lowBits) + low - (1 << lowBits) + 1;
        Must(magnitude <= limit);
        return negative ? -magnitude : magnitude;
    }

    private long StartScale() => Math.Min(((16L + (twiceScale % 16)) << Math.Min(twiceScale / 16, 30)) >> 4, (1 << 29) - 1) - 1;

    private static int Log(long value)
    {
        int exponent = BitOperations.Log2((ulong)value);
        return (16 * exponent) + (int)((16 * value) >> exponent) - 16;
    }

    private int Level(long scale) => Math.Clamp((Log(scale + 1) - twiceScale + 68) >> 3, 0, 15);

    private int Plain(string kind, int context, int number)
    {
        if (!plain.TryGetValue((kind, context, number), out Counter? counter))
            plain.Add((kind, context, number), counter = new Counter());
        int bit = Decision(Math.Max((int)(counter.Probability >> 6), 1));
        counter.Move(bit);
        return bit;
    }

    private int Decision(int probability)
    {
        int slot = (int)(state % 65_536);
        bool one = slot < probability;
        state = one ? (probability * (state >> 16)) + slot : ((65_536 - probability) * (state >> 16)) + slot - probability;
        if (state < 1 << 24 && end - at >= 2)
            state = (state << 16) + U8() + (U8() << 8);
        return one ? 1 : 0;
    }

    private int U8()
    {
        Must(at < end);
        return file[at++];
    }

    private static BigInteger[] Decays()
    {
        var table = new BigInteger[3072];
        table[0] = (BigInteger)1 << 63;
        for (int x = 1; x < table.Length; x++)
            table[x] = (table[x - 1] * 9_187_413_517_043_429_148UL) >> 63;
        return table;
    }

    private static int Squash(int x) =>
        x < 0 ? 65_536 - Squash(-x) : (int)BigInteger.Min(65_535, ((((BigInteger)1 << 80) / (((BigInteger)1 << 63) + E[x])) + 1) >> 1);

    private static int Stretch(int i)
    {
        if (i < 2048)
            return -Stretch(4095 - i);
        BigInteger odds = ((BigInteger)(4095 - (2 * (i - 2048))) << 63) / (4097 + (2 * (i - 2048)));
        int x = 0;
        while (x < 3071 && E[x + 1] >= odds)
            x++;
        return x;
    }

    private sealed class Counter
    {
        internal long Probability = 1 << 21;
        internal int Count;
        internal int Limit = 255;

        internal static int Rate(int count) => 40_960 / ((5 * count) + 7);

        internal void Move(int bit) => MoveTo(bit == 1 ? (1 << 22) - 1 : 0);

        internal void MoveTo(long target)
        {
            Probability += (target - Probability) * Rate(Count) >> 13;
            Count = Math.Min(Count + 1, Limit);
        }
    }

    private sealed class Mixer(int nodes)
    {
        private static readonly int[] StretchTable = [.. Enumerable.Range(0, 4096).Select(Stretch)];

        private readonly Dictionary<(int Input, int Context, int Node), Counter> counters = [];
        private readonly Dictionary<(char Row, int Selector, int Node), int[]> weights = [];
        private readonly Dictionary<(int Selector, int Node), int> visits = [];
        private readonly Dictionary<(int Selector, int Node, int Place), Counter> refinement = [];

        private readonly Counter[] typical = [.. Enumerable.Range(0, 4).Select(_ => new Counter { Limit = 63 })];

        internal int Nodes => nodes;

        internal void BeginRow()
        {
            for (int node = 0; node < 4; node++)
            {
                Counter row = Get(0, 0, node);
                if (row.Count > 1)
                    typical[node].MoveTo(row.Probability);
                (row.Probability, row.Count) = (typical[node].Probability, 1);
            }
        }

        internal int Decode(ReferenceContextMixing decoder, int node, int[] contexts, int selector)
        {
            var used = new Counter[5];
            var inputs = new int[5];
            for (int i = 0; i < 5; i++)
            {
                used[i] = Get(i, contexts[i], i < 2 ? Math.Min(node, 3) : node);
                inputs[i] = StretchTable[used[i].Probability >> 10];
            }

            int[] rowA = Weights('A', selector, node);
            int[] rowB = Weights('B', 0, node);
            int sum = 0;
            for (int i = 0; i < 5; i++)
                sum += unchecked((rowA[i] + rowB[i]) * inputs[i]) >> 8;
            int mixed = Math.Clamp(sum >> 8, -3071, 3071);
            int expected = Squash(mixed);
            int place = (mixed + 3072) >> 8;
            int rest = (mixed + 3072) % 256;
            Counter low = Refinement(selector, node, place);
            Counter high = Refinement(selector, node, place + 1);
            int seen = (int)((((low.Probability >> 6) * (256 - rest)) + ((high.Probability >> 6) * rest)) >> 8);
            int bit = decoder.Decision(Math.Min((expected + seen + 1) >> 1, 65_535));

            int seenBefore = visits.GetValueOrDefault((selector, node));
            visits[(selector, node)] = Math.Min(seenBefore + 1, 4095);
            for (int i = 0; i < 5; i++)
            {
                int step = ((inputs[i] * ((65_536 * bit) - expected)) + 128) >> 8;
                step = ((step * (8 + (3328 / (64 + seenBefore)))) + 2048) >> 12;
                rowA[i] += step;
                rowB[i] += step;
                used[i].Move(bit);
            }

            (rest >> 7 == 0 ? low : high).Move(bit);
            return bit;
        }

        private Counter Get(int input, int context, int node)
        {
            if (!counters.TryGetValue((input, context, node), out Counter? counter))
                counters.Add((input, context, node), counter = new Counter());
            return counter;
        }

        private int[] Weights(char row, int selector, int node)
        {
            if (!weights.TryGetValue((row, selector, node), out int[]? found))
                weights.Add((row, selector, node), found = [6600, 6600, 6600, 6600, 6600]);
            return found;
        }

        private Counter Refinement(int selector, int node, int place)
        {
            if (!refinement.TryGetValue((selector, node, place), out Counter? counter))
                refinement.Add((selector, node, place), counter = new Counter { Probability = Squash(Math.Clamp((256 * place) - 3072, -3071, 3071)) * 64L, Count = 6, Limit = 1023 });
            return counter;
        }
    }
}
