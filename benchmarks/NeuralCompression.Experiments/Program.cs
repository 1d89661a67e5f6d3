// Experiments on the published tables: trains a configuration, writes its file, measures it.
using Experiments;

if (args is not (["train", _, _, ..] or ["pack", _, _, ..]))
{
    Console.Error.WriteLine("""
        Usage: NeuralCompression.Experiments train CONFIGURATION.json RUN-NAME [--Setting value]...
               NeuralCompression.Experiments pack artifacts/experiments/RUN-NAME/settings.json RUN-NAME    write the file of a trained run again
        """);
    return 2;
}

string root = Path.Combine("artifacts", "experiments");
string folder = Path.Combine(root, args[2]);
Directory.CreateDirectory(folder);
var settings = Settings.Load(args[1], args.AsSpan(3));
File.WriteAllText(Path.Combine(folder, "settings.json"), settings.ToString());
using var log = new StreamWriter(Path.Combine(folder, "log.txt"), append: true) { AutoFlush = true };
using var run = new CompressingRun(settings, folder, Path.Combine(root, "teachers"), Log);
if (args[0] == "train")
    run.Train();
string result = run.Pack();
Log(result);
File.AppendAllText(Path.Combine(root, "results.txt"), $"{args[2]} {string.Join(' ', args[3..])}: {result}\n");
return 0;

void Log(string line)
{
    Console.WriteLine(line);
    log.WriteLine(line);
}
