namespace NeuralCompression.Codec.Tests.Quantization;

/// <summary>The search for the steps of a byte budget, on files whose lengths a formula gives.</summary>
public sealed class StepBudgetTests
{
    [Theory]
    [InlineData(3_000)]
    [InlineData(20_000)]
    [InlineData(90_000)]
    public void Find_SmoothCurve_UsesTheBudget(long target)
    {
        double multiple = StepBudget.Find(target, Length, () => 100_000);
        Assert.InRange(Length(multiple), 0.98 * target, target);
    }

    // A budget that all fits into takes two files: the coarsest and the finest.
    [Theory]
    [InlineData(10_000_000)]
    [InlineData(long.MaxValue)]
    public void Find_MoreThanEnough_TriesTheFinestAtOnce(long target)
    {
        var tried = new List<double>();
        double multiple = StepBudget.Find(
            target,
            at =>
            {
                tried.Add(at);
                return Length(at);
            },
            () => 100_000);
        Assert.Equal([64, multiple], tried);
    }

    [Fact]
    public void Find_TooLittle_SaysWhatCannotBeLeftOut() =>
        Assert.Contains("take 100", Assert.Throws<ArgumentException>(() => StepBudget.Find(99, Length, () => 100_000)).Message, StringComparison.Ordinal);

    // 100,000 normal weights, and 100 bytes of other things.
    private static long Length(double multiple) => 100 + (long)(100_000 / 8.0 * Math.Max(0, 2.047 - Math.Log2(multiple)));
}
