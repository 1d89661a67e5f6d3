using System.Collections.ObjectModel;
using System.IO.Compression;
using System.Numerics;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Classified;
using NeuralCompression.Codec.WeightCoding.Lossless;
using NeuralCompression.Codec.WeightCoding.ContextMixing;

namespace NeuralCompression.Codec;

/// <summary>Tells how long a file <see cref="CompressedModelWriter"/> would write, from the coders' own cost models; the index is counted by writing it.</summary>
/// <remarks>
/// For the same model again and again: after <see cref="Complete"/> it is empty but remembers, for every segment, the parameters the slow coder was priced with, and
/// searches new ones only after <see cref="Forget"/>.
/// </remarks>
/// <param name="level">The level of the file.</param>
/// <param name="keepsChoices">
/// Whether what the static coders chose is remembered too: then all but the first measurement take a tenth of the time, and are the larger by what a new search would have saved. Not for comparing sizes that differ by less, and not part of <see cref="Memory"/>.
/// </param>
internal sealed class ModelMeter(CompressionLevel level, bool keepsChoices = false) : ITensorSink
{
    private readonly Dictionary<(string Name, long Start), ClassifiedChoice> choices = [];
    private readonly Dictionary<(string Name, long Start), MixingParameters> known = [];
    private readonly Dictionary<string, int> names = new(StringComparer.Ordinal);
    private List<PendingTensor> tensors = [];

    internal CompressionLevel Level => level;

    /// <summary>The next pricing searches its parameters anew.</summary>
    internal void Forget()
    {
        known.Clear();
        choices.Clear();
    }

    /// <summary>The remembered parameters, to be continued by <see cref="Recall"/> in another process.</summary>
    internal IEnumerable<(string Name, long Start, byte[] Parameters)> Memory => known.Select(entry => (entry.Key.Name, entry.Key.Start, entry.Value.ToArray()));

    internal void Recall(string name, long start, ReadOnlySpan<byte> parameters) => known[(name, start)] = MixingParameters.Read(parameters, out _);

    public void Add(string name, QuantizedTensor tensor)
    {
        if (tensor.TryGetSymbols(out ReadOnlyMemory<sbyte> narrow))
            AddSymbols(name, narrow.Span, tensor.Shape, tensor.Grid, tensor.ElementType);
        else if (tensor.TryGetSymbols(out ReadOnlyMemory<short> wide))
            AddSymbols(name, wide.Span, tensor.Shape, tensor.Grid, tensor.ElementType);
    }

    internal void AddSymbols<T>(string name, ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, QuantizationGrid grid, ElementType type)
        where T : struct, IBinaryInteger<T>
    {
        PendingTensor tensor = Begin(name, type, shape, grid);
        if (tensor.Length != symbols.Length)
            throw new ArgumentException(FormattableString.Invariant($"The shape has {tensor.Length} elements but {symbols.Length} symbols were given."), nameof(shape));
        for (long start = 0; start == 0 || start < tensor.Length; start += Math.Max(tensor.SegmentLength, 1))
        {
            ReadOnlySpan<T> segment = symbols.Slice((int)start, (int)Math.Min(tensor.SegmentLength, tensor.Length - start));
            (int min, int max) = typeof(T) == typeof(sbyte) ? SymbolRange.Of(MemoryMarshal.Cast<T, sbyte>(segment)) : SymbolRange.Of(MemoryMarshal.Cast<T, short>(segment));
            MixingParameters? parameters = known.TryGetValue((name, start), out MixingParameters last) ? last : null;
            ClassifiedChoice? choice = keepsChoices && choices.TryGetValue((name, start), out ClassifiedChoice before) ? before : null;
            PricedTensor price = SymbolPricer.Price(segment, Segmentation.ShapeOf(tensor.Shape, tensor.Length, tensor.SegmentLength, segment.Length), min, max, level, ref parameters, ref choice);
            if (keepsChoices && choice is ClassifiedChoice chosen)
                choices[(name, start)] = chosen;
            if (parameters is MixingParameters found)
                known[(name, start)] = found;
            Keep(tensor, start, segment.Length, price, default, min, max);
        }
    }

    public void Add(string name, ElementType type, ReadOnlySpan<long> shape, ReadOnlySpan<byte> littleEndianBytes)
    {
        PendingTensor tensor = Begin(name, type, shape, null);
        int size = type.Size();
        for (long start = 0; start == 0 || start < tensor.Length; start += Math.Max(tensor.SegmentLength, 1))
        {
            int length = (int)Math.Min(tensor.SegmentLength, tensor.Length - start);
            EncodedTensor encoded = ElementCoder.Encode(littleEndianBytes.Slice((int)start * size, length * size), type, level);
            Keep(tensor, start, length, new(encoded.Coding, encoded.Payload.Length), encoded.Payload, 0, 0);
            encoded.Release();
        }
    }

    public void AddAlias(string name, string target) => Append(new PendingTensor { Name = name, AliasTarget = names[target] });

    /// <summary>The report the writer would give of these tensors.</summary>
    public CompressionReport Complete()
    {
        TensorEntry[] entries = [.. tensors.Select(tensor => tensor.ToEntry())];
        bool aligned = level == CompressionLevel.NoCompression;
        long offset = CompressedModelWriter.Head(entries, aligned, ReadOnlyDictionary<string, string>.Empty).Length;
        foreach (TensorEntry entry in entries)
        {
            if (aligned && entry.PayloadLength > 0)
                offset = ContainerLayout.Align(offset);
            offset += entry.PayloadLength;
        }

        tensors = [];
        names.Clear();
        return new CompressionReport(offset, [.. entries.Select(entry => CompressedModelWriter.Report(entry, entries))]);
    }

    private PendingTensor Begin(string name, ElementType type, ReadOnlySpan<long> shape, QuantizationGrid? grid)
    {
        long length = TensorShape.Count(shape, nameof(shape));
        var tensor = new PendingTensor
        {
            Name = name,
            ElementType = type,
            Shape = shape.ToArray(),
            Length = length,
            Grid = grid,
            SegmentLength = Segmentation.LengthFor(shape, length, type.Size(), ContainerLayout.SegmentBytes),
        };
        Append(tensor);
        return tensor;
    }

    private void Append(PendingTensor tensor)
    {
        names.Add(tensor.Name, tensors.Count);
        tensors.Add(tensor);
    }

    private static void Keep(PendingTensor tensor, long start, long length, PricedTensor price, ReadOnlyMemory<byte> payload, int min, int max) =>
        tensor.Add(
            new SegmentEntry { Start = start, Length = length, Coding = price.Coding, MinSymbol = min, MaxSymbol = max, PayloadLength = price.Bytes },
            payload);
}
