using NeuralCompression.Fuzz;
using Xunit.Abstractions;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>The fuzz program for a while: inputs guided by coverage, with every allocation and every basic block of the library counted against its bound.</summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    // About half a minute for models; longer runs: dotnet run --project tests/NeuralCompression.Fuzz -c Release -- guided models 10000000 1 folder
    [Theory]
    [InlineData("models", 40_000)]
    [InlineData("updates", 5_000)]
    [InlineData("manifests", 2_000)]
    [InlineData("safetensors", 2_000)]
    [InlineData("safetensors-index", 2_000)]
    [InlineData("torchsharp", 2_000)]
    public void GuidedRun_StaysWithinTheContractAndItsBounds(string target, long executions) => output.WriteLine(FuzzProgram.RunGuided(target, executions, seed: 1));
}
