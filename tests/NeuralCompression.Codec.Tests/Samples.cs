using System.IO.Compression;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec.Tests;

/// <summary>Small models that together use every structure of the format; the same on every machine.</summary>
internal static class Samples
{
    internal static IEnumerable<string> Names => ["lenet-like", "every-type", "grids", "wide", "aligned", "empty", "segments", "classified", "classified-signs", "lossless", "metadata", "groups", "repeats"];

    internal static byte[] Write(string name)
    {
        CompressionLevel level = name switch
        {
            "aligned" => CompressionLevel.NoCompression,
            "classified" or "classified-signs" or "repeats" => CompressionLevel.Optimal,
            "groups" => CompressionLevel.Fastest,
            _ => CompressionLevel.SmallestSize,
        };
        return Write(writer => FillWithTexts(writer, name), new CompressedModelWriterOptions { Level = level, SegmentBytes = name == "segments" ? 512 : 16 << 20 });
    }

    internal static byte[] Write(Action<CompressedModelWriter> fill, CompressionLevel level = CompressionLevel.Optimal) =>
        Write(fill, new CompressedModelWriterOptions { Level = level });

    internal static byte[] Write(Action<CompressedModelWriter> fill, CompressedModelWriterOptions options)
    {
        using var stream = new MemoryStream();
        using (var writer = CompressedModelWriter.Create(stream, options, leaveOpen: true))
        {
            fill(writer);
            writer.Complete();
        }

        return stream.ToArray();
    }

    internal static CompressedModelReader Open(byte[] file, DecodeLimits? limits = null) => CompressedModelReader.Open(new MemoryStream(file), limits);

    /// <summary>A tensor's values as bytes of its own type.</summary>
    internal static byte[] Bytes(CompressedModelReader reader, string name)
    {
        byte[] bytes = new byte[reader[name].DecodedBytes];
        reader.DecodeBytes(reader[name], bytes);
        return bytes;
    }

    /// <summary>Adds every tensor of a file whose symbols have 8 bits.</summary>
    internal static void Copy(byte[] file, CompressedModelWriter writer)
    {
        using CompressedModelReader reader = Open(file);
        foreach (CompressedTensorInfo tensor in reader.Tensors)
        {
            if (tensor.AliasOf is not null)
            {
                writer.AddAlias(tensor.Name, tensor.AliasOf);
            }
            else if (tensor.IsQuantized)
            {
                var symbols = new sbyte[tensor.Length];
                reader.DecodeSymbols(tensor, symbols);
                writer.Add(tensor.Name, QuantizedTensor.FromSymbols(symbols, tensor.Shape, tensor.Grid!));
            }
            else
            {
                writer.Add(tensor.Name, tensor.ElementType, tensor.Shape, Bytes(reader, tensor.Name));
            }
        }
    }

    /// <summary>Symbols of a two-sided geometric distribution.</summary>
    internal static sbyte[] Sparse(int length, ulong seed, int zerosOf256)
    {
        var symbols = new sbyte[length];
        var random = new XorShift(seed);
        for (int i = 0; i < length; i++)
        {
            if (random.Next(256) < zerosOf256)
                continue;
            int magnitude = 1;
            while (magnitude < 7 && random.Next(3) == 0)
                magnitude++;
            symbols[i] = (sbyte)(random.Next(2) == 0 ? magnitude : -magnitude);
        }

        return symbols;
    }

    /// <summary>Symbols whose scale changes from row to row and from column to column, some of them empty, and whose signs follow the left neighbour.</summary>
    internal static sbyte[] Structured(int rows, int columns, ulong seed, int most)
    {
        var random = new XorShift(seed);
        int[] rowScale = [.. Enumerable.Range(0, rows).Select(_ => random.Next(5))];
        int[] columnScale = [.. Enumerable.Range(0, columns).Select(_ => random.Next(5))];
        var symbols = new sbyte[rows * columns];
        for (int i = 0; i < symbols.Length; i++)
        {
            int scale = rowScale[i / columns] * columnScale[i % columns];
            if (scale == 0)
                continue;
            int magnitude = 0;
            while (magnitude < most && random.Next(16) < scale)
                magnitude++;
            bool same = random.Next(5) != 0;
            symbols[i] = (sbyte)(i > 0 && symbols[i - 1] < 0 == same ? -magnitude : magnitude);
        }

        return symbols;
    }

