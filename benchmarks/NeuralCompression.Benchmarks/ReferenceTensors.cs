using System.Globalization;
using System.IO.Compression;

namespace NeuralCompression.Benchmarks;

/// <summary>A named set of 8-bit symbol tensors.</summary>
internal sealed record TensorSet(string Name, IReadOnlyList<(string Name, long[] Shape, sbyte[] Symbols)> Tensors)
{
    internal long Weights => Tensors.Sum(tensor => (long)tensor.Symbols.Length);

    /// <summary>Order-0 entropy, each tensor with its own distribution; bits/weight.</summary>
    internal double Entropy
    {
        get
        {
            double bits = 0;
            foreach ((_, _, sbyte[] symbols) in Tensors)
            {
                foreach (IGrouping<sbyte, sbyte> group in symbols.GroupBy(symbol => symbol))
                {
                    double count = group.Count();
                    bits -= count * Math.Log2(count / symbols.Length);
                }
            }

            return bits / Weights;
        }
    }

    /// <summary>The committed sets, found from where the program lies.</summary>
    internal static string DataFolder
    {
        get
        {
            DirectoryInfo? folder = new(AppContext.BaseDirectory);
            while (folder is not null && !Directory.Exists(Path.Combine(folder.FullName, "benchmarks", "data")))
                folder = folder.Parent;
            return Path.Combine(folder?.FullName ?? throw new DirectoryNotFoundException("The program runs outside the repository."), "benchmarks", "data");
        }
    }

    /// <summary>Reads NAME.i8.gz with NAME.shapes.txt (lines: offset count rows columns name shape).</summary>
    internal static TensorSet Read(string path)
    {
        string stem = path[..^".i8.gz".Length];
        using var unzipped = new MemoryStream();
        using (var zipped = new GZipStream(File.OpenRead(path), CompressionMode.Decompress))
            zipped.CopyTo(unzipped);
        byte[] bytes = unzipped.ToArray();
        var names = new HashSet<string>();
        var tensors = new List<(string, long[], sbyte[])>();
        foreach (string line in File.ReadLines(stem + ".shapes.txt"))
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length < 5)
                continue;
            int offset = int.Parse(fields[0], CultureInfo.InvariantCulture);
            int count = int.Parse(fields[1], CultureInfo.InvariantCulture);
            long[] shape = [long.Parse(fields[2], CultureInfo.InvariantCulture), long.Parse(fields[3], CultureInfo.InvariantCulture)];
            // A set may hold two networks that use one name.
            tensors.Add((string.Create(CultureInfo.InvariantCulture, $"{fields[4]}{(names.Add(fields[4]) ? "" : "@" + fields[0])}"), shape, (sbyte[])(Array)bytes.AsSpan(offset, count).ToArray()));
        }

        return new TensorSet(Path.GetFileName(stem), tensors);
    }

    /// <summary>Independent symbols from a stated generator: xorshift64* with the given seed.</summary>
    internal static TensorSet Synthetic(string name, int length, ulong seed, Func<double, double, sbyte> draw)
    {
        var symbols = new sbyte[length];
        ulong state = seed;
        for (int i = 0; i < length; i++)
            symbols[i] = draw(Next(), Next());
        return new TensorSet(name, [("weight", [length / 4096, 4096], symbols)]);

        double Next()
        {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            return ((state * 2685821657736338717UL) >> 11) * (1.0 / (1UL << 53));
        }
    }
}
