using System.Numerics;
using System.Numerics.Tensors;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression;

internal sealed class SigmoidMapping : WeightMapping
{
    private readonly double _width;

    public SigmoidMapping(double lowerLimit, double upperLimit, double steepness)
        : base(MappingKind.Sigmoid, lowerLimit, upperLimit, steepness)
    {
        ThrowUnlessLimits(lowerLimit, upperLimit, steepness);
        _width = upperLimit - lowerLimit;
    }

    public override double MaxSlope => Steepness * _width / 4;

    public override double Map(double raw) => LowerLimit + (_width / (1 + Math.Exp(-Steepness * raw)));

    public override double Derivative(double raw)
    {
        double s = 1 / (1 + Math.Exp(-Steepness * raw));
        return Steepness * _width * s * (1 - s);
    }

    public override Tensor Map(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        using var scope = NewDisposeScope();
        return raw.mul(Steepness).sigmoid().mul(_width).add(LowerLimit).MoveToOuterDisposeScope();
    }

    public override Tensor Derivative(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var s = raw.mul(Steepness).sigmoid();
        return s.mul(s.neg().add(1)).mul(Steepness * _width).MoveToOuterDisposeScope();
    }

    internal override void Map<T>(ReadOnlySpan<T> raw, Span<T> mapped)
    {
        TensorPrimitives.Multiply(raw, T.CreateTruncating(Steepness), mapped);
        TensorPrimitives.Sigmoid(mapped, mapped);
        TensorPrimitives.Multiply(mapped, T.CreateTruncating(_width), mapped);
        TensorPrimitives.Add(mapped, T.CreateTruncating(LowerLimit), mapped);
    }

    // z (1 - z) (U - L) times the steepness, with z = (m - L) / (U - L).
    internal override void Derivative<T>(ReadOnlySpan<T> raw, ReadOnlySpan<T> mapped, Span<T> slope)
    {
        var lower = T.CreateTruncating(LowerLimit);
        var upper = T.CreateTruncating(UpperLimit);
        var inverseWidth = T.CreateTruncating(Steepness / _width);
        for (int i = 0; i < mapped.Length; i++)
        {
            slope[i] = (mapped[i] - lower) * (upper - mapped[i]) * inverseWidth;
        }
    }

    private protected override Tensor InverseInside(Tensor mapped)
    {
        var s = mapped.sub(LowerLimit).div(_width);
        return s.log().sub(s.neg().add(1).log()).div(Steepness);
    }

    private protected override double InverseInside(double mapped)
    {
        double s = (mapped - LowerLimit) / _width;
        return (Math.Log(s) - Math.Log(1 - s)) / Steepness;
    }

    // 4 s (1 - s) >= f where |2 s - 1| <= sqrt(1 - f), and 2 s - 1 = tanh(theta / 2).
    private protected override (double Lower, double Upper) RegionOf(double slopeFraction)
    {
        double edge = 2 * Math.Atanh(Math.Sqrt(1 - slopeFraction)) / Steepness;
        return (-edge, edge);
    }
}
