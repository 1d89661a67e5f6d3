using System.Numerics;
using System.Numerics.Tensors;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression;

internal sealed class SigmoidMapping : WeightMapping
{
    private readonly double _width;

    public SigmoidMapping(double lowerLimit, double upperLimit)
        : base(MappingKind.Sigmoid, lowerLimit, upperLimit)
    {
        ThrowUnlessLimits(lowerLimit, upperLimit);
        _width = upperLimit - lowerLimit;
    }

    public override double MaxSlope => _width / 4;

    public override double Map(double raw) => LowerLimit + (_width / (1 + Math.Exp(-raw)));

    public override double Derivative(double raw)
    {
        double s = 1 / (1 + Math.Exp(-raw));
        return _width * s * (1 - s);
    }

    public override Tensor Map(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        using var scope = NewDisposeScope();
        return raw.sigmoid().mul(_width).add(LowerLimit).MoveToOuterDisposeScope();
    }

    public override Tensor Derivative(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var s = raw.sigmoid();
        return s.mul(s.neg().add(1)).mul(_width).MoveToOuterDisposeScope();
    }

    internal override void Map<T>(ReadOnlySpan<T> raw, Span<T> mapped)
    {
        TensorPrimitives.Sigmoid(raw, mapped);
        TensorPrimitives.Multiply(mapped, T.CreateTruncating(_width), mapped);
        TensorPrimitives.Add(mapped, T.CreateTruncating(LowerLimit), mapped);
    }

    // s (1 - s) (U - L) with s = (m - L) / (U - L).
    internal override void Derivative<T>(ReadOnlySpan<T> raw, ReadOnlySpan<T> mapped, Span<T> slope)
    {
        var lower = T.CreateTruncating(LowerLimit);
        var upper = T.CreateTruncating(UpperLimit);
        var inverseWidth = T.CreateTruncating(1 / _width);
        for (int i = 0; i < mapped.Length; i++)
        {
            slope[i] = (mapped[i] - lower) * (upper - mapped[i]) * inverseWidth;
        }
    }

    private protected override Tensor InverseInside(Tensor mapped)
    {
        var s = mapped.sub(LowerLimit).div(_width);
        return s.log().sub(s.neg().add(1).log());
    }

    private protected override double InverseInside(double mapped)
    {
        double s = (mapped - LowerLimit) / _width;
        return Math.Log(s) - Math.Log(1 - s);
    }

    // 4 s (1 - s) >= f where |2 s - 1| <= sqrt(1 - f), and 2 s - 1 = tanh(theta / 2).
    private protected override (double Lower, double Upper) RegionOf(double slopeFraction)
    {
        double edge = 2 * Math.Atanh(Math.Sqrt(1 - slopeFraction));
        return (-edge, edge);
    }
}
