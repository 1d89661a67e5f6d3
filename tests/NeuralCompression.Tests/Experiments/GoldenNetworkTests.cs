using System.IO.Compression;
using NeuralCompression.Codec;
using NeuralCompression.Tests.Support;
using TorchSharp;
using TrainAndCompress;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NeuralCompression.Tests.Experiments;

/// <summary>The networks in benchmarks/results/golden keep their size and their test error.</summary>
public sealed class GoldenNetworkTests
{
    private const int Bytes = 2932;
    private const int WrongOfTenThousand = 165;

    private static string Folder { get; } = Path.Combine(Repository.Root, "benchmarks", "results", "golden");

    private static string File300100 { get; } = Path.Combine(Folder, "lenet-300-100.ncm");

    [Fact]
    public void LeNet300100_LoadedFromItsFile_HasItsTestError()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var network = Sequential(
            ("fc1", Linear(784, 300)), ("relu1", ReLU()),
            ("fc2", Linear(300, 100)), ("relu2", ReLU()),
            ("fc3", Linear(100, 10)));
        network.LoadCompressed(File300100);
        using var data = IdxDataSet.Load(Path.Combine(Repository.Root, "data", "mnist"));
        using var wrong = network.call(data.Test.Images).argmax(1).ne(data.Test.Labels).sum();
        Assert.Equal(10_000, data.Test.Count);

        // Two answers of the best and the second best class may be so near that another order of adding up swaps them.
        Assert.InRange(wrong.item<long>(), WrongOfTenThousand - 2, WrongOfTenThousand + 2);
    }

    [Fact]
    public void LeNet300100_SymbolsWrittenAgain_AreTheFile()
    {
        using var packed = new GZipStream(File.OpenRead(Path.ChangeExtension(File300100, ".symbols.gz")), CompressionMode.Decompress);
        using var symbols = new MemoryStream();
        packed.CopyTo(symbols);
        symbols.Position = 0;
        using var reader = CompressedModelReader.Open(symbols);
        using var written = new MemoryStream();
        using (var writer = CompressedModelWriter.Create(written, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            foreach (var tensor in reader.Tensors)
            {
                sbyte[] values = new sbyte[tensor.Length];
                reader.DecodeSymbols(tensor, values);
                writer.Add(tensor.Name, QuantizedTensor.FromSymbols(values, tensor.Shape, tensor.Grid!));
            }

            writer.Complete();
        }

        // While the format may still change: the one place that makes the file anew.
        if (Environment.GetEnvironmentVariable("NEURALCOMPRESSION_WRITE_VECTORS") == "1" && !File.Exists(File300100))
        {
            File.WriteAllBytes(File300100, written.ToArray());
        }

        byte[] expected = File.ReadAllBytes(File300100);
        Assert.Equal(Bytes, expected.Length);
        Assert.Equal(expected, written.ToArray());
    }
}
