using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace NeuralCompression.Tool.Tests;

/// <summary>A command that is interrupted, whenever that is, has either written its whole output or nothing.</summary>
public sealed class InterruptionTests(InterruptionTests.Inputs inputs) : IClassFixture<InterruptionTests.Inputs>
{
    public static TheoryData<string, string, bool> Moments => new()
    {
        { "compress m.safetensors -o out", "out", true },
        { "compress m.safetensors -o out", "out", false },
        { "compress m.safetensors -o out --bits 4 --level SmallestSize", "out", true },
        { "decompress base.ncm -o out", "out", true },
        { "decompress base.ncm -o out", "out", false },
        { "diff base.ncm next.ncm -o out", "out", true },
        { "diff base.ncm next.ncm -o out", "out", false },
        { "apply base.ncm next.ncmu -o out", "out", true },
        { "apply base.ncm next.ncmu -o out", "out", false },
        { "apply base.ncm next.ncmu -o out.ncms --shard-bytes 600000", "out.ncms", false },
        { "plot base.ncm -o out", "out", true },
        { "verify base.ncm", "", false },
        { "info base.ncm", "", false },
    };

    // The first moment is that at which the unfinished output appears; the others are spread over the time the command takes uninterrupted, the last of them in its final write or after it.
    [Theory]
    [MemberData(nameof(Moments))]
    public void Interrupted_WritesAllOrNothing(string command, string output, bool exists)
    {
        if (OperatingSystem.IsWindows())
        {
            Console.WriteLine("Interrupted_WritesAllOrNothing skipped: Windows has no signals to send to one process.");
            return;
        }

        string[] arguments = [.. command.Split(' '), .. exists ? (string[])["--force"] : []];
        Dictionary<string, string> whole;
        long start = Stopwatch.GetTimestamp();
        using (var tool = new Tool())
        {
            inputs.CopyTo(tool);
            tool.Run(arguments).Succeeds();
            whole = Outputs(tool);
            Assert.Equal(output.Length > 0, whole.ContainsKey(output));
        }

        TimeSpan usual = Stopwatch.GetElapsedTime(start);
        foreach (double moment in (double[])[0, 0.5, 0.8, 0.95])
        {
            using var tool = new Tool();
            inputs.CopyTo(tool);
            if (exists)
                File.WriteAllText(tool[output], "precious");
            string[] before = [.. tool.Names];

            start = Stopwatch.GetTimestamp();
            using Process process = tool.Start(arguments);

            // Before half of its time a program that has just started has not yet asked for signals, and is ended by them.
            while (!process.HasExited && Stopwatch.GetElapsedTime(start) < usual * (moment == 0 ? 0.95 : moment) && !(moment == 0 && tool.Names.Any(name => name.EndsWith(".tmp", StringComparison.Ordinal))))
                Thread.Sleep(2);
            using (Process kill = Process.Start(new ProcessStartInfo("kill", ["-s", "INT", process.Id.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardError = true })!)
                kill.WaitForExit();
            Tool.Result result = Tool.End(process);
            if (result.ExitCode == 0)
            {
                Assert.Equal("", result.Error);
                Assert.Equal(whole, Outputs(tool));
                continue;
            }

            // 130 without a line: the signal came before the program had asked for it.
            Assert.Equal(130, result.ExitCode);
            if (result.Error.Length > 0)
                result.Fails(130, "Cancelled");
            Assert.Equal(before, tool.Names);
            if (exists)
                Assert.Equal("precious", File.ReadAllText(tool[output]));
        }
    }

    // Everything but the inputs: a set has several files.
    private static Dictionary<string, string> Outputs(Tool tool) => tool.Names.Except(Inputs.Names).ToDictionary(name => name, name => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(tool[name]))));

    /// <summary>A model of 16 MB, the next one, and the update between them.</summary>
    public sealed class Inputs : IDisposable
    {
        internal static readonly string[] Names = ["m.safetensors", "base.ncm", "next.ncm", "next.ncmu"];

        private readonly Tool tool = new();

        public Inputs()
        {
            Models.Write(tool["m.safetensors"], 2048, 1024);
            tool.Run("compress", "m.safetensors", "-o", "base.ncm", "--step", "0.01").Succeeds();
            tool.Run("compress", "m.safetensors", "-o", "next.ncm", "--step", "0.0101").Succeeds();
            tool.Run("diff", "base.ncm", "next.ncm").Succeeds();
        }

        public void Dispose() => tool.Dispose();

        internal void CopyTo(Tool other)
        {
            foreach (string name in Names)
                File.Copy(tool[name], other[name]);
        }
    }
}