    /// <summary>Symbols whose signs repeat those of the symbol before and whose magnitudes depend on the row.</summary>
    internal static sbyte[] Signed(int rows, int columns, ulong seed, int most)
    {
        var random = new XorShift(seed);
        var symbols = new sbyte[rows * columns];
        for (int i = 1; i < symbols.Length; i++)
        {
            int magnitude = 0;
            while (magnitude < most && random.Next(8) < 2 + ((i / columns) & 3))
                magnitude++;
            symbols[i] = (sbyte)(symbols[i - 1] < 0 == (random.Next(8) != 0) ? -magnitude : magnitude);
        }

        return symbols;
    }

    /// <summary>Symbols of which most come in one of ten groups.</summary>
    internal static sbyte[] Patterns(int length, ulong seed, int alphabet, int groupSize)
    {
        var random = new XorShift(seed);
        sbyte[] Group() => [.. Enumerable.Range(0, groupSize).Select(_ => (sbyte)((random.Next(3) == 0 ? random.Next(alphabet) : alphabet / 2) - (alphabet / 2)))];
        sbyte[][] patterns = [.. Enumerable.Range(0, 10).Select(_ => Group())];
        return [.. Enumerable.Range(0, (length / groupSize) + 1).SelectMany(_ => random.Next(32) == 0 ? Group() : patterns[random.Next(10)]).Take(length)];
    }

    /// <summary>Ternary symbols of which every second eight are zeros, and nearly all others have one or two that are not.</summary>
    internal static sbyte[] Clusters(int length, ulong seed)
    {
        var random = new XorShift(seed);
        var symbols = new sbyte[length];
        for (int start = 0; start + 8 <= length; start += 8)
        {
            for (int left = random.Next(2) == 0 ? 0 : random.Next(32) == 0 ? 4 : 2; left > 0; left--)
                symbols[start + random.Next(8)] = (sbyte)((2 * random.Next(2)) - 1);
        }

        return symbols;
    }

    /// <summary>Bytes whose floats look like weights: products of uniform integers.</summary>
    internal static byte[] FloatBytes(int length, ulong seed, int size)
    {
        var random = new XorShift(seed);
        var bytes = new byte[length * size];
        for (int i = 0; i < length; i++)
        {
            double value = (random.Next(2001) - 1000) * (random.Next(1000) + 1) / 8e6;
            byte[] element = size switch
            {
                2 => BitConverter.GetBytes((Half)value),
                4 => BitConverter.GetBytes((float)value),
                _ => BitConverter.GetBytes(value),
            };
            element.CopyTo(bytes, i * size);
        }

        return bytes;
    }

    /// <summary>The same with three of four times 0, which keeps the sign.</summary>
    internal static byte[] Pruned(int length, ulong seed)
    {
        var random = new XorShift(seed + 1);
        byte[] bytes = FloatBytes(length, seed, 4);
        for (int i = 0; i < bytes.Length; i += 4)
        {
            if (random.Next(4) == 0)
                continue;
            bytes.AsSpan(i, 3).Clear();
            bytes[i + 3] &= 0x80;
        }

        return bytes;
    }

    private static void FillWithTexts(CompressedModelWriter writer, string name)
    {
        Fill(writer, name);
        if (name != "metadata")
            return;
        writer.AddMetadata("licence", "MIT");
        writer.AddMetadata("", "an empty key, and letters of 2 to 4 bytes: \u00E9 \u20AC \U0001F600");
        writer.AddMetadata("format", "");
    }

