using System.Reflection;
using System.Text.RegularExpressions;
using NeuralCompression.Codec;
using NeuralCompression.Tests.Support;

namespace NeuralCompression.Tests.Documentation;

/// <summary>docs/claims.md names only what exists.</summary>
public sealed partial class ClaimsTableTests
{
    [Fact]
    public void Claims_Rows_AreOneToSeventeen() => Assert.Equal(Enumerable.Range(1, 17).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture)), Rows().Select(r => r[0]));

    [Fact]
    public void Claims_Types_ArePublic()
    {
        var types = new[] { typeof(CompressionSession).Assembly, typeof(CompressedModelReader).Assembly }.SelectMany(a => a.GetExportedTypes()).Select(t => t.Name).ToHashSet();
        foreach (string[] row in Rows())
        {
            string[] named = [.. Code().Matches(row[2]).Select(m => m.Groups[1].Value)];
            Assert.NotEmpty(named);
            Assert.All(named, name => Assert.Contains(name, types));
        }
    }

    [Fact]
    public void Claims_Tests_AreRun()
    {
        foreach (string[] row in Rows())
        {
            string[] named = [.. Code().Matches(row[3]).Select(m => m.Groups[1].Value)];
            Assert.NotEmpty(named);
            foreach (string name in named)
            {
                int dot = name.LastIndexOf('.');
                var method = typeof(ClaimsTableTests).Assembly.GetType(name[..dot])?.GetMethod(name[(dot + 1)..]);
                var test = method?.GetCustomAttribute<FactAttribute>();
                Assert.True(test is { Skip: null }, $"Claim {row[0]} names {name}, which is no running test.");
            }
        }
    }

    private static List<string[]> Rows() => [.. Repository.Read("docs/claims.md").Split('\n')
        .Where(l => l.StartsWith("| ", StringComparison.Ordinal) && char.IsAsciiDigit(l[2]))
        .Select(l => l.Trim('|').Split('|', StringSplitOptions.TrimEntries))];

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();
}
