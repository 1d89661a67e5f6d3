using System.Globalization;

namespace TrainAndCompress;

/// <summary>The command line.</summary>
internal sealed record DemoOptions
{
    public const string Usage = """
        Usage: TrainAndCompress [options]

        Trains a network on MNIST, compresses it while it trains, saves it, and reads it back in a second process.

          --epochs N        epochs of the compressing training (default 60; 30 for lenet-5-caffe)
          --seed N          seed of weights, noise and batch order (default 1)
          --network NAME    lenet-300-100 (default) or lenet-5-caffe
          --data FOLDER     folder with the four IDX files, gzip or plain (default: the MNIST files that come with the sample)
          --output PATH     the compressed file, or a folder for it (default artifacts/demo/); the picture is put beside it
          --without PIECE   train without one of: loss, noise, mapping, initializer (may be given several times)
          --help            show this text
        """;

    private static readonly string[] Pieces = ["loss", "noise", "mapping", "initializer"];

    private readonly int? _epochs;

    public int Epochs { get => _epochs ?? (Network == Networks.LeNet5Caffe ? 30 : 60); init => _epochs = value; }

    public int Seed { get; init; } = 1;

    public string Network { get; init; } = Networks.LeNet300100;

    public string Data { get; init; } = DefaultData;

    public string Output { get; init; } = Path.Combine("artifacts", "demo") + Path.DirectorySeparatorChar;

    public HashSet<string> Without { get; init; } = [];

    public bool Uses(string piece) => !Without.Contains(piece);

    /// <summary>The files copied beside the program when it is built, so that it runs from any folder.</summary>
    public static string DefaultData { get; } = Path.Combine(AppContext.BaseDirectory, "data", "mnist");

    /// <summary>The compressed file itself: a folder in <see cref="Output"/> is completed by a name.</summary>
    public string ModelFile =>
        Path.EndsInDirectorySeparator(Output) || Directory.Exists(Output) ? Path.Combine(Output, Network + ".ncm") : Output;

    public string PlotFile => Path.ChangeExtension(ModelFile, ".png");

    /// <summary>False, with the reason in words, where the arguments make no sense.</summary>
    public static bool TryParse(ReadOnlySpan<string> arguments, out DemoOptions options, out string problem)
    {
        options = new DemoOptions();
        problem = "";
        for (int i = 0; i < arguments.Length; i += 2)
        {
            string name = arguments[i];
            if (name is not ("--epochs" or "--seed" or "--network" or "--data" or "--output" or "--without"))
                problem = $"unknown option '{name}'";
            else if (i + 1 == arguments.Length || arguments[i + 1].Length == 0)
                problem = $"{name} needs a value";
            else if (options.TryWith(name, arguments[i + 1]) is { } extended)
                options = extended;
            else
                problem = $"'{arguments[i + 1]}' is no valid value of {name}";

            if (problem.Length > 0)
                return false;
        }
        if (Path.GetExtension(options.ModelFile).Equals(".png", StringComparison.OrdinalIgnoreCase))
            problem = "--output names the compressed file; the picture beside it ends in .png";
        else if (!Directory.Exists(options.Data))
            problem = $"the data folder '{options.Data}' does not exist";
        return problem.Length == 0;
    }

    private DemoOptions? TryWith(string name, string value)
    {
        bool isNumber = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number);
        return name switch
        {
            "--epochs" when isNumber && number is >= 1 and <= 100_000 => this with { Epochs = number },
            "--seed" when isNumber => this with { Seed = number },
            "--network" when Networks.Names.Contains(value) => this with { Network = value },
            "--data" => this with { Data = value },
            "--output" => this with { Output = value },
            "--without" when Pieces.Contains(value) => this with { Without = [.. Without, value] },
            _ => null,
        };
    }
}
