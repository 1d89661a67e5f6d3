using System.Xml.Linq;
using NeuralCompression.Tests.Support;

namespace NeuralCompression.Tests.Documentation;

/// <summary>Claim 17: two packages, with exactly the dependencies that are promised.</summary>
public sealed class PackageTests
{
    [Theory]
    [InlineData("NeuralCompression", "Microsoft.Extensions.Options TorchSharp", "NeuralCompression.Codec.csproj")]
    [InlineData("NeuralCompression.Codec", "System.Numerics.Tensors", "")]
    public void Projects_OfThePackages_ArePackableWithThePromisedDependencies(string project, string packages, string projects)
    {
        Assert.Contains("<IsPackable>true</IsPackable>", Repository.Read("src/Directory.Build.props"), StringComparison.Ordinal);
        var xml = XDocument.Parse(Repository.Read($"src/{project}/{project}.csproj"));
        var runtime = xml.Descendants("PackageReference").Where(p => (string?)p.Attribute("PrivateAssets") != "all").Select(p => (string)p.Attribute("Include")!);
        Assert.Equal(packages, string.Join(' ', runtime.Order(StringComparer.Ordinal)));
        Assert.Equal(projects, string.Join(' ', xml.Descendants("ProjectReference").Select(p => ((string)p.Attribute("Include")!).Split('/')[^1])));
        Assert.DoesNotContain(xml.Descendants("IsPackable"), e => e.Value == "false");
    }
}
