using System.Globalization;
using NeuralCompression.Codec.Tests.Robustness;

namespace NeuralCompression.Fuzz;

/// <summary>Attacks the reader.</summary>
public static class FuzzProgram
{
    private const string Usage = """
        list                           the files of the corpus and their codings
        mutate COUNT [SEED]            seeded mutations of the corpus; prints what was reached and how it was refused
        guided COUNT [SEED] [FOLDER]   as many executions, guided by coverage; inputs are read from the folder and kept there
        """;

    /// <summary>How many mutants are tried between two lines of output.</summary>
    private const long Piece = 100_000;

    /// <summary>Runs inputs that coverage guides; every run with one seed does the same.</summary>
    /// <param name="executions">How many inputs to try.</param>
    /// <param name="seed">Where the random numbers start.</param>
    /// <param name="folder">Where more inputs lie and where found ones are kept; null for neither.</param>
    /// <returns>What was reached, in words.</returns>
    /// <exception cref="InvalidOperationException">An input broke the contract; the message holds it.</exception>
    public static string RunGuided(long executions, ulong seed, string? folder = null)
    {
        var context = new InstrumentedContext();
        return string.Create(CultureInfo.InvariantCulture, $"{context.Blocks} blocks instrumented. {context.Call(typeof(GuidedRun), nameof(GuidedRun.Start), executions, seed, folder)}");
    }

    private static int Main(string[] args)
    {
        if (args.Length > 0 && args[0] == "list")
        {
            foreach ((string name, byte[] file) in Corpus.Files)
            {
                using var reader = Codec.CompressedModelReader.Open(new MemoryStream(file));
                Console.WriteLine($"{name}: {file.Length} bytes, {string.Join(' ', reader.Tensors.Where(tensor => tensor.AliasOf is null).Select(tensor => tensor.Coding).Distinct())}");
            }

            return 0;
        }

        if (args.Length < 2 || !long.TryParse(args[1], CultureInfo.InvariantCulture, out long count))
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }

        ulong seed = args.Length > 2 ? ulong.Parse(args[2], CultureInfo.InvariantCulture) : 1;
        if (args[0] == "guided")
        {
            string? folder = args.Length > 3 ? Directory.CreateDirectory(args[3]).FullName : null;
            Console.WriteLine(RunGuided(count, seed, folder));
            return 0;
        }

        var run = new MutationRun();
        for (long done = 0; done < count; done += Piece)
        {
            run.Run(seed + (ulong)done, Math.Min(Piece, count - done));
            Console.Error.WriteLine($"{run.Tried} mutants");
        }

        Console.Write(run.Report());
        return 0;
    }
}
