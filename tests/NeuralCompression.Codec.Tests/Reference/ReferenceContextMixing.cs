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
    private readonly Mixer[] groups = [];
    private readonly Mixer signs = new(0, 0, 0);
    private readonly int lastNode;
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
        lastNode = Math.Min(14, (Math.Max(below, above) - 1) >> lowBits);
        groups = [.. Enumerable.Range(0, (lastNode / 4) + 1).Select(group => new Mixer(Math.Min(4, lastNode + 1 - (4 * group)), 6, 13_000))];
        signs = new Mixer(1, 4, 14_000);
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
                if (decoder.Decision(a == b ? 32_767 : (int)Math.Clamp(65_536 * (a - c) / (a - b), 1, 65_535)) == 1)
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
        int rows = (int)((values.Length - 1L) / width) + 1;
        int block = Math.Max((1 << 18) / width, 1);
        ReadState(rows <= 2 * block && (end - at) % 2 == 0 ? 4 : 5);
        var emptyColumn = new bool[width];
        var live = new List<int>();
        int rowWasEmpty = 0;
        if (emptyLines)
        {
            for (int column = 0; column < width; column++)
            {
                int context = (column > 0 && emptyColumn[column - 1] ? 1 : 0) + (column >= period && emptyColumn[column - period] ? 2 : 0);
                emptyColumn[column] = Plain("column", context, 0) == 1;
            }
        }

        for (int row = 0; row < rows; row++)
        {
            if (emptyLines)
                rowWasEmpty = Plain("row", rowWasEmpty, 0);
            if (rowWasEmpty == 0)
                live.Add(row);
        }

        int pairs = (int)Math.Ceiling(live.Count / 2.0);
        int lowerStart = live.Count > pairs ? live[pairs] * width : 0;
        for (int pair = 0; pair < pairs; pair++)
        {
            if (pair > 0 && pair % block == 0)
            {
                Must(state == 1 << 24);
                ReadState(5);
            }

            int[] starts = pair + pairs < live.Count ? [live[pair] * width, live[pair + pairs] * width] : [live[pair] * width];
            var rowScale = new long[2];
            for (int strand = 0; strand < starts.Length; strand++)
            {
                foreach (Mixer group in groups)
                    group.BeginRow(strand);
                signs.BeginRow(strand);
                rowScale[strand] = StartScale();
            }

            int coded = 0;
            for (int column = 0; column < width && starts[0] + column < values.Length; column++)
            {
                if (emptyColumn[column])
                    continue;
                Weight[] weights = [.. starts.Where(start => start + column < values.Length)
                    .Select((start, strand) => new Weight(this, start + column, strand, strand == 0 ? 0 : lowerStart, column, Level(rowScale[strand]), Level(columnScale[column])))];
                foreach (Weight weight in weights)
                    groups[0].Predict(weight);
                foreach (Weight weight in weights)
                    weight.Ones = Answer(weight.Thresholds);
                foreach (Weight weight in weights)
                    groups[0].Learn(weight, weight.Ones);
                foreach (Weight weight in weights)
                    values[weight.Index] = weight.Ones == 0 ? 0 : Rest(weight);
                foreach (Weight weight in weights)
                    Follow(ref rowScale[weight.Strand], values[weight.Index], coded);
                foreach (Weight weight in weights)
                    Follow(ref columnScale[column], values[weight.Index], 2 * pair);
                coded++;
            }
        }

        Must(state == 1 << 16 && at == end);
    }

    private static void Follow(ref long scale, int value, int seen) => scale += ((256L * Math.Abs(value)) - scale) * Counter.Rate(Math.Min(seen + 3, 254)) >> 11;

    // Steps 2 to 5 of section 5.6.5.
    private int Rest(Weight weight)
    {
        int ones = weight.Ones;
        for (int group = 1; group < groups.Length && ones == 4 * group; group++)
        {
            groups[group].Predict(weight);
            int more = Answer(weight.Thresholds);
            groups[group].Learn(weight, more);
            ones += more;
        }

        int limit = Math.Max(below, above);
        int most = (limit - 1) >> lowBits;
        int high = ones - 1;
        if (high == lastNode && high < most)
        {
            int longest = BitOperations.Log2((uint)(most - high + 1));
            int bits = 0;
            while (bits < longest && Plain("length", bits, 0) == 1)
                bits++;
            int number = 1;
            for (int i = 0; i < bits; i++)
                number = (2 * number) + (number < 4 ? Plain("escape", bits, number) : Decision(32_767));
            high += number - 1;
        }

        int low = 1;
        for (int i = 0; i < lowBits; i++)
            low = (2 * low) + (low < 8 ? Plain("low", Math.Min(high, 15), low) : Decision(32_767));
        int magnitude = (high << lowBits) + low - (1 << lowBits) + 1;
        Must(magnitude <= limit);

        bool negative = magnitude > above;
        if (magnitude <= above && magnitude <= below)
            negative = (plainSigns ? Decision(32_767) : signs.Decode(this, weight)) == 1;
        return negative ? -magnitude : magnitude;
    }

    // The number of thresholds above the slot; t(0) and t(5) are not in the list.
    private int Answer(int[] thresholds)
    {
        int slot = (int)(state % 65_536);
        int answer = thresholds.Count(threshold => threshold > slot);
        int from = answer < 4 ? thresholds[answer] : 0;
        Take(from, (answer > 0 ? thresholds[answer - 1] : 65_536) - from);
        return answer;
    }

    private void Take(int from, int frequency)
    {
        int slot = (int)(state % 65_536);
        state = (frequency * (state >> 16)) + slot - from;
        if (state < 1 << 24 && end - at >= 2)
            state = (state << 16) + U8() + (U8() << 8);
    }

    private long StartScale() => Math.Min(((16L + (twiceScale % 16)) << Math.Min(twiceScale / 16, 30)) >> 4, (1 << 29) - 1) - 1;

    private static int Log(long value)
    {
        int exponent = BitOperations.Log2((ulong)value);
        return (16 * exponent) + (int)((16 * value) >> exponent) - 16;
    }

    private int Level(long scale) => Math.Clamp((Log(scale + 1) >> 3) - (twiceScale >> 3) + 8, 0, 15);

    private int Plain(string kind, int context, int number)
    {
        if (!plain.TryGetValue((kind, context, number), out Counter? counter))
            plain.Add((kind, context, number), counter = new Counter());
        int bit = Decision(Math.Max((int)(counter.Probability >> 4), 1));
        counter.Move(bit);
        return bit;
    }

    private int Decision(int probability)
    {
        int slot = (int)(state % 65_536);
        bool one = slot < probability;
        Take(one ? 0 : probability, one ? probability : 65_536 - probability);
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

    private static int Stretch(long c) => (int)((Bits(c) - Bits((1 << 20) - 1 - c)) >> 16);

    private static long Bits(long value)
    {
        int exponent = BitOperations.Log2((ulong)value);
        return ((long)exponent << 23) + (value << (23 - exponent));
    }

    private sealed class Counter
    {
        internal long Probability = 1 << 19;
        internal int Count;
        internal int Limit = 255;

        internal static long Rate(int count)
        {
            int value = (4 * count) + 6;
            int exponent = BitOperations.Log2((uint)value);
            return ((3L << exponent) - value) * 8192 / (2L << (2 * exponent));
        }

        internal void Move(int bit) => MoveTo(bit == 1 ? (1 << 20) - 2 : 1);

        internal void MoveTo(long target)
        {
            Probability += (target - Probability) * Rate(Count) >> 11;
            Count = Math.Min(Count + 1, Limit);
        }
    }

    // A weight's surroundings, section 5.6.5, and what a mixer predicted for it.
    private sealed class Weight
    {
        internal readonly int Index;
        internal readonly int Strand;
        internal readonly int Energy;
        internal readonly int[] Contexts;
        internal readonly Func<int[]> SideContexts;
        internal int Ones;
        internal int[] Thresholds = [];
        internal int[][] Inputs = [];
        internal int[] Expected = [];
        internal int Refined;

        internal Weight(ReferenceContextMixing decoder, int index, int strand, int strandStart, int column, int rowLevel, int columnLevel)
        {
            int period = decoder.period;
            int width = decoder.width;
            int related = period == 1 ? width : period;
            int root = (int)Math.Sqrt(period);
            int kernel = period == 1 ? 2 : root * root == period ? root : width;
            int right = Math.Max(related - 1, 1);
            int position = period is 1 or > 64 ? 0 : column % period;
            int lowBits = decoder.lowBits;
            int Value(int back) => index - back < strandStart ? 0 : decoder.values[index - back];
            int Size(int back) => Value(back) == 0 ? 0 : Math.Min((Math.Abs(Value(back)) + ((1 << lowBits) >> 1)) >> lowBits, 255);
            int Two(int back) => Math.Min(Size(back), 2);
            int Side(int back) => Value(back) == 0 ? 0 : Value(back) < 0 ? 1 : 2;

            (Index, Strand) = (index, strand);
            int e = (4 * Size(1)) + (4 * Size(related)) + (2 * Size(2)) + (2 * Size(related + 1)) + (2 * Size(right)) + (2 * Size(2 * related)) + Size(3) + Size(width);
            Energy = e == 0 ? 0 : Math.Min((Log(e) >> 3) + 1, 23);
            Contexts =
            [
                strand, column, (rowLevel * 16) + columnLevel, (position * 9) + (Two(1) * 3) + Two(related),
                (Two(related) * 81) + (Two(related + 1) * 27) + (Two(right) * 9) + (Two(kernel) * 3) + Two(2 * related),
                (Math.Min(Size(1), 7) * 8) + Math.Min(Size(related), 7),
            ];
            SideContexts = () => [strand, column, (position * 9) + (Side(1) * 3) + Side(related), (Side(1) * 27) + (Side(width) * 9) + (Side(related) * 3) + Side(kernel)];
        }
    }

    private sealed class Mixer(int nodes, int inputs, int weight)
    {
        private readonly Dictionary<(int Input, int Context, int Node), Counter> counters = [];
        private readonly Dictionary<(int Set, int Node), int[]> weights = [];
        private readonly Dictionary<(int Set, int Node), int> paces = [];
        private readonly Dictionary<(int Energy, int Place), Counter> refinement = [];
        private readonly Counter[] typical = [.. Enumerable.Range(0, nodes).Select(_ => new Counter { Limit = 63 })];

        internal void BeginRow(int strand)
        {
            for (int node = 0; node < nodes; node++)
            {
                Counter row = Get(0, strand, node);
                if (row.Count > 1)
                    typical[node].MoveTo(row.Probability);
                (row.Probability, row.Count) = (typical[node].Probability, 1);
            }
        }

        internal void Predict(Weight at)
        {
            at.Inputs = new int[nodes][];
            at.Expected = new int[nodes];
            at.Thresholds = new int[4];
            int share = 65_536;
            for (int node = 0; node < nodes; node++)
            {
                int mixed = Mix(at.Contexts, (at.Energy + 3) >> 3, node, out at.Inputs[node]);
                at.Expected[node] = Squash(mixed);
                int probability = at.Expected[node];
                if (node == 0)
                {
                    int q = mixed + 3072;
                    int seen = (int)((((Refinement(at.Energy, q >> 8).Probability >> 4) * (256 - (q % 256))) + ((Refinement(at.Energy, (q >> 8) + 1).Probability >> 4) * (q % 256))) >> 8);
                    probability = (probability + seen + 1) >> 1;
                    at.Refined = (q >> 8) + (q % 256 / 128);
                }

                share = (int)(((share - 4 + node) * (long)probability) >> 16) + 4 - node;
                at.Thresholds[node] = share;
            }
        }

        internal void Learn(Weight at, int ones)
        {
            for (int node = 0; node < nodes && node <= ones; node++)
                Learn(at.Contexts, (at.Energy + 3) >> 3, node, at.Inputs[node], at.Expected[node], node < ones ? 1 : 0);
            Refinement(at.Energy, at.Refined).Move(ones > 0 ? 1 : 0);
        }

        // A mixer of one node, without refinement.
        internal int Decode(ReferenceContextMixing decoder, Weight at)
        {
            int[] contexts = at.SideContexts();
            int expected = Squash(Mix(contexts, 0, 0, out int[] used));
            int bit = decoder.Decision(expected);
            Learn(contexts, 0, 0, used, expected, bit);
            return bit;
        }

        private int Mix(int[] contexts, int set, int node, out int[] used)
        {
            used = [.. Enumerable.Range(0, inputs).Select(i => Stretch(Get(i, contexts[i], node).Probability))];
            int[] row = Weights(set, node);
            int sum = 0;
            for (int i = 0; i < inputs; i++)
                sum = unchecked(sum + (row[i] * used[i]));
            return Math.Clamp(sum >> 16, -3071, 3071);
        }

        private void Learn(int[] contexts, int set, int node, int[] used, int expected, int bit)
        {
            int pace = paces.GetValueOrDefault((set, node), 147_456);
            int error = ((((65_536 * bit) - expected) * ((pace >> 4) + 1418)) + 2048) >> 12;
            paces[(set, node)] = pace - (((pace >> 4) * pace) >> 19);
            int[] row = Weights(set, node);
            for (int i = 0; i < inputs; i++)
            {
                row[i] = unchecked(row[i] + (((used[i] * error) + 8192) >> 14));
                Get(i, contexts[i], node).Move(bit);
            }
        }

        private Counter Get(int input, int context, int node)
        {
            if (!counters.TryGetValue((input, context, node), out Counter? counter))
                counters.Add((input, context, node), counter = new Counter());
            return counter;
        }

        private int[] Weights(int set, int node)
        {
            if (!weights.TryGetValue((set, node), out int[]? found))
                weights.Add((set, node), found = [.. Enumerable.Repeat(weight, inputs)]);
            return found;
        }

        private Counter Refinement(int energy, int place)
        {
            if (!refinement.TryGetValue((energy, place), out Counter? counter))
                refinement.Add((energy, place), counter = new Counter { Probability = Squash(Math.Clamp((256 * place) - 3072, -3071, 3071)) * 16L, Count = 12, Limit = 1020 });
            return counter;
        }
    }
}
