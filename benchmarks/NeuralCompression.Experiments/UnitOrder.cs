namespace Experiments;

/// <summary>The order of hidden units is free, and the coder gains where rows one after another are alike: several orders are tried and the smallest file is kept.</summary>
internal static class UnitOrder
{
    /// <summary>Exchanges that are tried in each hidden layer.</summary>
    private const int Exchanges = 400;

    /// <summary>Reorders the hidden layers, one after another, in the way that makes the smallest file.</summary>
    public static void Optimize(PackedNetwork network)
    {
        for (int hidden = 0; hidden + 1 < network.Layers.Count; hidden++)
        {
            var (layer, next) = (network.Layers[hidden], network.Layers[hidden + 1]);
            var best = (Bytes: long.MaxValue, Order: Array.Empty<int>());
            foreach (int[] order in Candidates(layer, next))
            {
                network.Reorder(hidden, order);
                long bytes = network.Write(Stream.Null).TotalBytes;
                if (bytes < best.Bytes)
                    best = (bytes, order);
                network.Reorder(hidden, Inverse(order));
            }

            network.Reorder(hidden, best.Order);
        }

        for (int hidden = 0; hidden + 1 < network.Layers.Count; hidden++)
            Exchange(network, hidden);
    }

    // From the best of those orders on, two units at a time change places where that makes the file smaller.
    private static void Exchange(PackedNetwork network, int hidden)
    {
        PackedLayer layer = network.Layers[hidden];
        int[] units = [.. Enumerable.Range(0, layer.Shape.Outputs)];
        int[] live = [.. units.Where(unit => Count(layer.Row(unit)) > 0)];
        if (live.Length < 2)
            return;
        long smallest = network.Write(Stream.Null).TotalBytes;
        var random = new Random(hidden);
        for (int i = 0; i < Exchanges; i++)
        {
            int[] order = [.. units];
            (int a, int b) = (live[random.Next(live.Length)], live[random.Next(live.Length)]);
            (order[a], order[b]) = (b, a);
            network.Reorder(hidden, order);
            long bytes = network.Write(Stream.Null).TotalBytes;
            if (bytes <= smallest)
                smallest = bytes;
            else
                network.Reorder(hidden, order);
        }
    }

    // Units without weights come last in all of them.
    private static IEnumerable<int[]> Candidates(PackedLayer layer, PackedLayer next)
    {
        int[] units = [.. Enumerable.Range(0, layer.Shape.Outputs)];
        int[] row = Array.ConvertAll(units, u => Count(layer.Row(u)));
        int[] reads = Array.ConvertAll(units, u => Enumerable.Range(0, next.Shape.Outputs).Sum(o => Count(next.Pair(o, u))));
        double[] center = Array.ConvertAll(units, u => Center(layer.Row(u)));
        yield return units;
        yield return [.. units.OrderByDescending(u => row[u])];
        yield return [.. units.OrderByDescending(u => reads[u]).ThenByDescending(u => row[u])];
        yield return [.. units.OrderByDescending(u => row[u] + reads[u])];
        yield return [.. units.OrderBy(u => row[u] == 0).ThenBy(u => center[u])];
        yield return Chain(units, row, (a, b) => Alike(layer.Row(a), layer.Row(b)));
        yield return Chain(units, row, (a, b) => Alike(layer.Row(a), layer.Row(b)) + AlikeReads(next, a, b));
    }

    // Greedy: after each unit the one left that is most like it, from the one with the most non-zeros on.
    private static int[] Chain(int[] units, int[] row, Func<int, int, double> alike)
    {
        var left = units.Where(u => row[u] > 0).OrderByDescending(u => row[u]).ToList();
        var order = new List<int>();
        while (left.Count > 0)
        {
            int next = order.Count == 0 ? left[0] : left.MaxBy(u => alike(order[^1], u));
            left.Remove(next);
            order.Add(next);
        }

        return [.. order, .. units.Where(u => row[u] == 0)];
    }

    // Places where both are not zero, relative to the larger number of non-zeros.
    private static double Alike(ReadOnlySpan<sbyte> left, ReadOnlySpan<sbyte> right)
    {
        int both = 0;
        for (int i = 0; i < left.Length; i++)
            both += left[i] != 0 && right[i] != 0 ? 1 : 0;
        return (double)both / Math.Max(1, Math.Max(Count(left), Count(right)));
    }

    private static double AlikeReads(PackedLayer next, int left, int right)
    {
        double sum = 0;
        for (int output = 0; output < next.Shape.Outputs; output++)
            sum += Alike(next.Pair(output, left), next.Pair(output, right));
        return sum / next.Shape.Outputs;
    }

    private static double Center(ReadOnlySpan<sbyte> row)
    {
        double sum = 0;
        int count = 0;
        for (int i = 0; i < row.Length; i++)
        {
            if (row[i] != 0)
            {
                sum += i;
                count++;
            }
        }

        return sum / Math.Max(count, 1);
    }

    private static int[] Inverse(int[] order)
    {
        int[] inverse = new int[order.Length];
        for (int i = 0; i < order.Length; i++)
            inverse[order[i]] = i;
        return inverse;
    }

    private static int Count(ReadOnlySpan<sbyte> symbols) => symbols.Length - symbols.Count((sbyte)0);
}
