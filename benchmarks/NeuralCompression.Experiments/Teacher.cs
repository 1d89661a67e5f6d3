using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Experiments;

/// <summary>Dense networks, trained in the ordinary way with dropout and kept in files, so that runs of one seed share them.</summary>
internal static class Teacher
{
    private const int BatchSize = 256;

    // Up during the first fifth, then down.
    private const double PeakLearningRate = 5e-3;
    private const double WarmUp = 0.2;

    /// <summary>The teachers of a run, trained where their files do not exist yet. Seeds of different runs share no teacher.</summary>
    public static List<Module<Tensor, Tensor>> LoadOrTrain(string folder, NetworkShape shape, int count, int epochs, TrainingImages data, Settings settings, Action<string> log)
    {
        var teachers = new List<Module<Tensor, Tensor>>();
        string distorted = settings is { Shift: 0, Rotation: 0, Stretch: 0 } ? "" : $"-d{settings.Shift}-{settings.Rotation}-{settings.Stretch}";
        for (int i = 0; i < count; i++)
        {
            int seed = (1000 * settings.Seed) + i;
            string file = Path.Combine(folder,
                $"{string.Join('-', shape.Sizes)}-{(settings.TrainOnAll ? "all" : "split")}-e{epochs}-i{settings.TeacherInputDropout}-h{settings.TeacherHiddenDropout}{distorted}-s{seed}.teacher");
            random.manual_seed(seed);
            var teacher = shape.CreateModule(settings.TeacherInputDropout, settings.TeacherHiddenDropout);
            if (File.Exists(file))
            {
                teacher.load(file);
            }
            else
            {
                Train(teacher, data, epochs, seed, settings);
                Directory.CreateDirectory(folder);
                teacher.save(file);
            }

            teacher.eval();
            log($"dense {string.Join('-', shape.Sizes)} seed {seed}: validation error {Evaluation.Of(teacher, data.Validation).ErrorPercent:f2} %");
            teachers.Add(teacher);
        }

        return teachers;
    }

    private static void Train(Module<Tensor, Tensor> network, TrainingImages data, int epochs, int seed, Settings settings)
    {
        using var optimizer = new SpanAdam(network.parameters(), PeakLearningRate);
        using var generator = new Generator((ulong)seed);
        var steps = new StepCounter(data.Count, BatchSize);
        network.train();
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            foreach (Tensor indices in data.Shuffled(BatchSize, generator))
            {
                using var scope = NewDisposeScope();
                optimizer.ParamGroups.First().LearningRate = LearningRateAt(steps.Epochs / epochs);
                optimizer.zero_grad();
                var loss = functional.cross_entropy(network.call(Distortion.Apply(data.Images.index_select(0, indices), settings, generator)), data.Labels.index_select(0, indices));
                loss.backward();
                optimizer.step();
                steps.Done();
            }
        }
    }

    private static double LearningRateAt(double fraction) => PeakLearningRate *
        (fraction < WarmUp ? 0.1 + (0.9 * fraction / WarmUp) : (1 - fraction) / (1 - WarmUp));
}
