using BenchmarkDotNet.Running;
using NeuralCompression.Benchmarks;

// sizes [folder]: the size table, in one run. Anything else: BenchmarkDotNet's own options, for example --filter '*'.
if (args is ["sizes", ..])
    SizeTable.Run(args.Length > 1 ? args[1] : null);
else
    BenchmarkSwitcher.FromAssembly(typeof(CodecBenchmarks).Assembly).Run(args);
