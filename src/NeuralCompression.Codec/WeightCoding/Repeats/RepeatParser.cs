using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.WeightCoding.Repeats;

/// <summary>Finds repeats. Any list of them is valid; this is how the writer of this library chooses. Source: docs/format.md, section 5.9.2.</summary>
internal static class RepeatParser
{
    /// <summary>Units between two decisions that are final.</summary>
    private const int Window = 4096;

    /// <summary>A repeat of so many units is taken without looking further.</summary>
    private const int Nice = 96;

    /// <summary>Bits that the units have which are looked up; more where only few places are looked at.</summary>
    private const int KeyBits = 16;
    private const int ProbeBits = 40;
    private const int MostKey = 64;
    private const int MostProbe = 256;

    /// <summary>What a short repeat costs, bits; weights of rows and columns of their own have many by chance, so all together must save one part in <see cref="ShortWorth"/>.</summary>
    private const int ShortPrice = 28;
    private const int ShortWorth = 8;

    /// <summary>A repeat that saves more than this, bits, is none by chance; all together must save one part in <see cref="LongWorth"/>.</summary>
    private const int LongPrice = 160;
    private const int LongWorth = 24;

    private const ulong Factor = 0x9E37_79B9_7F4A_7C15;

    /// <summary>True where a quick look finds repeats that may save something.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static bool LooksRepetitive<T>(ReadOnlySpan<T> units, RepeatPrices<T> prices, long bytes)
        where T : struct, IBinaryInteger<T>
    {
        int key = KeyLength(ProbeBits, prices.Average, MostProbe);
        if (units.Length < 2 * key)
            return units.Length >= 2 * KeyLength(KeyBits, prices.Average, MostKey);
        int bits = TableBits(units.Length);
        int[] table = ArrayPool<int>.Shared.Rent(1 << bits);
        Array.Clear(table, 0, 1 << bits);
        long all = bytes * 8 * RepeatPrices<T>.Bit;
        long savedByAll = 0;
        long savedByLong = 0;
        ulong top = Power(key);
        ulong hash = Hash(units[..key]);
        int i = 0;
        while (true)
        {
            ref int slot = ref table[(hash * Factor) >> (64 - bits)];
            int from = slot - 1;
            slot = i + 1;
            int length = from < 0 ? 0 : units[i..].CommonPrefixLength(units[from..]);
            if (length >= key)
            {
                long spent = prices.Spent(units.Slice(i, length));
                savedByAll += Math.Max(0, spent - (ShortPrice * RepeatPrices<T>.Bit));
                savedByLong += Math.Max(0, spent - (LongPrice * RepeatPrices<T>.Bit));
                i += length;
                if (IsEnough() || i + key > units.Length)
                    break;
                hash = Hash(units.Slice(i, key));
                continue;
            }

            if (i + key >= units.Length)
                break;
            hash = Next(hash, top, units[i], units[i + key]);
            i++;
        }

        ArrayPool<int>.Shared.Return(table);
        return IsEnough();

        bool IsEnough() => savedByAll * ShortWorth >= all || savedByLong * LongWorth >= all;
    }

    /// <summary>The repeats that make the sum of all prices smallest, as far as it looks.</summary>
    /// <param name="units">Symbols or elements.</param>
    /// <param name="prices">What they take.</param>
    /// <param name="depth">Earlier places that are looked at for each unit.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static List<Repeat> Parse<T>(ReadOnlySpan<T> units, RepeatPrices<T> prices, int depth)
        where T : struct, IBinaryInteger<T>
    {
        var repeats = new List<Repeat>();
        var finder = new Finder<T>(units, KeyLength(KeyBits, prices.Average, MostKey), depth);
        try
        {
            var path = new Path();
            int[] recent = [1, 2, 3, 4];
            int run = 0;
            for (int start = 0; start < units.Length;)
                start += Step(units, start, prices, ref finder, path, recent, repeats, ref run);
            return repeats;
        }
        finally
        {
            finder.Dispose();
        }
    }

