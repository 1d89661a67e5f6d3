using System.Globalization;
using System.IO.Compression;
using NeuralCompression;
using NeuralCompression.Codec;
using TorchSharp;
using TrainAndCompress;
using static TorchSharp.torch;

// What updates weigh: a network is trained and compressed as in the sample, saved, then trained for one more epoch at a time, saved after each, and sent as an update of the version
// before. Each version is made of the update and checked. Prints the rows of benchmarks/results/updates.md.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args.Length != 3 || !int.TryParse(args[1], out int epochs))
{
    Console.Error.WriteLine($"usage: NeuralCompression.UpdateSizes {string.Join('|', Networks.Names)} EPOCHS FOLDER");
    return 2;
}

// The rate the recipe ends with, then more: later versions differ more from the one before.
double[] learningRates = [5e-5, 5e-5, 2e-4, 1e-3];
string folder = Directory.CreateDirectory(args[2]).FullName;
var options = new DemoOptions { Network = args[0], Epochs = epochs };
set_num_threads(1);
random.manual_seed(options.Seed);
Recipe recipe = Recipe.For(options);
using var data = IdxDataSet.Load(options.Data);
using var teacher = Teacher.Create(options.Network, data);
Teacher.Train(teacher, recipe.TeacherEpochs, options, data, _ => { }, CancellationToken.None);
using var network = Networks.Create(options.Network, data, recipe.InputDropout);
network.load_state_dict(teacher.state_dict());
using var session = new CompressionSession(network, recipe.Compression);
using var distillation = new Distillation(teacher, data.Train.Images);
Training.Run(session, network, distillation, recipe.Schedule, options, data, _ => { }, CancellationToken.None);

string before = Save(0);
Console.WriteLine($"base: {new FileInfo(before).Length} bytes, {Evaluation.ErrorPercent(network, data.Test):F2} % test error, {100 * session.Sparsity:F2} % zeros");
Console.WriteLine("| epoch | learning rate | weights that moved | test error % | file | update | of the file | unchanged, differences, full |");
Console.WriteLine("|---|---|---|---|---|---|---|---|");
using var optimizer = optim.Adam(session.Parameters());
using var generator = new Generator(99);
for (int version = 1; version <= learningRates.Length; version++)
{
    optimizer.SetLearningRate(learningRates[version - 1]);
    network.train();
    foreach (Tensor indices in data.Train.ShuffledBatches(256, generator))
    {
        using var scope = NewDisposeScope();
        Tensor images = data.Train.Images.index_select(0, indices);
        optimizer.zero_grad();
        using (session.BeginStep())
            (distillation.Loss(network.call(images), indices) + session.Loss()).backward();
        session.Step(optimizer);
    }

    string next = Save(version);
    string update = Path.Combine(folder, $"update-{version}.ncmu");
    CompressedModelUpdateReport report = CompressedModelUpdate.Create(before, next, update);
    string result = Path.Combine(folder, $"result-{version}.ncm");
    CompressedModelUpdate.Apply(before, update, result);
    if (!File.ReadAllBytes(next).AsSpan().SequenceEqual(File.ReadAllBytes(result)))
        throw new InvalidDataException("The update does not lead to the next version.");
    long full = new FileInfo(next).Length;
    (long moved, long all) = Moved(before, next);
    Console.WriteLine(
        $"| {version} | {learningRates[version - 1]} | {moved:N0} of {all:N0} | {Evaluation.ErrorPercent(network, data.Test):F2} | {full:N0} | {report.TotalBytes:N0} | {100.0 * report.TotalBytes / full:F1} % | {report.UnchangedTensors}, {report.DifferenceTensors}, {report.FullTensors} |");
    before = next;
}

return 0;

string Save(int version)
{
    string path = Path.Combine(folder, $"version-{version}.ncm");
    session.Quantize();
    session.Save(path, CompressionLevel.SmallestSize);
    return path;
}

// Symbols that differ, of those that are not zero in either.
static (long Moved, long All) Moved(string before, string next)
{
    using CompressedModelReader from = CompressedModelReader.Open(before);
    using CompressedModelReader to = CompressedModelReader.Open(next);
    long moved = 0;
    long all = 0;
    foreach (CompressedTensorInfo tensor in to.Tensors.Where(tensor => tensor.IsQuantized))
    {
        var left = new short[tensor.Length];
        var right = new short[tensor.Length];
        from.DecodeSymbols(from[tensor.Name], left);
        to.DecodeSymbols(tensor, right);
        for (int i = 0; i < left.Length; i++)
        {
            moved += left[i] != right[i] ? 1 : 0;
            all += left[i] != 0 || right[i] != 0 ? 1 : 0;
        }
    }

    return (moved, all);
}
