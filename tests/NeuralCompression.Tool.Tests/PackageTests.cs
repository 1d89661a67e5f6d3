using System.Collections.Immutable;
using System.Diagnostics;
using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace NeuralCompression.Tool.Tests;

/// <summary>What a stranger gets: the packages, and an empty folder in which the README's commands work as printed.</summary>
public sealed partial class PackageTests(PackageTests.Feed feed) : IClassFixture<PackageTests.Feed>
{
    // Of the specification of portable debugging symbols: the source of a document.
    private static readonly Guid EmbeddedSource = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");

    private static string Readme { get; } = File.ReadAllText(Path.Combine(Tool.Root, "README.md")).ReplaceLineEndings("\n");

    [Theory]
    [InlineData("NeuralCompression", "lib/net10.0/NeuralCompression.dll", "Microsoft.Extensions.Options NeuralCompression.Codec TorchSharp")]
    [InlineData("NeuralCompression.Codec", "lib/net10.0/NeuralCompression.Codec.dll", "System.Numerics.Tensors")]
    [InlineData("NeuralCompression.Tool", "tools/net10.0/any/ncm.dll", "")]
    public void Package_HasLicenceReadmeDependenciesSymbolsAndSources(string name, string assembly, string dependencies)
    {
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(feed.Packages, $"{name}.{Feed.Version}.nupkg"));
        string specification = Text(package, $"{name}.nuspec");
        Assert.Contains("<license type=\"expression\">MIT</license>", specification, StringComparison.Ordinal);
        Assert.Contains("<readme>README.md</readme>", specification, StringComparison.Ordinal);
        Assert.Equal(Readme, Text(package, "README.md").ReplaceLineEndings("\n"));
        Assert.Equal(dependencies, string.Join(' ', Dependency().Matches(specification).Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal)));
        if (assembly.StartsWith("lib/", StringComparison.Ordinal))
            Assert.NotNull(package.GetEntry(Path.ChangeExtension(assembly, ".xml")));

        using var image = new PEReader(Bytes(package, assembly));
        ImmutableArray<DebugDirectoryEntry> directory = image.ReadDebugDirectory();
        Assert.Contains(directory, entry => entry.Type == DebugDirectoryEntryType.Reproducible);
        using MetadataReaderProvider symbols = image.ReadEmbeddedPortablePdbDebugDirectoryData(directory.Single(entry => entry.Type == DebugDirectoryEntryType.EmbeddedPortablePdb));
        MetadataReader reader = symbols.GetMetadataReader();
        var sources = reader.CustomDebugInformation.Select(reader.GetCustomDebugInformation)
            .Where(information => reader.GetGuid(information.Kind) == EmbeddedSource).Select(information => information.Parent).ToHashSet();
        Assert.NotEmpty(reader.Documents);
        Assert.All(reader.Documents, document =>
        {
            Assert.Contains(document, sources);
            if (Feed.Configuration == "Release")
                Assert.StartsWith("/_/", reader.GetString(reader.GetDocument(document).Name), StringComparison.Ordinal);
        });
    }

    [Fact]
    public void Readme_ProgramInAnEmptyFolder_CompilesAndRuns()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            Console.WriteLine("Readme_ProgramInAnEmptyFolder_CompilesAndRuns skipped: it takes the libtorch of another system than the one that was built with.");
            return;
        }

        Assert.Contains("\ndotnet add package NeuralCompression  ", Readme, StringComparison.Ordinal);
        string folder = feed.NewFolder("app");
        feed.Run(folder, "dotnet", "new", "console").Succeeds();
        feed.Run(folder, "dotnet", "add", "package", "NeuralCompression").Succeeds();

        // The version that is printed is the one that TorchSharp wants, which is that of this repository.
        Assert.Contains($"\ndotnet add package libtorch-cpu-linux-x64 --version {Version().Match(File.ReadAllText(Path.Combine(Tool.Root, "Directory.Packages.props"))).Groups[1].Value} ", Readme, StringComparison.Ordinal);
        feed.Run(folder, "dotnet", "add", "package", "libtorch-cpu-linux-x64", "--version", Version().Match(Readme).Groups[1].Value).Succeeds();
        File.WriteAllText(Path.Combine(folder, "Program.cs"), CSharpBlock().Match(Readme).Groups[1].Value);
        feed.Run(folder, "dotnet", "run", "--configuration", "Release").Succeeds();
        Assert.InRange(new FileInfo(Path.Combine(folder, "model.ncm")).Length, 100, 4 * 20 * 64);
    }

    [Fact]
    public void Readme_ToolInAnEmptyFolder_InstallsAndRuns()
    {
        string folder = feed.NewFolder("tool");
        string[] install = Readme.Split('\n').Single(line => line.StartsWith("dotnet tool install", StringComparison.Ordinal)).Split('#')[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        feed.Run(folder, install[0], install[1..]).Succeeds();
        Models.Write(Path.Combine(folder, "model.safetensors"));
        string[][] commands = [.. CommandLine().Matches(Readme).Select(match => match.Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        Assert.Equal(3, commands.Length);
        foreach (string[] command in commands)
            feed.Run(folder, Path.Combine(feed.Home, ".dotnet", "tools", "ncm"), command).Succeeds();
    }

    [Fact]
    public void DecodeOnly_CompiledAheadOfTime_GivesNoWarningAndHasTheFastKernel()
    {
        if (!OperatingSystem.IsLinux() || (!File.Exists("/usr/bin/gcc") && !File.Exists("/usr/bin/clang")))
        {
            Console.WriteLine("DecodeOnly_CompiledAheadOfTime skipped: it takes Linux and a linker, gcc or clang.");
            return;
        }

        string folder = feed.NewFolder("aot");
        Tool.Result publish = feed.Run(
            Tool.Root, "dotnet", "publish", "docs/samples/DecodeOnly", "--configuration", "Release", "--runtime", RuntimeInformation.RuntimeIdentifier, "--artifacts-path", folder, "--output", Path.Combine(folder, "out"),
            "-nologo", "-nodeReuse:false", "-p:UseSharedCompilation=false");
        publish.Succeeds();
        Assert.DoesNotContain("warning", publish.Output, StringComparison.OrdinalIgnoreCase);
        Tool.Result run = feed.Run(folder, Path.Combine(folder, "out", "DecodeOnly"));
        run.Succeeds();
        Assert.Contains("weights of 2,125 bytes decoded", run.Output, StringComparison.Ordinal);
        Assert.Contains("kernel ", run.Output, StringComparison.Ordinal);
    }

    private static ImmutableArray<byte> Bytes(ZipArchive package, string name)
    {
        using var bytes = new MemoryStream();
        using (Stream entry = package.GetEntry(name)!.Open())
            entry.CopyTo(bytes);
        return ImmutableCollectionsMarshal.AsImmutableArray(bytes.ToArray());
    }

    private static string Text(ZipArchive package, string name)
    {
        using var reader = new StreamReader(package.GetEntry(name)!.Open());
        return reader.ReadToEnd();
    }

    [GeneratedRegex("<dependency id=\"([^\"]*)\"")]
    private static partial Regex Dependency();

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock();

    [GeneratedRegex("^ncm ([^#\n]*)", RegexOptions.Multiline)]
    private static partial Regex CommandLine();

    [GeneratedRegex("libtorch-cpu-linux-x64(?: --version |\" Version=\")([0-9.]+)")]
    private static partial Regex Version();

    /// <summary>The packages of what is built, in a folder that is the only source, beside a home that knows none of them.</summary>
    public sealed class Feed : IDisposable
    {
        internal const string Version = "0.1.0";

        private readonly string folder = Directory.CreateTempSubdirectory("packages-test-").FullName;

        public Feed()
        {
            foreach (string project in (string[])["NeuralCompression.Codec", "NeuralCompression", "NeuralCompression.Tool"])
                Start(Tool.Root, null, "dotnet", "pack", Path.Combine("src", project), "--no-build", "--configuration", Configuration, "--output", Packages, "-nologo", "-nodeReuse:false").Succeeds();

            // What the packages depend on has been restored for the build, so nothing is fetched.
            string restored = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
            File.WriteAllText(Path.Combine(folder, "nuget.config"), $"""
                <configuration>
                  <packageSources><clear /><add key="packed" value="{Packages}" /></packageSources>
                  <fallbackPackageFolders><clear /><add key="restored" value="{restored}" /></fallbackPackageFolders>
                </configuration>
                """);
        }

        internal static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)).Parent!.Name;

        internal string Packages => Path.Combine(folder, "packages");

        internal string Home => Path.Combine(folder, "home");

        internal string NewFolder(string name) => Directory.CreateDirectory(Path.Combine(folder, name)).FullName;

        /// <summary>Runs a program where the packages are the only source; in the repository with the sources of the machine.</summary>
        internal Tool.Result Run(string at, string program, params string[] arguments) => Start(at, at == Tool.Root ? null : Home, program, arguments);

        public void Dispose() => Directory.Delete(folder, recursive: true);

        private static Tool.Result Start(string at, string? home, string program, params string[] arguments)
        {
            var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = at };

            // What the test host tells its children about MSBuild is not for these.
            foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
                start.Environment.Remove(name);
            start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
            start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
            start.Environment["UseSharedCompilation"] = "false";
            if (home is not null)
            {
                start.Environment["DOTNET_CLI_HOME"] = home;
                start.Environment["NUGET_PACKAGES"] = Path.Combine(home, "packages");
                start.Environment["DOTNET_NOLOGO"] = "1";
                start.Environment["DOTNET_ADD_GLOBAL_TOOLS_TO_PATH"] = "false";
                start.Environment["DOTNET_GENERATE_ASPNET_CERTIFICATE"] = "false";
            }

            // Building and compiling ahead of time take minutes where other work keeps the cores busy.
            using Process process = Process.Start(start)!;
            return Tool.End(process, TimeSpan.FromMinutes(10));
        }
    }
}
