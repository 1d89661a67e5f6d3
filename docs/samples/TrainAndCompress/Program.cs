// Trains a network, compresses it while it trains, saves it, and lets a second process read it back.
using System.IO.Compression;
using NeuralCompression;
using TrainAndCompress;
using static TorchSharp.torch;

if (args.Contains("--help"))
{
    Console.WriteLine(DemoOptions.Usage);
    return 0;
}

// What this program starts as its second process: evaluate FILE LOGITS [options]
bool isSecondProcess = args is ["evaluate", _, _, ..];
if (!DemoOptions.TryParse(isSecondProcess ? args.AsSpan(3) : args, out var options, out string problem))
    return Refuse(problem);

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};
try
{
    return isSecondProcess ? Evaluation.RunAsSecondProcess(args[1], args[2], options) : TrainCompressAndCheck();
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("TrainAndCompress: stopped; nothing was written.");
    return 130;
}
catch (IdxException error)
{
    Console.Error.WriteLine($"TrainAndCompress: {error.Message} Option --data names the folder.");
    return 2;
}
catch (Exception error) when (error is IOException or InvalidDataException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"TrainAndCompress: {error.Message}");
    return 1;
}

static int Refuse(string problem)
{
    Console.Error.WriteLine($"TrainAndCompress: {problem}\n\n{DemoOptions.Usage}");
    return 2;
}

int TrainCompressAndCheck()
{
    // Asked for now: a folder that cannot be written to should not be found out after the training.
    try
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(options.ModelFile))!;
        Directory.CreateDirectory(folder);
        using (File.Create(Path.Combine(folder, Path.GetRandomFileName()), bufferSize: 1, FileOptions.DeleteOnClose))
        {
        }
    }
    catch (Exception error) when (error is IOException or UnauthorizedAccessException)
    {
        return Refuse($"--output: {error.Message}");
    }
    Recipe.UseThreads(options);
    random.manual_seed(options.Seed);
    var recipe = Recipe.For(options);
    using var data = IdxDataSet.Load(options.Data);

    // 1. An ordinary network, trained in the ordinary way.
    using var teacher = Teacher.Create(options.Network, data);
    TrainingDisplay.Show("train", recipe.TeacherEpochs, report =>
        Teacher.Train(teacher, recipe.TeacherEpochs, options, data, report, stop.Token));

    // 2. The same network again, starting from those weights, trained to become small.
    using var network = Networks.Create(options.Network, data, recipe.InputDropout);
    if (options.Uses("initializer"))
        network.load_state_dict(teacher.state_dict());
    using var session = new CompressionSession(network, recipe.Compression);
    using var distillation = new Distillation(teacher, data.Train.Images);
    var epochs = TrainingDisplay.Show("compress", options.Epochs, report =>
        Training.Run(session, network, distillation, recipe.Schedule, options, data, report, stop.Token));

    stop.Token.ThrowIfCancellationRequested();

    // 3. The file. From Quantize on, the network holds exactly the weights that a reader will decode.
    session.Quantize();
    var saved = session.Save(options.ModelFile, CompressionLevel.SmallestSize);

    // 4. What counts: another process, which has nothing but the file, gives the same answers.
    using var here = Evaluation.TestLogits(network, data);
    using var there = Evaluation.TestLogitsOfSecondProcess(options, data);

    Plot.Save(options.PlotFile, teacher, network, epochs, Evaluation.ErrorPercent(teacher, data.Validation), recipe.Schedule, saved.TotalBytes);
    return Summary.Print(options, teacher, network, saved.TotalBytes, here, there, data);
}