    internal static void Fill(ITensorSink writer, string name)
    {
        switch (name)
        {
            case "lenet-like":
                writer.Add("fc1.weight", QuantizedTensor.FromSymbols(Sparse(30 * 40, 1, 230), [30, 40], QuantizationGrid.Uniform(0.125)));
                writer.Add("fc1.bias", ElementType.Float32, [30], FloatBytes(30, 2, 4));
                writer.Add("fc2.weight", QuantizedTensor.FromSymbols(Sparse(10 * 30, 3, 200), [10, 30], QuantizationGrid.Uniform(0.1)));
                writer.Add("fc2.bias", ElementType.Float32, [10], FloatBytes(10, 4, 4));
                writer.AddAlias("head.weight", "fc2.weight");
                break;
            case "every-type":
                foreach (ElementType type in Enum.GetValues<ElementType>())
                {
                    int size = type.Size();
                    byte[] bytes = size == 1 ? (byte[])(Array)Sparse(40, 5, 128) : FloatBytes(40, 6 + (ulong)type, size);
                    writer.Add($"plane.{type}", type, [5, 8], bytes);
                }

                writer.Add("running_var", ElementType.Float32, [64], [.. Enumerable.Range(0, 64).SelectMany(_ => BitConverter.GetBytes(1f))]);
                writer.Add("num_batches_tracked", ElementType.Int64, [], BitConverter.GetBytes(469L));
                writer.Add("exponents", ElementType.BFloat16, [20, 20], [.. FloatBytes(400, 20, 4).Chunk(4).SelectMany(element => element[2..])]);
                break;
            case "grids":
                writer.Add("channels", QuantizedTensor.FromSymbols(Sparse(4 * 3 * 25, 30, 128), [4, 3, 5, 5], QuantizationGrid.PerChannel([0.5f, 0.25f, 0.1f, 3f])));
                writer.Add("inputs", QuantizedTensor.FromSymbols(Sparse(4 * 3 * 25, 31, 128), [4, 3, 5, 5], QuantizationGrid.PerChannel([1f, 2f, 4f], axis: 1), ElementType.Float16));
                writer.Add("codebook", QuantizedTensor.FromSymbols(Sparse(200, 32, 100), [200], QuantizationGrid.Codebook([.. Enumerable.Range(-7, 15).Select(i => i * i * 0.01f)], -7), ElementType.BFloat16));
                writer.Add("double", QuantizedTensor.FromSymbols(Sparse(200, 33, 100), [200], QuantizationGrid.Uniform(0.1), ElementType.Float64));
                writer.Add("zeros", QuantizedTensor.FromSymbols(new sbyte[1000], [1000], QuantizationGrid.Uniform(1)));
                writer.Add("scalar", QuantizedTensor.FromSymbols(new sbyte[] { 3 }, [], QuantizationGrid.Uniform(1)));
                break;
            case "wide":
                var random = new XorShift(40);
                var symbols = new short[300];
                foreach (ref short symbol in symbols.AsSpan())
                    symbol = (short)(random.Next(2) == 0 ? 0 : (random.Next(4001) - 2000) / (random.Next(20) + 1));
                writer.Add("wide", QuantizedTensor.FromSymbols(symbols, [300], QuantizationGrid.Uniform(0.01)));
                writer.Add("shifted", QuantizedTensor.FromSymbols(Array.ConvertAll(Sparse(300, 41, 50), symbol => (short)(symbol + 1000)), [300], QuantizationGrid.Uniform(0.01)));
                break;
            case "aligned":
                writer.Add("weight", QuantizedTensor.FromSymbols(Sparse(70, 50, 128), [7, 10], QuantizationGrid.Uniform(0.5)));
                writer.Add("wide", QuantizedTensor.FromSymbols(new short[] { -1000, 0, 1000 }, [3], QuantizationGrid.Uniform(0.5)));
                writer.Add("bias", ElementType.Float32, [7], FloatBytes(7, 51, 4));
                break;
            case "classified":
                writer.Add("wide", QuantizedTensor.FromSymbols(Structured(67, 70, 70, 40), [67, 70], QuantizationGrid.Uniform(0.5)));
                writer.Add("sparse", QuantizedTensor.FromSymbols(Structured(30, 9 * 8, 71, 1), [30, 8, 3, 3], QuantizationGrid.Uniform(0.5)));
                writer.Add("line", QuantizedTensor.FromSymbols(Structured(1, 4096, 72, 7), [4096], QuantizationGrid.Uniform(0.5)));
                break;
            case "classified-signs":
                // Signs repeat with the row length: mirrored symbols; two long rows: cut into shorter ones; 160 rows of one class: all lanes at once.
                writer.Add("signs", QuantizedTensor.FromSymbols(Signed(160, 40, 73, 3), [160, 40], QuantizationGrid.Uniform(0.5)));
                writer.Add("cut", QuantizedTensor.FromSymbols(Signed(2, 4800, 74, 5), [2, 4800], QuantizationGrid.Uniform(0.5)));
                break;
            case "groups":
                // Groups of eight, four and two, all with some that have no token; near groups.
                writer.Add("eights", QuantizedTensor.FromSymbols(Patterns(20_005, 80, 3, 8), [20_005], QuantizationGrid.Uniform(0.5)));
                writer.Add("fours", QuantizedTensor.FromSymbols(Patterns(20_003, 81, 12, 4), [20_003], QuantizationGrid.Uniform(0.5)));
                writer.Add("pairs", QuantizedTensor.FromSymbols(Patterns(20_001, 82, 100, 2), [20_001], QuantizationGrid.Uniform(0.5)));
                writer.Add("near", QuantizedTensor.FromSymbols(Clusters(20_005, 83), [20_005], QuantizationGrid.Uniform(0.5)));
                break;
            case "segments":
                sbyte[] rows = Sparse(30 * 20, 60, 128);
                rows.AsSpan(100, 100).Clear();
                rows.AsSpan(200, 100).Fill(3);
                writer.Add("rows", QuantizedTensor.FromSymbols(rows, [30, 20], QuantizationGrid.PerChannel([.. Enumerable.Range(1, 20).Select(i => i * 0.25f)], axis: 1)));
                writer.Add("kernels", QuantizedTensor.FromSymbols(Sparse(2 * 300 * 4, 61, 200), [2, 300, 2, 2], QuantizationGrid.PerChannel([0.5f, 2f]), ElementType.Float16));
                short[] jumps = Array.ConvertAll(Sparse(300, 62, 100), symbol => (short)(symbol * 400));
                writer.Add("wide", QuantizedTensor.FromSymbols(jumps, [300], QuantizationGrid.Uniform(0.1), ElementType.Float64));
                writer.Add("zeros", QuantizedTensor.FromSymbols(new sbyte[1000], [1000], QuantizationGrid.Uniform(1)));
                byte[] floats = FloatBytes(500, 63, 4);
                floats.AsSpan(512, 512).Clear();
                writer.Add("floats", ElementType.Float32, [500], floats);
                writer.Add("ones", ElementType.Float32, [500], [.. Enumerable.Range(0, 500).SelectMany(_ => BitConverter.GetBytes(1f))]);
                writer.Add("counts", ElementType.Int16, [3, 400], [.. Enumerable.Range(0, 1200).SelectMany(i => BitConverter.GetBytes((short)(i % 7)))]);
                writer.AddAlias("tied", "rows");
                break;
            case "lossless":
                // Every form and mode of docs/format.md, section 5.5: split by zeros, zigzag, differences, a list of values.
                writer.Add("pruned", ElementType.Float32, [20, 30], Pruned(600, 70));
                var any = new XorShift(71);
                writer.Add("signed", ElementType.Int32, [300], [.. Enumerable.Range(0, 300).SelectMany(_ => BitConverter.GetBytes(any.Next(201) - 100))]);
                writer.Add("positions", ElementType.Int64, [300], [.. Enumerable.Range(0, 300).SelectMany(i => BitConverter.GetBytes((long)i))]);
                writer.Add("few", ElementType.BFloat16, [300], [.. Enumerable.Range(0, 300).SelectMany(_ => BitConverter.GetBytes((ushort)(0x3E00 + (any.Next(5) * 37))))]);
                break;
            case "repeats":
                // Rows that are one of three, a table of 16-bit symbols twice, a mask, elements of every size.
                sbyte[][] kinds = [Sparse(50, 80, 60), Sparse(50, 81, 60), Sparse(50, 82, 60)];
                writer.Add("rows", QuantizedTensor.FromSymbols(Enumerable.Range(0, 40).SelectMany(row => kinds[row * row % 7 % 3]).ToArray(), [40, 50], QuantizationGrid.PerChannel([.. Enumerable.Range(1, 40).Select(i => i * 0.25f)])));
                short[] table = Array.ConvertAll(Sparse(120, 83, 40), symbol => (short)(symbol * 401));
                writer.Add("table", QuantizedTensor.FromSymbols((short[])[.. table, 17, .. table], [241], QuantizationGrid.Uniform(0.5)));
                writer.Add("mask", ElementType.Bool, [30, 30], [.. Enumerable.Range(0, 900).Select(i => (byte)(i % 30 > i / 30 ? 1 : 0))]);
                writer.Add("ramp", ElementType.UInt8, [1000], [.. Enumerable.Range(0, 1000).Select(i => (byte)(i % 100))]);
                foreach (ElementType type in new[] { ElementType.Float16, ElementType.Float32, ElementType.Float64 })
                {
                    byte[] part = FloatBytes(50, 84, type.Size());
                    writer.Add($"twice.{type}", type, [2, 50], [.. part, .. part]);
                }

                break;
            case "metadata":
                writer.Add("scale", ElementType.Float8E8M0, [12], [.. Enumerable.Range(120, 12).Select(i => (byte)i)]);
                break;
            default:
                writer.Add("nothing", ElementType.Float32, [0, 5], []);
                writer.Add("no symbols", QuantizedTensor.FromSymbols(Array.Empty<sbyte>(), [3, 0], QuantizationGrid.PerChannel([1f, 2f, 3f])));
                break;
        }
    }
}
