using NeuralCompression;
using static TorchSharp.torch;

namespace TrainAndCompress;

/// <summary>Every setting of a run; docs/training.md says where they come from and what each is worth.</summary>
internal sealed record Recipe(int TeacherEpochs, double InputDropout, Schedule Schedule, CompressionOptions Compression)
{
    public static Recipe For(DemoOptions options)
    {
        bool isSmall = options.Network == Networks.LeNet300100;
        double lambda = options.Uses("loss") ? isSmall ? 2e-4 : 5e-4 : 0;
        double noise = options.Uses("noise") ? 1 : 0;

        // Without the initializer the network starts where torch put it, with the largest weight of each layer at the limit.
        var initialization = options.Uses("initializer")
            ? new InitializationOptions { Start = StartingPoint.SeedWeights, SeedQuantile = 0.998 }
            : new InitializationOptions { Start = StartingPoint.SeedWeights, SeedReach = 0.999 };

        return new Recipe(
            // A short trial run has a short teacher too.
            TeacherEpochs: Math.Min(isSmall ? 12 : 5, options.Epochs),
            InputDropout: isSmall ? 0.1 : 0,
            new Schedule { Lambda = lambda, Noise = noise, LearningRate = isSmall ? 8e-3 : 5e-3 },
            new CompressionOptions
            {
                // One step is 2 x NoiseLevel = 1/3: seven levels, from -3 to 3.
                // Biases, a tenth of the file, keep eight bits.
                Quantization = { NoiseLevel = 1.0 / 6, LowerLimit = -1, UpperLimit = 1, OtherBits = 8 },
                Mapping = options.Uses("mapping") ? MappingKind.Clamp : MappingKind.Identity,
                Loss = { Lambda = lambda, Mode = LossMode.Proximal, Weighting = LossWeighting.Rate, Growth = LossGrowth.ShrinkOnly },
                Noise = { Seed = (ulong)options.Seed, Target = NoiseTarget.NonZeroWeights },
                Initialization = initialization,
            });
    }

    /// <summary>One thread trains the small network faster than two, which wait for each other longer than they work.</summary>
    public static void UseThreads(DemoOptions options)
    {
        if (options.Network == Networks.LeNet300100)
            set_num_threads(1);
    }
}
