using System.IO.Compression;
using NeuralCompression.Codec;

namespace Experiments;

/// <summary>A layer as a file holds it: symbols [outputs, inputs, weights of a pair], biases as multiples of their step, both steps.</summary>
internal sealed record PackedLayer(LayerShape Shape, sbyte[] Symbols, double Step, short[] BiasSymbols, double BiasStep)
{
    public Span<sbyte> Pair(int output, int input) =>
        Symbols.AsSpan(((output * Shape.Inputs) + input) * Shape.WeightsPerPair, Shape.WeightsPerPair);

    public Span<sbyte> Row(int output) => Symbols.AsSpan(output * Shape.Columns, Shape.Columns);

    public bool UsesInput(int input)
    {
        for (int output = 0; output < Shape.Outputs; output++)
        {
            if (Pair(output, input).ContainsAnyExcept((sbyte)0))
                return true;
        }

        return false;
    }

    public int NonZeros => Symbols.Count(s => s != 0);
}

/// <summary>A quantised chain of layers as symbols: cleaned of dead units, put in the order that codes best, and written.</summary>
internal sealed class PackedNetwork(IReadOnlyList<PackedLayer> layers)
{
    public IReadOnlyList<PackedLayer> Layers { get; } = layers;

    /// <summary>Units of the hidden layers that still do something.</summary>
    public IEnumerable<int> LiveUnits => Layers.SkipLast(1).Select(l =>
        Enumerable.Range(0, l.Shape.Outputs).Count(u => l.Row(u).ContainsAnyExcept((sbyte)0)));

    public static PackedNetwork Read(Stream file, NetworkShape shape)
    {
        using var reader = CompressedModelReader.Open(file, leaveOpen: true);
        return new PackedNetwork([.. shape.Layers.Select(layer =>
        {
            var (weight, bias) = (reader[layer.Weight], reader[layer.Bias]);
            var symbols = new sbyte[weight.Length];
            var biases = new short[bias.Length];
            reader.DecodeSymbols(weight, symbols);
            reader.DecodeSymbols(bias, biases);
            return new PackedLayer(layer, symbols, weight.Grid!.StepSize, biases, bias.Grid!.StepSize);
        })]);
    }

    public CompressionReport Write(Stream file, CompressionLevel level = CompressionLevel.SmallestSize)
    {
        using var writer = CompressedModelWriter.Create(file, level, leaveOpen: true);
        foreach (var layer in Layers)
        {
            writer.Add(layer.Shape.Weight, QuantizedTensor.FromSymbols(layer.Symbols, layer.Shape.WeightShape, QuantizationGrid.Uniform(layer.Step)));
            writer.Add(layer.Shape.Bias, Narrow(layer));
        }

        return writer.Complete();
    }

    /// <summary>The same network in the shape of the full one: what was left out of training is zero.</summary>
    public PackedNetwork Expand(UnitSelection selection) => new([.. Layers.Select((layer, i) =>
    {
        var full = selection.Full.Layers[i];
        var expanded = new PackedLayer(full, new sbyte[full.Outputs * full.Columns], layer.Step, new short[full.Outputs], layer.BiasStep);
        var (inputs, outputs) = (selection.Kept[i], selection.Kept[i + 1]);
        for (int output = 0; output < outputs.Length; output++)
        {
            expanded.BiasSymbols[outputs[output]] = layer.BiasSymbols[output];
            for (int input = 0; input < inputs.Length; input++)
                layer.Pair(output, input).CopyTo(expanded.Pair((int)outputs[output], (int)inputs[input]));
        }

        return expanded;
    })]);

    /// <summary>Units nobody reads lose their weights; the constant answer of units that read nothing goes into the biases of the next layer.</summary>
    /// <remarks>A constant channel stays constant under a convolution without padding and under pooling, so both networks allow it.</remarks>
    public void RemoveDeadUnits()
    {
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int i = 0; i + 1 < Layers.Count; i++)
            {
                for (int unit = 0; unit < Layers[i].Shape.Outputs; unit++)
                    changed |= RemoveIfDead(Layers[i], Layers[i + 1], unit);
            }
        }
    }

    /// <summary>Gives the units of a hidden layer a new order: rows here, columns in the next layer.</summary>
    public void Reorder(int hidden, IReadOnlyList<int> order)
    {
        var (layer, next) = (Layers[hidden], Layers[hidden + 1]);
        var (symbols, biases, nextSymbols) = ((sbyte[])layer.Symbols.Clone(), (short[])layer.BiasSymbols.Clone(), (sbyte[])next.Symbols.Clone());
        int row = layer.Shape.Columns, pair = next.Shape.WeightsPerPair, nextRow = next.Shape.Columns;
        for (int unit = 0; unit < order.Count; unit++)
        {
            symbols.AsSpan(order[unit] * row, row).CopyTo(layer.Row(unit));
            layer.BiasSymbols[unit] = biases[order[unit]];
            for (int output = 0; output < next.Shape.Outputs; output++)
                nextSymbols.AsSpan((output * nextRow) + (order[unit] * pair), pair).CopyTo(next.Pair(output, unit));
        }
    }

    private static bool RemoveIfDead(PackedLayer layer, PackedLayer next, int unit)
    {
        bool read = next.UsesInput(unit);
        bool reads = layer.Row(unit).ContainsAnyExcept((sbyte)0);
        if ((read && reads) || (!read && !reads && layer.BiasSymbols[unit] == 0))
            return false;

        double constant = reads ? 0 : Math.Max(0, layer.BiasSymbols[unit] * layer.BiasStep);
        for (int output = 0; output < next.Shape.Outputs; output++)
        {
            int sum = 0;
            foreach (sbyte symbol in next.Pair(output, unit))
                sum += symbol;
            next.BiasSymbols[output] += (short)Math.Round(constant * sum * next.Step / next.BiasStep);
            next.Pair(output, unit).Clear();
        }

        layer.Row(unit).Clear();
        layer.BiasSymbols[unit] = 0;
        return true;
    }

    // Symbols of eight bits where they fit.
    private static QuantizedTensor Narrow(PackedLayer layer)
    {
        var grid = QuantizationGrid.Uniform(layer.BiasStep);
        return layer.BiasSymbols.All(s => s is >= sbyte.MinValue and <= sbyte.MaxValue)
            ? QuantizedTensor.FromSymbols(layer.BiasSymbols.Select(s => (sbyte)s).ToArray(), [layer.Shape.Outputs], grid)
            : QuantizedTensor.FromSymbols(layer.BiasSymbols, [layer.Shape.Outputs], grid);
    }
}
