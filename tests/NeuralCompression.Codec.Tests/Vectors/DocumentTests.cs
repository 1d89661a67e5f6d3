using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.Tests.Robustness;

namespace NeuralCompression.Codec.Tests.Vectors;

/// <summary>docs/format.md says what the code does.</summary>
public sealed partial class DocumentTests
{
    private static readonly string Document = File.ReadAllText(Path.Combine(VectorFiles.Root, "docs", "format.md"));

    [Fact]
    public void WorkedFile_Decodes()
    {
        byte[] file = Convert.FromHexString(string.Concat(HexBlock().Match(Document).Groups[1].Value.Where(Uri.IsHexDigit)));
        using var reader = Samples.Open(file);
        Assert.Equal(["fc.weight", "fc.bias", "tied"], reader.Tensors.Select(tensor => tensor.Name));
        var symbols = new sbyte[64];
        reader.DecodeSymbols(reader["tied"], symbols);
        Assert.Equal([3, 17, 18, 40, 61], Positions(1));
        Assert.Equal([9, 22, 50], Positions(-1));
        Assert.Equal(56, symbols.Count(symbol => symbol == 0));
        var bias = new float[4];
        reader.Decode(reader["fc.bias"], bias);
        Assert.Equal([1f, -0.5f, 0.25f, 2f], bias);

        // The annotated rows are the same bytes, in order and without gaps.
        var rows = new List<byte>();
        foreach (Match row in AnnotatedRow().Matches(Document[Document.IndexOf("## 11.", StringComparison.Ordinal)..]))
        {
            Assert.Equal(rows.Count, int.Parse(row.Groups[1].Value, CultureInfo.InvariantCulture));
            rows.AddRange(Convert.FromHexString(string.Concat(row.Groups[2].Value.Where(Uri.IsHexDigit))));
        }

        Assert.Equal(Convert.ToHexString(file), Convert.ToHexString([.. rows]));

        IEnumerable<int> Positions(sbyte value) => Enumerable.Range(0, 64).Where(i => symbols[i] == value);
    }

    [Fact]
    public void Constants_AreThoseOfTheCode()
    {
        int checkedRows = 0;
        foreach (Match row in ConstantRow().Matches(Document))
        {
            if (row.Groups[1].Value == "Magic")
            {
                Assert.Equal(Convert.ToHexString(ContainerLayout.Magic), row.Groups[2].Value.Replace(" ", "", StringComparison.Ordinal));
                continue;
            }

            FieldInfo? field = typeof(ContainerLayout).GetField(row.Groups[1].Value, BindingFlags.Static | BindingFlags.NonPublic)
                ?? typeof(RansConstants).GetField(row.Groups[1].Value, BindingFlags.Static | BindingFlags.NonPublic);
            Assert.NotNull(field);
            Assert.Equal(long.Parse(row.Groups[2].Value, CultureInfo.InvariantCulture), Convert.ToInt64(field.GetRawConstantValue(), CultureInfo.InvariantCulture));
            checkedRows++;
        }

        Assert.Equal(16, checkedRows);
    }

    [Fact]
    public void Limits_AreTheDefaults()
    {
        foreach (PropertyInfo property in typeof(DecodeLimits).GetProperties(BindingFlags.Instance | BindingFlags.Public))
        {
            string value = Convert.ToInt64(property.GetValue(DecodeLimits.Default), CultureInfo.InvariantCulture).ToString("N0", CultureInfo.InvariantCulture);
            Assert.Contains($"| {property.Name} | {value} |", Document.Replace("| 512 | |", "| 512 |", StringComparison.Ordinal), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Errors_AreThoseOfTheCode()
    {
        foreach (ContainerError error in Enum.GetValues<ContainerError>())
            Assert.Contains(FormattableString.Invariant($"| {error} | {(int)error} |"), Document, StringComparison.Ordinal);
    }

    [Fact]
    public void Bounds_AreThoseThatTheFuzzProgramAsserts()
    {
        string document = Regex.Replace(Document, @"\s+", " ");
        Assert.Contains(Bound(ResourceBounds.BlocksAtAll, ResourceBounds.BlocksPerByte, ResourceBounds.BlocksPerSegment, ResourceBounds.BlocksPerElement, "element of a decoding"), document, StringComparison.Ordinal);
        Assert.Contains(Bound(ResourceBounds.MemoryAtAll, ResourceBounds.MemoryPerByte, ResourceBounds.MemoryPerSegment, ResourceBounds.MemoryPerDecodedByte, "decoded byte"), document, StringComparison.Ordinal);

        static string Bound(long all, long perByte, long perSegment, long perUnit, string unit) => string.Create(
            CultureInfo.InvariantCulture, $"{all:N0} + {perByte:N0} for each byte of the file + {perSegment:N0} for each segment + {perUnit:N0} for each {unit}");
    }

    [GeneratedRegex("```hex\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex HexBlock();

    [GeneratedRegex(@"^\| (\d+) \| ([0-9A-F]{2}[0-9A-F ,]*) \|", RegexOptions.Multiline)]
    private static partial Regex AnnotatedRow();

    [GeneratedRegex(@"^\| ([A-Z][A-Za-z]+) \| ([0-9A-F]{2} [0-9A-F ]+|\d+) \| [^|\n]+ \|$", RegexOptions.Multiline)]
    private static partial Regex ConstantRow();
}
