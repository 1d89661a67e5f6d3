using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.WeightCoding;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Opens a file and decodes it in every way there is, letting through only what contract 5 names.</summary>
internal static class Victim
{
    /// <summary>The most elements of a tensor under <see cref="Limits"/>.</summary>
    internal const int MaxElements = 1 << 17;

    /// <summary>What a small mutated file may decode to at most; keeps a run fast.</summary>
    internal static readonly DecodeLimits Limits = new() { MaxElementsPerTensor = MaxElements, MaxDecodedBytesPerTensor = 1 << 20, MaxDecodedBytes = 4 << 20, MaxTensors = 4096, MaxSegments = 4096 };

    // Room for whatever a file within the limits decodes to, so that what a run allocates is the reader's.
    [ThreadStatic]
    private static Room? room;

    /// <summary>How the bytes reach the reader.</summary>
    internal enum Source
    {
        /// <summary>A stream that can seek.</summary>
        Stream,

        /// <summary>A stream that cannot.</summary>
        Forward,

        /// <summary>A delegate that gives ranges.</summary>
        Ranges,

        /// <summary>A stream that can seek, read without blocking.</summary>
        Async,
    }

    /// <summary>Reads everything, in one way where <paramref name="onlyBytes"/> is set. True when the file was accepted, false when it was refused as the contract says; anything else escapes.</summary>
    internal static bool Survives(byte[] file, out Exception? refusal, Source source = Source.Stream, bool onlyBytes = false)
    {
        refusal = Refusals.Of(() => ReadAll(file, source, null, onlyBytes), typeof(ContainerError));
        return refusal is null;
    }

    /// <summary>The same, with whatever is thrown.</summary>
    internal static void ReadAll(byte[] file, Source source, Outcome? outcome, bool onlyBytes = false)
    {
        using CompressedModelReader reader = Open(file, source);
        outcome?.Opened(reader);
        foreach (CompressedTensorInfo tensor in reader.Tensors)
            DecodeAll(reader, tensor, source, onlyBytes);
    }

    private static CompressedModelReader Open(byte[] file, Source source) => source switch
    {
        Source.Forward => CompressedModelReader.Open(new ForwardOnlyStream(file, 1 << 10), Limits),
        Source.Ranges => CompressedModelReader.Open(
            (offset, length) => offset >= file.Length ? default : file.AsMemory((int)offset, (int)Math.Min(length, file.Length - offset)), limits: Limits),
        Source.Async => CompressedModelReader.OpenAsync(new MemoryStream(file, writable: false), Limits).GetAwaiter().GetResult(),
        _ => CompressedModelReader.Open(new MemoryStream(file, writable: false), Limits),
    };

    private static void DecodeAll(CompressedModelReader reader, CompressedTensorInfo tensor, Source source, bool onlyBytes)
    {
        int length = checked((int)tensor.Length);
        Room to = room ??= new Room();
        if (source == Source.Async)
        {
            reader.DecodeBytesAsync(tensor, to.Bytes.AsMemory(0, (int)tensor.DecodedBytes)).GetAwaiter().GetResult();
            reader.DecodeAsync(tensor, length / 3, to.Floats.AsMemory(0, length / 2)).GetAwaiter().GetResult();
            return;
        }

        reader.DecodeBytes(tensor, to.Bytes.AsSpan(0, (int)tensor.DecodedBytes));
        if (onlyBytes)
            return;
        reader.Decode(tensor, to.Floats.AsSpan(0, length));
        reader.Decode(tensor, length / 3, to.Floats.AsSpan(0, length / 2));
        if (tensor.ElementType == ElementType.Float64 || !tensor.IsQuantized)
            reader.Decode(tensor, to.Doubles.AsSpan(0, length));
        if (!tensor.IsQuantized)
            return;
        reader.DecodeSymbols(tensor, to.Shorts.AsSpan(0, length));
        if (SymbolRange.IsNarrow(tensor.MinSymbol, tensor.MaxSymbol))
            reader.DecodeSymbols(tensor, to.Narrow.AsSpan(0, length));
    }

    /// <summary>What the index of a file declares, and so how much a reader may take for it.</summary>
    internal sealed class Outcome
    {
        internal long Elements { get; private set; }

        internal long DecodedBytes { get; private set; }

        internal long Segments { get; private set; }

        internal HashSet<Coding> Codings { get; } = [];

        internal void Opened(CompressedModelReader reader)
        {
            foreach (CompressedTensorInfo tensor in reader.Tensors)
            {
                Elements += tensor.Length;
                DecodedBytes += tensor.DecodedBytes;
                TensorEntry entry = tensor.AliasOf is null ? tensor.Entry : reader[tensor.AliasOf].Entry;
                Segments += entry.Segments.Count;
                foreach (SegmentEntry segment in entry.Segments)
                    Codings.Add(segment.Coding);
            }
        }
    }

    private sealed class Room
    {
        internal byte[] Bytes { get; } = new byte[1 << 20];

        internal float[] Floats { get; } = new float[MaxElements];

        internal double[] Doubles { get; } = new double[MaxElements];

        internal short[] Shorts { get; } = new short[MaxElements];

        internal sbyte[] Narrow { get; } = new sbyte[MaxElements];
    }
}
