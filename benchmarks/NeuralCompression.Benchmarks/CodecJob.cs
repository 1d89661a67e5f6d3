using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;

namespace NeuralCompression.Benchmarks;

/// <summary>A short run of <see cref="CodecBenchmarks"/>, all rows in this process, medians of processor time: <c>codecs [set]</c>. About two minutes for each set.</summary>
internal static class CodecJob
{
    internal static void Run(string? set)
    {
        CodecBenchmarks.OnlySet = set;
        foreach (string library in Coders.Missing)
            Console.WriteLine($"skipped: {library} is not installed");
        var clock = new ThreadClock();
        Job job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(1).WithIterationCount(5).WithMinIterationTime(TimeInterval.FromMilliseconds(20));
        IConfig config = ManualConfig.CreateEmpty()
            .AddJob(clock.IsAvailable ? job.WithClock(clock) : job)
            .AddColumnProvider(DefaultColumnProviders.Descriptor, DefaultColumnProviders.Params, DefaultColumnProviders.Metrics)
            .AddColumn(StatisticColumn.Median)
            .AddLogger(ConsoleLogger.Default)
            .AddExporter(MarkdownExporter.Default)
            .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(40));
        BenchmarkRunner.Run<CodecBenchmarks>(config);
    }
}
