using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Experiments;

/// <summary>
/// What the small network learns from: several versions of all training images, each image distorted, mixed with another and with pixels blanked, and the mean answer of the teachers to each. The labels are not used
/// (Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015; Beyer et al.: Knowledge distillation: A good teacher is patient and consistent, 2022).
/// </summary>
/// <remarks>Made once: a teacher may then be a larger network than could be asked at every step.</remarks>
internal sealed class TrainingInputs
{
    private const int BatchSize = 1000;

    private readonly List<(Tensor Images, Tensor Answers)> _versions = [];
    private readonly double _temperature;

    public TrainingInputs(TrainingImages data, UnitSelection selection, IReadOnlyList<Module<Tensor, Tensor>> teachers, Settings settings)
    {
        _temperature = settings.Temperature;
        using var generator = new Generator((ulong)settings.Seed + 77);
        using var noGradient = no_grad();

        // Version 0 is the images themselves.
        for (int version = 0; version <= settings.InputVersions; version++)
        {
            var images = new List<Tensor>();
            var answers = new List<Tensor>();
            foreach (Tensor indices in data.Shuffled(BatchSize, generator))
            {
                using var scope = NewDisposeScope();
                var clean = data.Images.index_select(0, indices);
                var noisy = version == 0 ? clean : Noisy(clean, settings, generator);
                images.Add(selection.Select(noisy).MoveToOuterDisposeScope());
                answers.Add(Answers(teachers, settings.TeacherSeesInput ? noisy : clean).MoveToOuterDisposeScope());
            }

            _versions.Add((cat(images), cat(answers)));
            images.ForEach(i => i.Dispose());
            answers.ForEach(a => a.Dispose());
        }
    }

    /// <summary>The inputs of an epoch: the versions in turn, or the images themselves.</summary>
    public (Tensor Images, Tensor Answers) Of(int epoch, bool clean) => _versions[clean || _versions.Count == 1 ? 0 : 1 + (epoch % (_versions.Count - 1))];

    /// <summary>Mean over the batch of T² · cross entropy, whose gradient is T · (softmax(z / T) - the teachers' answer).</summary>
    public Tensor Loss(Tensor logits, Tensor answers) =>
        functional.cross_entropy(logits.div(_temperature), answers).mul(_temperature * _temperature);

    private static Tensor Noisy(Tensor images, Settings settings, Generator generator)
    {
        images = Distortion.Apply(images, settings, generator);
        if (settings.Mix > 0)
        {
            // The share of the other image, from 0 to the largest.
            var share = rand([images.shape[0], 1], generator: generator).mul(settings.Mix);
            images = images.lerp(images.roll(1, 0), share);
        }

        return settings.InputDropout == 0 ? images
            : images.mul(rand(images.shape, generator: generator).ge(settings.InputDropout).to_type(float32).mul(1 / (1 - settings.InputDropout)));
    }

    private Tensor Answers(IReadOnlyList<Module<Tensor, Tensor>> teachers, Tensor images) =>
        teachers.Select(t => t.call(images).div(_temperature).softmax(1)).Aggregate((sum, answers) => sum.add(answers)).div(teachers.Count);
}
