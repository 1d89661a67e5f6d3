using BenchmarkDotNet.Running;
using NeuralCompression.Benchmarks;

// sizes [folder]: the size table. brotli [folder]: sizes beside Brotli, tensor by tensor. kernels [rounds] [weights]: speeds beside htscodecs and Zstandard. lossless [folder] [rounds]: float tensors. threads [rounds] [weights]: two threads against one. codecs [set]: every level and kernel beside other coders, by BenchmarkDotNet. Each in one run. Anything else: BenchmarkDotNet's own options, for example --filter '*'.
if (args is ["sizes", ..])
    SizeTable.Run(args.Length > 1 ? args[1] : null);
else if (args is ["brotli", ..])
    BrotliTable.Run(args.Length > 1 ? args[1] : TensorSet.DataFolder);
else if (args is ["kernels", ..])
    KernelTable.Run(args.Length > 1 ? int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture) : 9, args.Length > 2 ? int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture) : 1 << 24);
else if (args is ["lossless", ..])
    LosslessTable.Run(args.Length > 1 ? args[1] : "benchmarks/data", args.Length > 2 ? int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture) : 5);
else if (args is ["threads", ..])
    ThreadTable.Run(args.Length > 1 ? int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture) : 5, args.Length > 2 ? int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture) : 50_000_000);
else if (args is ["codecs", ..])
    CodecJob.Run(args.Length > 1 ? args[1] : null);
else
    BenchmarkSwitcher.FromAssembly(typeof(CodecBenchmarks).Assembly).Run(args);
