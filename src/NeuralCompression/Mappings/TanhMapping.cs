using System.Numerics;
using System.Numerics.Tensors;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression;

internal sealed class TanhMapping : WeightMapping
{
    private readonly double _center;
    private readonly double _halfWidth;

    public TanhMapping(double lowerLimit, double upperLimit)
        : base(MappingKind.Tanh, lowerLimit, upperLimit)
    {
        ThrowUnlessLimits(lowerLimit, upperLimit);
        _center = (lowerLimit + upperLimit) / 2;
        _halfWidth = (upperLimit - lowerLimit) / 2;
    }

    public override double MaxSlope => 1;

    public override double Map(double raw) => _center + (_halfWidth * Math.Tanh(raw / _halfWidth));

    public override double Derivative(double raw)
    {
        double t = Math.Tanh(raw / _halfWidth);
        return 1 - (t * t);
    }

    public override Tensor Map(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        using var scope = NewDisposeScope();
        return raw.div(_halfWidth).tanh().mul(_halfWidth).add(_center).MoveToOuterDisposeScope();
    }

    public override Tensor Derivative(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return raw.div(_halfWidth).tanh().square().neg().add(1).MoveToOuterDisposeScope();
    }

    internal override void Map<T>(ReadOnlySpan<T> raw, Span<T> mapped)
    {
        TensorPrimitives.Divide(raw, T.CreateTruncating(_halfWidth), mapped);
        TensorPrimitives.Tanh(mapped, mapped);
        TensorPrimitives.Multiply(mapped, T.CreateTruncating(_halfWidth), mapped);
        TensorPrimitives.Add(mapped, T.CreateTruncating(_center), mapped);
    }

    // 1 - ((m - c) / h)^2: no second tanh.
    internal override void Derivative<T>(ReadOnlySpan<T> raw, ReadOnlySpan<T> mapped, Span<T> slope)
    {
        TensorPrimitives.Subtract(mapped, T.CreateTruncating(_center), slope);
        TensorPrimitives.Divide(slope, T.CreateTruncating(_halfWidth), slope);
        TensorPrimitives.Multiply(slope, slope, slope);
        TensorPrimitives.Subtract(T.One, slope, slope);
    }

    private protected override Tensor InverseInside(Tensor mapped) =>
        mapped.sub(_center).div(_halfWidth).atanh().mul(_halfWidth);

    private protected override double InverseInside(double mapped) => _halfWidth * Math.Atanh((mapped - _center) / _halfWidth);

    // 1 - tanh^2 >= f where |tanh| <= sqrt(1 - f).
    private protected override (double Lower, double Upper) RegionOf(double slopeFraction)
    {
        double edge = _halfWidth * Math.Atanh(Math.Sqrt(1 - slopeFraction));
        return (-edge, edge);
    }
}
