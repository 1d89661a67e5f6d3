using System.Diagnostics;
using NeuralCompression.Codec;

namespace NeuralCompression.Tool.Tests;

/// <summary>Everything that goes wrong gives one clear line and an exit code, leaves nothing behind and overwrites nothing.</summary>
public sealed class FailureTests
{
    public static TheoryData<string> Commands => ["info", "verify", "compress", "decompress", "plot"];

    [Theory]
    [MemberData(nameof(Commands))]
    public void Input_Missing(string command) => Nothing(command, "missing", 3, "There is no file", _ => { });

    [Theory]
    [MemberData(nameof(Commands))]
    public void Input_IsAFolder(string command) => Nothing(command, "folder", 3, "is a folder", tool => Directory.CreateDirectory(tool["folder"]));

    [Theory]
    [MemberData(nameof(Commands))]
    public void Input_IsText(string command) =>
        Nothing(command, "text", 1, command == "compress" ? "is not a safetensors file, nor one that TorchSharp saved" : "not a compressed model", tool => File.WriteAllText(tool["text"], "This is a text, not a model.\n"));

    [Theory]
    [InlineData("PK\u0003\u0004 and what follows in an archive", "save it as safetensors in Python")]
    [InlineData("GGUF and what follows in such a file", "GGUF")]
    [InlineData("\u0001\u0002 and nothing anybody knows", "nor one that TorchSharp saved")]
    public void Input_IsOfAnotherKind(string content, string says) => Nothing("compress", "m.bin", 1, says, tool => File.WriteAllText(tool["m.bin"], content));

