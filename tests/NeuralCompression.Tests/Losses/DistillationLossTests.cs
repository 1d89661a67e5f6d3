using NeuralCompression.Tests.Support;
using TorchSharp;
using static NeuralCompression.Tests.Support.TestTensors;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Losses;

public sealed class DistillationLossTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3.5)]
    public void Call_Logits_GivesTheWrittenValueAndGradient(double temperature)
    {
        using var scope = NewDisposeScope();
        using var loss = new DistillationLoss(temperature);
        var logits = Random(1, ScalarType.Float64, 5, 3).mul(4).detach().requires_grad_();
        var teacher = Random(2, ScalarType.Float64, 5, 3).mul(4);
        var value = loss.call(logits, teacher);
        value.backward();
        double[][] q = Softmax(Values(logits), temperature);
        double[][] p = Softmax(Values(teacher), temperature);
        double expected = temperature * temperature * p.Zip(q, (a, b) => a.Zip(b, (x, y) => x * Math.Log(x / y)).Sum()).Average();
        Assert.Equal(expected, Value(value), 1e-13);
        AssertClose([.. p.Zip(q, (a, b) => a.Zip(b, (x, y) => temperature * (y - x) / 5)).SelectMany(r => r)], Values(logits.grad!), relative: 0, absolute: 1e-13);
        Assert.Equal(0, Value(loss.call(teacher, teacher)), 1e-14);
    }

    [Fact]
    public void Call_WithLabels_MixesBoth()
    {
        using var scope = NewDisposeScope();
        using var loss = new DistillationLoss(2, teacherWeight: 0.3);
        var logits = Random(1, ScalarType.Float64, 5, 3);
        var teacher = Random(2, ScalarType.Float64, 5, 3);
        var labels = tensor(new long[] { 0, 1, 2, 1, 0 });
        double expected = (0.3 * Value(loss.call(logits, teacher))) + (0.7 * Value(nn.functional.cross_entropy(logits, labels)));
        Assert.Equal(expected, Value(loss.call(logits, teacher, labels)), 1e-14);
    }

    [Fact]
    public void BadArguments_Throw()
    {
        using var scope = NewDisposeScope();
        Assert.Throws<ArgumentOutOfRangeException>(() => new DistillationLoss(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DistillationLoss(double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DistillationLoss(1, 1.1));
        using var loss = new DistillationLoss();
        Assert.Throws<ArgumentException>(() => loss.call(zeros(2, 3), zeros(3, 2)));
        Assert.Throws<ArgumentException>(() => loss.call(zeros(3), zeros(3)));
        Assert.Throws<ArgumentNullException>(() => loss.call(zeros(3), null!));
    }

    private static double[][] Softmax(double[] values, double temperature) =>
        [.. values.Chunk(3).Select(row =>
        {
            double sum = row.Sum(x => Math.Exp(x / temperature));
            return Array.ConvertAll(row, x => Math.Exp(x / temperature) / sum);
        })];
}
