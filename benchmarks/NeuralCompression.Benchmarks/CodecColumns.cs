using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace NeuralCompression.Benchmarks;

/// <summary>Adds what the coders reached: bits/weight, percent over order-0 entropy, and speed in weights.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class CodecColumnsAttribute : Attribute, IConfigSource
{
    public IConfig Config { get; } = ManualConfig.CreateEmpty().AddColumn(
        new CodecColumns("Bits/weight", (size, _) => (8.0 * size.Bytes / size.Weights).ToString("F4", CultureInfo.InvariantCulture)),
        new CodecColumns("Over order-0", (size, _) => ((8.0 * size.Bytes / size.Weights / size.Entropy) - 1).ToString("P2", CultureInfo.InvariantCulture)),
        new CodecColumns("M weights/s", (size, seconds) => (size.Weights / seconds / 1e6).ToString("F1", CultureInfo.InvariantCulture)));
}

/// <summary>A column from the size of what was coded and the median time.</summary>
internal sealed class CodecColumns(string name, Func<(long Bytes, long Weights, double Entropy), double, string> value) : IColumn
{
    /// <summary>What each coder made of each set; the benchmarks run in this process.</summary>
    internal static Dictionary<(string Set, string Coder), (long Bytes, long Weights, double Entropy)> Sizes { get; } = [];

    public string Id => name;

    public string ColumnName => name;

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => "";

    public bool IsAvailable(Summary summary) => true;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, SummaryStyle.Default);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
    {
        var key = ((string)benchmarkCase.Parameters[nameof(CodecBenchmarks.Set)], (string)benchmarkCase.Parameters[nameof(CodecBenchmarks.Coder)]);
        return Sizes.TryGetValue(key, out (long, long, double) size) && summary[benchmarkCase]?.ResultStatistics is { } statistics ? value(size, statistics.Median / 1e9) : "";
    }
}
