using NeuralCompression;
using static TorchSharp.torch;

namespace Experiments;

/// <summary>
/// What a non-zero costs at each place of each tensor, in bits, under a simple model of the coder: the more non-zeros its row, its column and its neighbourhood already have, the cheaper. Set as the strengths of the compression loss,
/// these prices make non-zeros gather in few rows and columns.
/// </summary>
internal sealed class PositionPrices(UnitSelection selection, Settings settings)
{
    // Sign and magnitude, which cost the same everywhere.
    private const double ValueBits = 2;

    // Counts that every row, column and class of neighbourhood is given beforehand, in units of what they would have if non-zeros lay evenly.
    private const double Prior = 1;
    private const int NeighbourClasses = 5;
    private const double SmallestProbability = 1e-5;
    private const double LargestProbability = 0.5;

    // Of a neighbouring pixel's column in the activity of a column, beside 1 for its own.
    private const double NeighbourShare = 0.25;

    /// <summary>Sets the strengths to prices relative to the mean price of the present non-zeros.</summary>
    public void Apply(CompressionSession session, PackedNetwork network)
    {
        var prices = network.Layers.Select(Prices).ToArray();
        double sum = 0;
        long count = 0;
        for (int i = 0; i < prices.Length; i++)
        {
            var symbols = network.Layers[i].Symbols;
            for (int j = 0; j < symbols.Length; j++)
            {
                if (symbols[j] != 0)
                {
                    sum += prices[i][j];
                    count++;
                }
            }
        }

        double mean = sum / Math.Max(count, 1);
        for (int i = 0; i < prices.Length; i++)
        {
            var layer = network.Layers[i].Shape;
            var weight = session.Weights.Single(w => w.Name == layer.Weight);
            float[] strengths = Array.ConvertAll(prices[i], p => (float)Math.Pow(p / mean, settings.PriceExponent));
            using var tensor = TorchSharp.torch.tensor(strengths, layer.WeightShape);
            weight.Strength = tensor;
        }
    }

    private double[] Prices(PackedLayer layer, int index)
    {
        var shape = layer.Shape;
        int rows = shape.Outputs, columns = shape.Columns;
        var rowCounts = new double[rows];
        var columnCounts = new double[columns];
        double total = 0;
        for (int i = 0; i < layer.Symbols.Length; i++)
        {
            if (layer.Symbols[i] != 0)
            {
                rowCounts[i / columns]++;
                columnCounts[i % columns]++;
                total++;
            }
        }

        double density = Math.Max(total, 1) / layer.Symbols.Length;
        var neighbours = Neighbours(index, shape);
        double[] activity = [.. Enumerable.Range(0, columns).Select(c =>
            (columnCounts[c] + (NeighbourShare * neighbours[c].Sum(n => columnCounts[n]))) / (1 + (NeighbourShare * neighbours[c].Length)))];
        var lift = Lift(layer, neighbours, density);
        var prices = new double[layer.Symbols.Length];
        for (int i = 0; i < prices.Length; i++)
        {
            double row = (rowCounts[i / columns] + (Prior * density * columns)) / ((1 + Prior) * density * columns);
            double column = (activity[i % columns] + (Prior * density * rows)) / ((1 + Prior) * density * rows);
            double p = Math.Clamp(density * row * column * lift[Around(layer, neighbours, i)], SmallestProbability, LargestProbability);
            prices[i] = ValueBits + Math.Log2((1 - p) / p);
        }

        return prices;
    }

    // How much likelier a non-zero is for every number of non-zeros around it.
    private static double[] Lift(PackedLayer layer, int[][] neighbours, double density)
    {
        var nonZeros = new double[NeighbourClasses];
        var places = new double[NeighbourClasses];
        for (int i = 0; i < layer.Symbols.Length; i++)
        {
            int around = Around(layer, neighbours, i);
            places[around]++;
            nonZeros[around] += layer.Symbols[i] != 0 ? 1 : 0;
        }

        return [.. nonZeros.Zip(places, (n, p) => (n + Prior) / ((p * density) + Prior))];
    }

    private static int Around(PackedLayer layer, int[][] neighbours, int place)
    {
        int columns = layer.Shape.Columns;
        int row = place / columns * columns;
        int count = 0;
        foreach (int neighbour in neighbours[place - row])
            count += layer.Symbols[row + neighbour] != 0 ? 1 : 0;
        return Math.Min(count, NeighbourClasses - 1);
    }

    // Columns of the places around the place of a column: pixels of the image, weights of a kernel, positions of a channel. Units have none.
    private int[][] Neighbours(int index, LayerShape shape)
    {
        // Pixels; places of a kernel; places of a channel after the last pooling.
        int side = shape.IsConvolution ? NetworkShape.Kernel : index == 0 ? NetworkShape.ImageSide : (int)Math.Sqrt(shape.WeightsPerPair);
        if (side == 1)
            return [.. Enumerable.Repeat(Array.Empty<int>(), shape.Columns)];
        int[] places = index == 0 && !shape.IsConvolution
            ? [.. selection.Kept[0].Select(k => (int)k)]
            : [.. Enumerable.Range(0, shape.Columns)];
        var columnOf = places.Select((place, column) => (place, column)).ToDictionary(p => p.place, p => p.column);
        int image = side * side;
        return [.. places.Select(place => Steps
            .Select(step => (Row: (place % image / side) + step.Row, Column: (place % image % side) + step.Column, Base: place / image * image))
            .Where(p => p.Row >= 0 && p.Row < side && p.Column >= 0 && p.Column < side)
            .Select(p => p.Base + (p.Row * side) + p.Column)
            .Where(columnOf.ContainsKey)
            .Select(p => columnOf[p])
            .ToArray())];
    }

    private static readonly (int Row, int Column)[] Steps = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)];
}
