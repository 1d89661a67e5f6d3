// Experiments on the published tables: trains a configuration, writes its file, and, once, measures the file on the test set.
using System.Globalization;
using System.IO.Compression;
using Experiments;
using NeuralCompression;
using NeuralCompression.Codec;

string root = Path.Combine("artifacts", "experiments");
switch (args)
{
    case ["train", var configuration, var name, .. var options]:
        return Train(name, Settings.Load(configuration, options));
    case ["pack", var name]:
        return Train(name, Settings.Load(Path.Combine(root, name, "settings.json"), []), packOnly: true);
    case ["plot", var table, var picture]:
        RateAccuracyPlot.Save(table, picture);
        return 0;
    case ["levels", var name]:
        return Levels(Path.Combine(root, name, "symbols.ncm"));
    case ["test", _, ..]:
        return Test(args[1..]);
    case ["post-training", var network, var epochs]:
        PostTrainingTable.Print(root, network, int.Parse(epochs, CultureInfo.InvariantCulture));
        return 0;
    default:
        Console.Error.WriteLine("""
            Usage: NeuralCompression.Experiments train CONFIGURATION.json RUN-NAME [--Setting value]...
                       trains, or goes on from the last checkpoint, and writes artifacts/experiments/RUN-NAME/model.ncm
                   NeuralCompression.Experiments pack RUN-NAME
                       writes the file of a trained run again
                   NeuralCompression.Experiments levels RUN-NAME
                       prints what the file of a trained run weighs at each level
                   NeuralCompression.Experiments plot TABLE.csv PICTURE.png
                       draws test error over size (benchmarks/results/rate-accuracy.csv)
                   NeuralCompression.Experiments test RUN-NAME...
                       loads the files into new networks and measures them on the test set: once for each configuration
                   NeuralCompression.Experiments post-training lenet-300-100|lenet-5-caffe EPOCHS
                       trains a dense network in the ordinary way and prints what quantising it without training costs
            """);
        return 2;
}

int Train(string name, Settings settings, bool packOnly = false)
{
    string folder = Path.Combine(root, name);
    Directory.CreateDirectory(folder);
    File.WriteAllText(Path.Combine(folder, "settings.json"), settings.ToString());
    using var writer = new StreamWriter(Path.Combine(folder, "log.txt"), append: true) { AutoFlush = true };
    void Log(string line)
    {
        Console.WriteLine(line);
        writer.WriteLine(line);
    }

    using var run = new CompressingRun(settings, folder, Path.Combine(root, "teachers"), Log);
    if (!packOnly)
        run.Train();
    string result = run.Pack();
    Log(result);
    File.AppendAllText(Path.Combine(root, "results.txt"), $"{name}: {result}\n");
    return 0;
}

int Levels(string symbols)
{
    foreach (var level in new[] { CompressionLevel.NoCompression, CompressionLevel.Fastest, CompressionLevel.Optimal, CompressionLevel.SmallestSize })
    {
        using var reader = CompressedModelReader.Open(symbols);
        using var file = new MemoryStream();
        using var writer = CompressedModelWriter.Create(file, level, leaveOpen: true);
        foreach (var tensor in reader.Tensors)
        {
            var values = new short[tensor.Length];
            reader.DecodeSymbols(tensor, values);
            writer.Add(tensor.Name, QuantizedTensor.FromSymbols(values, tensor.Shape, tensor.Grid!));
        }

        Console.WriteLine($"{level}: {writer.Complete().TotalBytes} bytes");
    }

    return 0;
}

int Test(string[] names)
{
    var (bytes, errors) = (new List<double>(), new List<double>());
    foreach (string name in names)
    {
        string folder = Path.Combine(root, name);
        var settings = Settings.Load(Path.Combine(folder, "settings.json"), []);
        string file = Path.Combine(folder, "model.ncm");
        using var network = NetworkShape.Full(settings.Network).CreateModule();
        network.LoadCompressed(file);
        bytes.Add(new FileInfo(file).Length);
        errors.Add(Evaluation.Of(network, TrainingImages.Load(settings.TrainOnAll).Test).ErrorPercent);
        Print($"{name} seed {settings.Seed}", bytes[^1], errors[^1]);
    }

    Print("mean", bytes.Average(), errors.Average());
    return 0;

    void Print(string name, double size, double error)
    {
        string line = string.Create(CultureInfo.InvariantCulture, $"{name}: {size:f0} bytes, test error {error:f2} %");
        Console.WriteLine(line);
        File.AppendAllText(Path.Combine(root, "tests.txt"), line + "\n");
    }
}
