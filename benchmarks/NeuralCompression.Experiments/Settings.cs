using System.Text.Json;
using System.Text.Json.Nodes;
using NeuralCompression;

namespace Experiments;

/// <summary>Every number of a run: a row's configuration file, changed by what the command line says. Schedules count in epochs.</summary>
internal sealed record Settings
{
    private static readonly JsonSerializerOptions Format = new()
    {
        WriteIndented = true,
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter() },
    };

    public string Network { get; init; } = "lenet-300-100";

    /// <summary>Decides everything that is random: teacher, batches, dropout, noise.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>False: 55,000 images train and 5,000 validate. True: all 60,000 train, for a configuration that is fixed.</summary>
    public bool TrainOnAll { get; init; }

    /// <summary>Dense networks whose mean answers are the targets.</summary>
    public int Teachers { get; init; } = 3;

    /// <summary>What the teachers are; a dense network of the run's own kind gives the seed weights in any case.</summary>
    public string TeacherNetwork { get; init; } = "lenet-300-100";

    /// <summary>Units of the teachers' hidden layers; empty: as many as the network has.</summary>
    public int[] TeacherUnits { get; init; } = [];

    /// <summary>Of the network that gives the seed weights.</summary>
    public int PretrainEpochs { get; init; } = 12;

    public int TeacherEpochs { get; init; } = 12;

    public double TeacherHiddenDropout { get; init; } = 0.2;

    public double TeacherInputDropout { get; init; } = 0.1;

    public double Temperature { get; init; } = 2;

    /// <summary>Inputs whose mean over the training images is below this leave the network before it is compressed; they stay zeros in the file.</summary>
    public double InputActivity { get; init; }

    /// <summary>Units of each hidden layer that stay in the network, the strongest; empty keeps all. The others are zeros in the file.</summary>
    public int[] Units { get; init; } = [];

    /// <summary>The dense network that gives the seed weights has those units only, instead of all, of which the strongest would be kept: much cheaper to train for a network of convolutions.</summary>
    public bool PretrainReduced { get; init; }

    /// <summary>Positive levels; the grid has as many negative ones.</summary>
    public int Levels { get; init; } = 3;

    /// <summary>Biases are compressed like weights, on a grid of as many levels; otherwise they keep <see cref="BiasBits"/>.</summary>
    public bool CompressBiases { get; init; }

    public int BiasBits { get; init; } = 8;

    public MappingKind Mapping { get; init; } = MappingKind.Clamp;

    /// <summary>Whether a trained dense network gives the seed weights. False: the start of <c>torch.nn</c>, for showing what the initialiser is worth.</summary>
    public bool PretrainedStart { get; init; } = true;

    public double SeedQuantile { get; init; } = 0.998;

    public double SeedReach { get; init; } = 0.7;

    /// <summary>Whether the gains are trained before the zeros are frozen. False keeps those the initialiser found: limits that are tight for the task push the survivors into saturation.</summary>
    public bool TrainGains { get; init; } = true;

    public LossMode LossMode { get; init; } = LossMode.Proximal;

    public LossWeighting LossWeighting { get; init; } = LossWeighting.Rate;

    public LossGrowth LossGrowth { get; init; } = LossGrowth.ShrinkOnly;

    public double Lambda { get; init; } = 3.2e-4;

    /// <summary>Power of the price of a place in the strength of the loss there; 0 makes all places alike.</summary>
    public double PriceExponent { get; init; }

    /// <summary>Half the width of the noise as a share of half a step.</summary>
    public double Noise { get; init; } = 1;

    public NoiseTarget NoiseTarget { get; init; } = NoiseTarget.NonZeroWeights;

    public double InputDropout { get; init; } = 0.1;

    /// <summary>Noisy versions of every training image, used in turn.</summary>
    public int InputVersions { get; init; } = 6;

    /// <summary>Largest shift of an image, in pixels, across and down. With this and the next two the dense networks train on distorted images too, anew at every step.</summary>
    public double Shift { get; init; }

    /// <summary>Largest rotation of an image, in degrees.</summary>
    public double Rotation { get; init; }

    /// <summary>Largest stretch of an image, across and down: by a factor of up to e to this power.</summary>
    public double Stretch { get; init; }

    /// <summary>Largest share of another image of the batch in an input.</summary>
    public double Mix { get; init; }

    /// <summary>Whether the target is a teacher's answer to the noisy input itself, or all teachers' answers to the clean image.</summary>
    public bool TeacherSeesInput { get; init; }

    /// <summary>Whether inputs stay noisy when the zeros are frozen.</summary>
    public bool FineTuneWithInputNoise { get; init; }

    public int BatchSize { get; init; } = 128;

    public double LearningRate { get; init; } = 8e-3;

    public double LastLearningRate { get; init; } = 1e-4;

    /// <summary>Until the forward pass is quantised; 0: from the start; negative: never.</summary>
    public double QuantizeAfter { get; init; } = 3;

    /// <summary>While the strength grows from a tenth to the whole, and the noise from nothing.</summary>
    public double RampEpochs { get; init; } = 55;

    /// <summary>At full strength, while the noise falls.</summary>
    public double HoldEpochs { get; init; } = 55;

    /// <summary>Strength of the equaliser, while zeros are frozen and the forward pass is not quantised yet; 0 for none.</summary>
    public double Equalizer { get; init; }

    /// <summary>Between <see cref="HoldEpochs"/> and <see cref="FineTuneEpochs"/>, with the equaliser.</summary>
    public double EqualizeEpochs { get; init; }

    /// <summary>With the zeros frozen.</summary>
    public double FineTuneEpochs { get; init; } = 25;

    public double FineTuneLearningRate { get; init; } = 1e-3;

    public double FreezeEpoch => RampEpochs + HoldEpochs;

    public int Epochs => (int)Math.Ceiling(FreezeEpoch + EqualizeEpochs + FineTuneEpochs);

    public override string ToString() => JsonSerializer.Serialize(this, Format);

    /// <summary>Reads a configuration file and applies options of the form <c>--Name value</c>, named like the properties.</summary>
    public static Settings Load(string path, ReadOnlySpan<string> options)
    {
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        for (int i = 0; i < options.Length; i += 2)
        {
            if (!options[i].StartsWith("--", StringComparison.Ordinal) || i + 1 == options.Length)
                throw new ArgumentException($"'{options[i]}' is no option with a value.");
            json[options[i][2..]] = Value(options[i + 1]);
        }

        return json.Deserialize<Settings>(Format)!;
    }

    private static JsonNode? Value(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }

    public CompressionOptions ToCompressionOptions() => new()
    {
        Quantization = { NoiseLevel = 0.5 / Levels, LowerLimit = -1, UpperLimit = 1, OtherBits = BiasBits },
        Mapping = Mapping,
        TrainGains = TrainGains,
        Include = CompressBiases ? (_, _) => true : null,
        Loss = { Lambda = Lambda, Mode = LossMode, Weighting = LossWeighting, Growth = LossGrowth, Equalizer = Equalizer },
        Noise = { Seed = (ulong)Seed, Target = NoiseTarget },
        Initialization = { Start = StartingPoint.SeedWeights, SeedQuantile = SeedQuantile, SeedReach = SeedReach },
    };
}
