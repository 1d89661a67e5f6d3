using System.Globalization;

namespace Federated;

/// <summary>The command line.</summary>
internal sealed record DemoOptions
{
    public const string Usage = """
        Usage: Federated rounds|checkpoint [options]

        rounds        workers train LeNet-300-100 on their own images and send compressed differences, which a coordinator averages
        checkpoint    a checkpoint of several safetensors files is compressed file by file

        Both run on silos that are processes of this machine, twice; the second time silos are killed on the way, and the outcome must be the same.

          --silos N          working silos (default 3, at least 3)
          --output FOLDER    a new or empty folder for files, logs and states (default: a temporary one, deleted at the end)
          --help             show this text

        rounds:
          --workers N        workers (default 4, at least 2)
          --rounds N         rounds (default 10, at least 3)
          --images N         images of each worker (default: all there are, divided)
          --seed N           seed of the first weights and of the order of images (default 1)
          --data FOLDER      folder with the four IDX files, gzip or plain (default: the MNIST files that come with the sample)
          --exact            send differences without loss, for comparison

        checkpoint:
          --layers N         files of the checkpoint that is made up (default 12, at least 3)
          --checkpoint FILE  the index of another one (model.safetensors.index.json)
        """;

    public string Part { get; private init; } = "";

    public int Silos { get; private init; } = 3;

    public string Output { get; init; } = "";

    public int Workers { get; private init; } = 4;

    public int Rounds { get; private init; } = 10;

    public int? Images { get; private init; }

    public int Seed { get; private init; } = 1;

    public string Data { get; private init; } = Path.Combine(AppContext.BaseDirectory, "data", "mnist");

    public bool IsExact { get; private init; }

    public int Layers { get; private init; } = 12;

    public string? Checkpoint { get; private init; }

    /// <summary>Null, with the reason in words, where the arguments make no sense.</summary>
    public static DemoOptions? TryParse(ReadOnlySpan<string> arguments, out string problem)
    {
        problem = "";
        if (arguments.IsEmpty || arguments[0] is not ("rounds" or "checkpoint"))
        {
            problem = "say what to run: rounds or checkpoint";
            return null;
        }

        var options = new DemoOptions { Part = arguments[0] };
        for (int i = 1; i < arguments.Length; i++)
        {
            if (arguments[i] == "--exact")
            {
                options = options with { IsExact = true };
                continue;
            }

            string value = i + 1 < arguments.Length ? arguments[i + 1] : "";
            if (options.TryWith(arguments[i], value) is not { } extended)
            {
                problem = $"'{arguments[i]} {value}' makes no sense";
                return null;
            }

            options = extended;
            i++;
        }

        return options;
    }

    private DemoOptions? TryWith(string name, string value)
    {
        bool isNumber = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number);
        return name switch
        {
            "--silos" when isNumber && number is >= 3 and <= 64 => this with { Silos = number },
            "--output" when value.Length > 0 => this with { Output = Path.GetFullPath(value) },
            "--workers" when isNumber && number is >= 2 and <= 1000 => this with { Workers = number },
            "--rounds" when isNumber && number is >= 3 and <= 10_000 => this with { Rounds = number },
            "--images" when isNumber && number > 0 => this with { Images = number },
            "--seed" when isNumber && number < 2000 => this with { Seed = number },
            "--data" when Directory.Exists(value) => this with { Data = Path.GetFullPath(value) },
            "--layers" when isNumber && number is >= 3 and <= 1000 => this with { Layers = number },
            "--checkpoint" when File.Exists(value) => this with { Checkpoint = Path.GetFullPath(value) },
            _ => null,
        };
    }
}