    // Decides on the next units, up to a window or a repeat that is taken at once; gives how many that were.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Step<T>(ReadOnlySpan<T> units, int start, RepeatPrices<T> prices, ref Finder<T> finder, Path path, int[] recent, List<Repeat> repeats, ref int run)
        where T : struct, IBinaryInteger<T>
    {
        path.Begin(recent);
        int last = Math.Min(Window, units.Length - start);
        Span<int> here = stackalloc int[RepeatModel.Recent];
        for (int node = 0; ; node++)
        {
            path.Settle(node, here);
            if (node == last)
            {
                path.Emit(node, repeats, ref run, recent);
                return node;
            }

            int position = start + node;
            ReadOnlySpan<T> ahead = units[position..];
            path.Literal(node, prices.Literal(ahead[0]));
            int taken = 0;
            int distanceTaken = 0;
            int price = 0;
            int before = prices.Run(path.IsAfterRepeat(node, run));
            for (int place = 0; place < here.Length; place++)
            {
                if (here[place] > position)
                    continue;
                int length = ahead.CommonPrefixLength(units[(position - here[place])..]);
                if (length >= Nice && length > taken)
                    (taken, distanceTaken, price) = (length, here[place], before + prices.Known(place, length));
                for (int part = Math.Min(length, Nice); part > 0; part--)
                    path.Repeat(node, part, here[place], before + prices.Known(place, part));
            }

            int shortest = 1;
            for (int from = finder.First(position); taken == 0 && from >= 0; from = finder.Before(from, position))
            {
                if (shortest > ahead.Length || units[from + shortest - 1] != ahead[shortest - 1])
                    continue;
                int length = ahead.CommonPrefixLength(units[from..]);
                if (length < shortest)
                    continue;
                int distance = position - from;
                if (length >= Nice)
                    (taken, distanceTaken, price) = (length, distance, before + prices.Fresh(distance, length));
                for (; shortest <= Math.Min(length, Nice); shortest++)
                    path.Repeat(node, shortest, distance, before + prices.Fresh(distance, shortest));
            }

            if (taken == 0)
                continue;
            if (prices.Literals(ahead[..taken]) > price)
            {
                path.Emit(node, repeats, ref run, recent);
                Add(repeats, ref run, taken, distanceTaken);
                RepeatPrices<T>.Use(recent, Array.IndexOf(recent, distanceTaken), distanceTaken);
                return node + taken;
            }

            // Long, but next to nothing without a repeat: not looked at again.
            for (int end = Math.Min(node + taken, last); node + 1 < end; node++)
            {
                path.Literal(node + 1, prices.Literal(units[start + node + 1]));
                path.Settle(node + 1, here);
            }
        }
    }

    private static void Add(List<Repeat> repeats, ref int run, int length, int distance)
    {
        if (run == 0 && repeats.Count > 0 && repeats[^1].Distance == distance)
        {
            repeats[^1] = repeats[^1] with { Length = repeats[^1].Length + length };
            return;
        }

        repeats.Add(new(run, length, distance));
        run = 0;
    }

    // Units that together have about so many bits.
    private static int KeyLength(int bits, int average, int most) => Math.Clamp((bits * RepeatPrices<byte>.Bit / Math.Max(average, 1)) + 1, 1, most);

    private static int TableBits(int length) => Math.Clamp(BitOperations.Log2((uint)length) + 1, 8, 20);

    private static ulong Value<T>(T unit)
        where T : struct, IBinaryInteger<T> => ulong.CreateTruncating(unit) + 1;

    private static ulong Hash<T>(ReadOnlySpan<T> units)
        where T : struct, IBinaryInteger<T>
    {
        ulong hash = 0;
        foreach (T unit in units)
            hash = (hash * Factor) + Value(unit);
        return hash;
    }

    // The hash one unit further on.
    private static ulong Next<T>(ulong hash, ulong top, T first, T added)
        where T : struct, IBinaryInteger<T> => ((hash - (Value(first) * top)) * Factor) + Value(added);

    private static ulong Power(int key)
    {
        ulong top = 1;
        for (int i = 1; i < key; i++)
            top *= Factor;
        return top;
    }

