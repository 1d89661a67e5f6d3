using System.Globalization;
using NeuralCompression.Codec.Tests.Robustness;

namespace NeuralCompression.Fuzz;

/// <summary>Attacks the readers.</summary>
public static class FuzzProgram
{
    /// <summary>How many mutants are tried between two lines of output.</summary>
    private const long Piece = 100_000;

    private static string Usage { get; } = $"""
        list                                    the compressed models to start from and their codings
        mutate TARGET COUNT [SEED]              seeded mutations of valid files; prints what was reached and how it was refused
        guided TARGET COUNT [SEED] [FOLDER]     as many executions, guided by coverage; inputs are read from the folder and kept there
        targets: {string.Join(", ", MutationTarget.Names)}
        """;

    /// <summary>Runs inputs that coverage guides; every run with one seed does the same.</summary>
    /// <param name="target">What is attacked.</param>
    /// <param name="executions">How many inputs to try.</param>
    /// <param name="seed">Where the random numbers start.</param>
    /// <param name="folder">Where more inputs lie and where found ones are kept; null for neither.</param>
    /// <returns>What was reached, in words.</returns>
    /// <exception cref="InvalidOperationException">An input broke the contract; the message holds it.</exception>
    public static string RunGuided(string target, long executions, ulong seed, string? folder = null)
    {
        var context = new InstrumentedContext();
        return string.Create(CultureInfo.InvariantCulture, $"{context.Blocks} blocks instrumented. {context.Call(typeof(GuidedRun), nameof(GuidedRun.Start), target, executions, seed, folder)}");
    }

    private static int Main(string[] args)
    {
        if (args is ["list"])
        {
            foreach ((string name, byte[] file) in Corpus.Files)
            {
                using var reader = Codec.CompressedModelReader.Open(new MemoryStream(file));
                Console.WriteLine($"{name}: {file.Length} bytes, {string.Join(' ', reader.Tensors.Where(tensor => tensor.AliasOf is null).Select(tensor => tensor.Coding).Distinct())}");
            }

            return 0;
        }

        if (args.Length < 3 || args[0] is not ("mutate" or "guided") || !MutationTarget.Names.Contains(args[1]) || !long.TryParse(args[2], CultureInfo.InvariantCulture, out long count))
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }

        ulong seed = args.Length > 3 ? ulong.Parse(args[3], CultureInfo.InvariantCulture) : 1;
        if (args[0] == "guided")
        {
            string? folder = args.Length > 4 ? Directory.CreateDirectory(args[4]).FullName : null;
            Console.WriteLine(RunGuided(args[1], count, seed, folder));
            return 0;
        }

        using MutationTarget target = MutationTarget.Create(args[1]);
        var run = new MutationRun(target);
        for (long done = 0; done < count; done += Piece)
        {
            run.Run(seed + (ulong)done, Math.Min(Piece, count - done));
            Console.Error.WriteLine($"{run.Tried} mutants");
        }

        Console.Write(run.Report());
        return 0;
    }
}
