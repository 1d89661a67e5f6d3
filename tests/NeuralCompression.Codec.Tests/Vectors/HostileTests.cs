using System.Text.RegularExpressions;

namespace NeuralCompression.Codec.Tests.Vectors;

/// <summary>Every file in tests/vectors/invalid is refused with the code its name starts with and the message of the manifest.</summary>
public sealed partial class HostileTests
{
    public static TheoryData<string> Names => [.. HostileFiles.All().Select(file => file.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Read_HostileFile_IsRefusedWithItsCodeAndMessage(string name)
    {
        byte[] forged = HostileFiles.All().Single(file => file.Name == name).File;
        string path = Path.Combine(VectorFiles.Invalid, name + ".ncm");
        Exception refusal = Refusal(forged);
        if (!File.Exists(path) && VectorFiles.MayWrite)
        {
            File.WriteAllBytes(path, forged);
            File.AppendAllText(Path.Combine(VectorFiles.Invalid, "manifest.tsv"), $"{name}\t{refusal.Message}\n");
        }

        Assert.Equal(Convert.ToHexString(File.ReadAllBytes(path)), Convert.ToHexString(forged));
        Assert.Equal(VectorFiles.Manifest(VectorFiles.Invalid).Single(line => line[0] == name)[1], refusal.Message);
        string code = name.Split('-')[0];
        if (code == "NotSupported")
        {
            Assert.IsType<NotSupportedException>(refusal);
        }
        else
        {
            Assert.Equal(Enum.Parse<ContainerError>(code), Assert.IsType<InvalidDataException>(refusal).Data["NeuralCompression.Error"]);
            Assert.InRange((long)refusal.Data["NeuralCompression.Offset"]!, 0, forged.Length + 64);
        }
    }

    // Models, then updates.
    private static IEnumerable<string[]> Shown => VectorFiles.Manifest(VectorFiles.Invalid).Concat(VectorFiles.Manifest(VectorFiles.Updates));

    [Fact]
    public void Vectors_HaveAFileForEveryCode()
    {
        IEnumerable<string> codes = Shown.Select(line => line[0].Split('-')[0]).Distinct().Where(code => code != "NotSupported");
        Assert.Equal(Enum.GetNames<ContainerError>().Order(StringComparer.Ordinal), codes.Order(StringComparer.Ordinal));
    }

    // Sections that describe one structure: what stands in the names of its files.
    [Theory]
    [InlineData("### 4.7 ", "segment")]
    [InlineData("### 4.8 ", "metadata")]
    [InlineData("### 5.5 ", "Plane-")]
    [InlineData("### 5.6 ", "mixing")]
    [InlineData("### 5.7 ", "group")]
    [InlineData("### 5.8 ", "classified")]
    [InlineData("### 5.9 ", "repeats")]
    public void Vectors_HaveAFileForEveryCodeThatASectionNames(string heading, string word)
    {
        string document = File.ReadAllText(Path.Combine(VectorFiles.Root, "docs", "format.md"));
        int start = document.IndexOf(heading, StringComparison.Ordinal);
        string section = document[start..];
        section = section[..NextHeading().Match(section, 1).Index];
        string[] codes = [.. Enum.GetNames<ContainerError>().Where(code => section.Contains($"`{code}`", StringComparison.Ordinal))];
        Assert.NotEmpty(codes);
        string[] files = [.. Shown.Select(line => line[0])];
        Assert.All(codes, code => Assert.Contains(files, file => file.StartsWith(code + "-", StringComparison.Ordinal) && file.Contains(word, StringComparison.OrdinalIgnoreCase)));
    }

    // A refusal that is added to the reader needs a file that shows it.
    [Fact]
    public void Vectors_HaveAFileForEveryMessageOfTheReader()
    {
        string[] shown = [.. Shown.Select(line => line[1])];
        var missing = new SortedSet<string>(StringComparer.Ordinal);

        // A file has it only while it becomes shorter under the reader.
        const string Unseen = "The file ends inside padding.";
        foreach (string folder in new[] { "Container", "EntropyCoding", "Updates", "WeightCoding" })
        {
            foreach (string path in Directory.EnumerateFiles(Path.Combine(VectorFiles.Root, "src", "NeuralCompression.Codec", folder), "*.cs", SearchOption.AllDirectories))
            {
                // Sets have tests of their own, and only a stream that cannot seek is limited in what it keeps.
                if (Path.GetFileName(path) is "SetManifest.cs" or "SetFiles.cs" or "ForwardSource.cs" or "RangeSource.cs")
                    continue;
                foreach (Match message in Message().Matches(File.ReadAllText(path)))
                {
                    // Of a message with numbers, what stands before the first.
                    string start = message.Groups[1].Value.Split('{')[0];
                    if (start != Unseen && !Array.Exists(shown, text => text.StartsWith(start, StringComparison.Ordinal)))
                        missing.Add($"{Path.GetFileName(path)}: {start}");
                }
            }
        }

        Assert.Empty(missing);
    }

    [GeneratedRegex(@"^#{2,3} ", RegexOptions.Multiline)]
    private static partial Regex NextHeading();

    [GeneratedRegex(@"(?:ContainerError\.\w+|nameof\(DecodeLimits\.\w+\)),\s*(?:FormattableString\.Invariant\()?\$?""([^""]+)""")]
    private static partial Regex Message();

    private static Exception Refusal(byte[] file)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exception? refusal = Record.Exception(() =>
        {
            using var reader = Samples.Open(file);
            foreach (CompressedTensorInfo tensor in reader.Tensors)
                reader.DecodeBytes(tensor, new byte[tensor.DecodedBytes]);
        });
        Assert.NotNull(refusal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        return refusal;
    }
}
