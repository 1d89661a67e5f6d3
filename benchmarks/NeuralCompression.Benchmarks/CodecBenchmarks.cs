using System.Diagnostics;
using BenchmarkDotNet.Attributes;

namespace NeuralCompression.Benchmarks;

/// <summary>Every level and kernel beside other coders, on the same bytes in one process. Every coder gives the symbols back before it is timed.</summary>
[MemoryDiagnoser(displayGenColumns: false)]
[CodecColumns]
public class CodecBenchmarks
{
    private static readonly Dictionary<string, TensorSet> Read = [];
    private CoderRun run = null!;
    private byte[] coded = [];

    /// <summary>The set to run; null for all. One set takes about two minutes.</summary>
    internal static string? OnlySet { get; set; }

    /// <summary>Independent symbols, and trained networks.</summary>
    public static IEnumerable<string> Sets => new[] { "ternary95", "laplace2.5", "e_lenet300_hoyer_max32" }.Where(set => OnlySet is null || set == OnlySet);

    public static IEnumerable<string> CoderNames => Coders.All.Select(coder => coder.Name);

    [ParamsSource(nameof(Sets))]
    public string Set { get; set; } = "";

    [ParamsSource(nameof(CoderNames))]
    public string Coder { get; set; } = "";

    [GlobalSetup]
    public void SetUp()
    {
        TensorSet set = Tensors(Set);
        run = Coders.All.Single(coder => coder.Name == Coder).Prepare(set);
        coded = run.Encode();
        run.Decode(coded);
        if (!run.IsRestored())
            throw new InvalidOperationException($"{Coder} gives other symbols back.");

        // Compiled as it will be after a while, however few runs the job has.
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < 60 && Stopwatch.GetElapsedTime(started).TotalSeconds < 1; i++)
        {
            run.Encode();
            run.Decode(coded);
        }

        Thread.Sleep(200);
        CodecColumns.Sizes[(Set, Coder)] = (coded.Length, set.Weights, set.Entropy);
    }

    [Benchmark]
    public byte[] Encode() => run.Encode();

    [Benchmark]
    public void Decode() => run.Decode(coded);

    private static TensorSet Tensors(string name)
    {
        if (!Read.TryGetValue(name, out TensorSet? set))
        {
            set = name switch
            {
                "ternary95" => TensorSet.Synthetic(name, 1 << 20, 1, (u, v) => (sbyte)(u < 0.95 ? 0 : v < 0.5 ? 1 : -1)),
                "laplace2.5" => TensorSet.Synthetic(name, 1 << 20, 2, (u, v) => (sbyte)Math.Clamp(Math.Round((v < 0.5 ? -1 : 1) * -Math.Log(1 - u) * 1.05), -16, 16)),
                _ => TensorSet.Read(Path.Combine(TensorSet.DataFolder, name + ".i8.gz")),
            };
            Read.Add(name, set);
        }

        return set;
    }
}
