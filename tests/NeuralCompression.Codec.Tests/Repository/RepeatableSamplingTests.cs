using CsCheck;

namespace NeuralCompression.Codec.Tests.Repository;

public sealed class RepeatableSamplingTests
{
    [Fact]
    public void SampleRepeatably_Twice_GivesTheSameSamplesAndNoTwoAlike()
    {
        var first = new List<ulong>();
        var second = new List<ulong>();
        Gen.ULong.SampleRepeatably(first.Add, iter: 50);
        Gen.ULong.SampleRepeatably(second.Add, iter: 50);
        Assert.Equal(first, second);
        Assert.Equal(50, first.Distinct().Count());
    }

    [Fact]
    public void SampleRepeatably_PropertyThatDoesNotHold_Throws() =>
        Assert.ThrowsAny<Exception>(() => Gen.Int[0, 9].SampleRepeatably(value => Assert.True(value < 7), iter: 50));
}