    [Fact]
    public void Input_IsCompressedAlready()
    {
        using var tool = new Tool();
        Models.Write(tool["m.safetensors"]);
        tool.Run("compress", "m.safetensors").Succeeds();
        tool.Run("compress", "m.ncm", "-o", "again.ncm").Fails(1, "is compressed already");
        Assert.Equal(["m.ncm", "m.safetensors"], tool.Names);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void Input_IsEmpty(string command) => Nothing(command, "empty", 1, "", tool => File.WriteAllText(tool["empty"], ""));

    [Theory]
    [MemberData(nameof(Commands))]
    public void Input_IsTruncated(string command)
    {
        string name = command == "compress" ? "m.safetensors" : "m.ncm";
        Nothing(command, name, 1, "ends inside", tool =>
        {
            Models.Write(tool["m.safetensors"]);
            if (command != "compress")
            {
                tool.Run("compress", "m.safetensors").Succeeds();
                File.Delete(tool["m.safetensors"]);
            }

            using FileStream file = File.OpenWrite(tool[name]);
            file.SetLength(file.Length / 2);
        });
    }

    [Theory]
    [InlineData("verify")]
    [InlineData("decompress")]
    public void Input_HasADamagedPayload(string command) => Nothing(command, "m.ncm", 1, "checksum", tool =>
    {
        Models.Write(tool["m.safetensors"]);
        tool.Run("compress", "m.safetensors").Succeeds();
        File.Delete(tool["m.safetensors"]);
        byte[] bytes = File.ReadAllBytes(tool["m.ncm"]);
        bytes[^20] ^= 1;
        File.WriteAllBytes(tool["m.ncm"], bytes);
    });

    [Theory]
    [InlineData("compress", "m.safetensors", "m.ncm")]
    [InlineData("decompress", "m.ncm", "m.safetensors")]
    [InlineData("plot", "m.ncm", "m.png")]
    public void Output_Exists_IsKeptUnlessForced(string command, string input, string output)
    {
        using var tool = new Tool();
        Models.Write(tool["m.safetensors"]);
        tool.Run("compress", "m.safetensors").Succeeds();
        File.WriteAllText(tool[output], "precious");
        if (command == "compress" || input != "m.safetensors")
            tool.Run(command, input).Fails(4, "--force");
        Assert.Equal("precious", File.ReadAllText(tool[output]));
        tool.Run(command, input, "--force").Succeeds();
        Assert.True(new FileInfo(tool[output]).Length > 100);
    }

    [Fact]
    public void Output_ShardExists_IsKept()
    {
        using var tool = new Tool();
        Models.Write(tool["m.safetensors"]);
        tool.Run("compress", "m.safetensors").Succeeds();
        File.WriteAllText(tool["s-00002-of-00002.safetensors"], "precious");
        tool.Run("decompress", "m.ncm", "-o", "s.safetensors", "--max-shard-bytes", "30000").Fails(4, "s-00002-of-00002");
        Assert.Equal("precious", File.ReadAllText(tool["s-00002-of-00002.safetensors"]));
        Assert.DoesNotContain("s-00001-of-00002.safetensors", tool.Names);
    }

    [Fact]
    public void Output_InAMissingFolder()
    {
        using var tool = new Tool();
        Models.Write(tool["m.safetensors"]);
        tool.Run("compress", "m.safetensors", "-o", "gone/m.ncm").Fails(3, "There is no folder");
        tool.Run("compress", "m.safetensors", "-o", ".").Fails(3, "is a folder");
        tool.Run("compress", "m.safetensors", "-o", "./m.safetensors", "--force").Fails(2, "one file");
        Assert.Equal(["m.safetensors"], tool.Names);
    }

    // The unfinished file and the renaming would put an ordinary file in the place of a device.
    [Theory]
    [InlineData("compress m.safetensors -o")]
    [InlineData("decompress base.ncm -o")]
    [InlineData("diff base.ncm next.ncm -o")]
    [InlineData("apply base.ncm next.ncmu -o")]
    [InlineData("plot base.ncm -o")]
    public void Output_IsADeviceOrCannotBeWritten(string command)
    {
        if (!OperatingSystem.IsLinux())
        {
            Console.WriteLine("Output_IsADeviceOrCannotBeWritten skipped: it takes Linux's /dev and /proc.");
            return;
        }

        using var tool = new Tool();
        Prepare(tool, 64, 96);
        tool.Run([.. command.Split(' '), "/dev/full", "--force"]).Fails(3, "is a device");
        Assert.Throws<IOException>(() => File.AppendAllText("/dev/full", "x"));

        // A folder in which not even root can make a file.
        tool.Run([.. command.Split(' '), "/proc/self/output"]).Fails(3, "/proc/self");
        Assert.Equal(["base.ncm", "m.safetensors", "next.ncm", "next.ncmu"], tool.Names);
    }

    [Theory]
    [InlineData("")]
    [InlineData("frobnicate", "x")]
    [InlineData("info")]
    [InlineData("info", "a", "b")]
    [InlineData("compress", "m.safetensors", "--bits", "many")]
    [InlineData("compress", "m.safetensors", "--bits", "1")]
    [InlineData("compress", "m.safetensors", "--bits", "17")]
    [InlineData("compress", "m.safetensors", "--step", "0")]
    [InlineData("compress", "m.safetensors", "--step", "-1")]
    [InlineData("compress", "m.safetensors", "--step", "NaN")]
    [InlineData("compress", "m.safetensors", "--step", "1e-9")]
    [InlineData("compress", "m.safetensors", "--target-bytes", "10")]
    [InlineData("compress", "m.safetensors", "--bits", "4", "--step", "1")]
    [InlineData("compress", "m.safetensors", "--per-channel")]
    [InlineData("compress", "m.safetensors", "--step", "1", "--per-channel")]
    [InlineData("compress", "m.safetensors", "--level", "Best")]
    [InlineData("compress", "m.safetensors", "--threads", "0")]
    [InlineData("decompress", "m.safetensors")]
    public void CommandLine_Wrong(params string[] arguments)
    {
        using var tool = new Tool();
        Models.Write(tool["m.safetensors"]);
        tool.Run([.. arguments.Where(argument => argument.Length > 0)]).Fails(arguments[0] == "decompress" ? 1 : 2, "");
        Assert.Equal(["m.safetensors"], tool.Names);
    }

    // A file system of one megabyte, which takes root to mount; elsewhere the skip is printed.
    [Theory]
    [InlineData("compress")]
    [InlineData("decompress")]
    [InlineData("diff")]
    [InlineData("apply")]
    [InlineData("apply", "output.ncms")]
    [InlineData("plot")]
    public void Disk_IsFull(string command, string output = "output")
    {
        using var tool = new Tool();
        Models.Write(tool["m.safetensors"], 1024, 1024);
        tool.Run("compress", "m.safetensors", "--level", "Fastest").Succeeds();
        if (command is "diff" or "apply")
        {
            tool.Run("compress", "m.safetensors", "-o", "base.ncm", "--step", "0.01").Succeeds();
            tool.Run("diff", "base.ncm", "m.ncm", "-o", "m.ncmu").Succeeds();
        }

        Directory.CreateDirectory(tool["disk"]);
        if (!OperatingSystem.IsLinux() || Shell("mount", "-t", "tmpfs", "-o", command == "plot" ? "size=8k" : "size=1m", "tmpfs", tool["disk"]) != 0)
        {
            Console.WriteLine($"Disk_IsFull({command}) skipped: mounting a small file system takes root on Linux.");
            return;
        }

        try
        {
            string[] inputs = command switch { "compress" => ["m.safetensors"], "diff" => ["base.ncm", "m.ncm"], "apply" => ["base.ncm", "m.ncmu"], _ => ["m.ncm"] };
            tool.Run([command, .. inputs, "-o", "disk/" + output]).Fails(3, "Free some room");
            Assert.Empty(Directory.EnumerateFileSystemEntries(tool["disk"]));
        }
        finally
        {
            Shell("umount", tool["disk"]);
        }
    }

    [Theory]
    [InlineData("SIGINT")]
    [InlineData("SIGTERM")]
    public void Cancelled_LeavesNothingAndTheOldFileWhole(string signal)
    {
        if (OperatingSystem.IsWindows())
        {
            Console.WriteLine("Cancelled_LeavesNothingAndTheOldFileWhole skipped: Windows has no signals to send to one process.");
            return;
        }

        using var tool = new Tool();
        Models.Write(tool["m.safetensors"], 4096, 2048);
        File.WriteAllText(tool["m.ncm"], "precious");

        // Slow by choice: the search for a budget reads the model a dozen times.
        using Process process = tool.Start("compress", "m.safetensors", "--force", "--level", "SmallestSize", "--target-bytes", "9000000");
        while (!tool.Names.Any(name => name.Contains(".tmp", StringComparison.Ordinal)) && !process.HasExited && process.TotalProcessorTime < TimeSpan.FromSeconds(2))
            Thread.Sleep(20);
        Assert.Equal(0, Shell("kill", "-s", signal[3..], process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        Tool.End(process).Fails(130, "Cancelled");
        Assert.Equal("precious", File.ReadAllText(tool["m.ncm"]));
        Assert.Equal(["m.ncm", "m.safetensors"], tool.Names);
    }

    [Fact]
    public void Names_FromAFile_DoNotReachTheTerminalRaw()
    {
        using var tool = new Tool();
        using (CompressedModelWriter writer = CompressedModelWriter.Create(tool["m.ncm"]))
        {
            writer.Add("evil\u001b[2Jname", [1], [1f]);
            writer.AddMetadata("key\u0007", "value\r\n");
            writer.Complete();
        }

        Tool.Result result = tool.Run("info", "m.ncm");
        result.Succeeds();
        Assert.DoesNotContain('\u001b', result.Output);
        Assert.DoesNotContain('\u0007', result.Output);
        Assert.DoesNotContain('\r', result.Output);
    }

    [Fact]
    public void Names_InAnError_DoNotReachTheTerminalRaw()
    {
        using var tool = new Tool();
        byte[] header = System.Text.Encoding.UTF8.GetBytes("""{"evil\u001b[2Jname":{"dtype":"?","shape":[],"data_offsets":[0,0]}}""");
        File.WriteAllBytes(tool["m.safetensors"], [.. BitConverter.GetBytes((long)header.Length), .. header]);
        Tool.Result result = tool.Run("compress", "m.safetensors");
        result.Fails(1, "evil?[2Jname");
        Assert.DoesNotContain('\u001b', result.Error);
    }

    [Theory]
    [InlineData("info")]
    [InlineData("verify")]
    [InlineData("decompress")]
    public void Input_IsASetOfNothing_IsAnEmptyModel(string command)
    {
        using var tool = new Tool();
        File.WriteAllText(tool["m.ncms"], """{"format":"ncm-set","version":1,"shards":[]}""");
        tool.Run(command, "m.ncms").Succeeds();
    }

    private static void Prepare(Tool tool, int rows, int columns)
    {
        Models.Write(tool["m.safetensors"], rows, columns);
        tool.Run("compress", "m.safetensors", "-o", "base.ncm", "--step", "0.01").Succeeds();
        tool.Run("compress", "m.safetensors", "-o", "next.ncm", "--step", "0.0101").Succeeds();
        tool.Run("diff", "base.ncm", "next.ncm").Succeeds();
    }

    private static void Nothing(string command, string input, int exitCode, string says, Action<Tool> prepare)
    {
        using var tool = new Tool();
        prepare(tool);
        string[] before = [.. tool.Names];
        tool.Run(command, input).Fails(exitCode, says);
        Assert.Equal(before, tool.Names);
    }

    private static int Shell(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            process.WaitForExit();
            return process.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return -1;
        }
    }
}
