using NeuralCompression.Fuzz;
using Xunit.Abstractions;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>The fuzz program for a while: inputs guided by coverage, with every allocation and every basic block of the library counted against its bound.</summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    // About half a minute; longer runs: dotnet run --project tests/NeuralCompression.Fuzz -c Release -- guided 10000000 1 folder
    [Fact]
    public void GuidedRun_StaysWithinTheContractAndItsBounds() => output.WriteLine(FuzzProgram.RunGuided(40_000, seed: 1));
}