    /// <summary>Earlier places of the next units, the nearest first.</summary>
    private ref struct Finder<T>
        where T : struct, IBinaryInteger<T>
    {
        private readonly ReadOnlySpan<T> units;
        private readonly int key;
        private readonly int bits;
        private readonly ulong top;
        private readonly int[] heads;
        private readonly int[] before;
        private ulong hash;
        private int next;
        private readonly int depth;
        private int left;

        internal Finder(ReadOnlySpan<T> units, int key, int depth)
        {
            this.depth = depth;
            this.units = units;
            this.key = Math.Min(key, units.Length);
            bits = TableBits(units.Length);
            top = Power(this.key);
            heads = ArrayPool<int>.Shared.Rent(1 << bits);
            Array.Clear(heads, 0, 1 << bits);
            before = ArrayPool<int>.Shared.Rent(units.Length);
            hash = Hash(units[..this.key]);
        }

        /// <summary>The nearest place before <paramref name="position"/>, or -1; positions rise.</summary>
        internal int First(int position)
        {
            left = depth;
            while (next < position && next + key < units.Length)
            {
                ref int head = ref heads[(hash * Factor) >> (64 - bits)];
                before[next] = head;
                head = next + 1;
                hash = Next(hash, top, units[next], units[next + key]);
                next++;
            }

            return next < position ? -1 : heads[(hash * Factor) >> (64 - bits)] - 1;
        }

        /// <summary>The next nearest.</summary>
        internal int Before(int from, int position) => --left > 0 && from < position ? before[from] - 1 : -1;

        internal readonly void Dispose()
        {
            ArrayPool<int>.Shared.Return(heads);
            ArrayPool<int>.Shared.Return(before);
        }
    }

    /// <summary>The cheapest way to every unit of a window.</summary>
    private sealed class Path
    {
        private const int Nodes = Window + Nice + 1;

        private readonly int[] costs = new int[Nodes];
        private readonly int[] lengths = new int[Nodes];
        private readonly int[] distances = new int[Nodes];
        private readonly int[] recents = new int[Nodes * RepeatModel.Recent];
        private readonly List<(int Length, int Distance)> steps = [];

        internal void Begin(ReadOnlySpan<int> recent)
        {
            costs.AsSpan().Fill(int.MaxValue);
            costs[0] = 0;
            lengths[0] = 0;
            recent.CopyTo(recents);
        }

        /// <summary>Gives the distances used last on the way to a node that no later step can reach better.</summary>
        internal void Settle(int node, Span<int> recent)
        {
            Span<int> own = recents.AsSpan(node * RepeatModel.Recent, RepeatModel.Recent);
            if (node > 0)
            {
                recents.AsSpan((node - lengths[node]) * RepeatModel.Recent, RepeatModel.Recent).CopyTo(own);
                if (distances[node] > 0)
                    RepeatPrices<byte>.Use(own, own.IndexOf(distances[node]), distances[node]);
            }

            own.CopyTo(recent);
        }

        /// <summary>True where no literal stands between a repeat and the node; <paramref name="run"/> stand before the window.</summary>
        internal bool IsAfterRepeat(int node, int run) => node == 0 ? run == 0 : distances[node] > 0;

        internal void Literal(int node, int price) => Repeat(node, 1, 0, price);

        internal void Repeat(int node, int length, int distance, int price)
        {
            int cost = costs[node] + price;
            if (cost >= costs[node + length])
                return;
            costs[node + length] = cost;
            lengths[node + length] = length;
            distances[node + length] = distance;
        }

        /// <summary>Adds the way to a node to the list.</summary>
        internal void Emit(int node, List<Repeat> repeats, ref int run, int[] recent)
        {
            recents.AsSpan(node * RepeatModel.Recent, RepeatModel.Recent).CopyTo(recent);
            steps.Clear();
            for (; node > 0; node -= lengths[node])
                steps.Add((lengths[node], distances[node]));
            for (int i = steps.Count - 1; i >= 0; i--)
            {
                if (steps[i].Distance == 0)
                    run++;
                else
                    Add(repeats, ref run, steps[i].Length, steps[i].Distance);
            }
        }
    }
}
