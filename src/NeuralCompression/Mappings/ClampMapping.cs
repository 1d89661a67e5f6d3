using System.Numerics;
using System.Numerics.Tensors;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression;

internal sealed class ClampMapping : WeightMapping
{
    public ClampMapping(double lowerLimit, double upperLimit)
        : base(MappingKind.Clamp, lowerLimit, upperLimit) => ThrowUnlessLimits(lowerLimit, upperLimit);

    public override double MaxSlope => 1;

    internal override (double Lower, double Upper) Domain => (LowerLimit, UpperLimit);

    public override double Map(double raw) => Math.Clamp(raw, LowerLimit, UpperLimit);

    // The limits themselves count as inside, as in torch's clamp: a weight at a limit can come back.
    public override double Derivative(double raw) => raw >= LowerLimit && raw <= UpperLimit ? 1 : 0;

    public override Tensor Map(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        return raw.clamp(LowerLimit, UpperLimit);
    }

    public override Tensor Derivative(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return raw.ge(LowerLimit).logical_and(raw.le(UpperLimit)).to(raw.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>The same on vectors of float32; null where zero is a limit.</summary>
    internal ClampVectors? Vectors => LowerLimit < 0 && UpperLimit > 0 ? new ClampVectors((float)LowerLimit, (float)UpperLimit) : null;

    internal override void Map<T>(ReadOnlySpan<T> raw, Span<T> mapped)
    {
        TensorPrimitives.Max(raw, T.CreateTruncating(LowerLimit), mapped);
        TensorPrimitives.Min(mapped, T.CreateTruncating(UpperLimit), mapped);
    }

    internal override void Derivative<T>(ReadOnlySpan<T> raw, ReadOnlySpan<T> mapped, Span<T> slope)
    {
        int i = 0;
        for (; Vector<T>.IsSupported && i <= raw.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            var inside = Vector.Equals(new Vector<T>(raw[i..]), new Vector<T>(mapped[i..]));
            Vector.ConditionalSelect(inside, Vector<T>.One, Vector<T>.Zero).CopyTo(slope[i..]);
        }

        for (; i < raw.Length; i++)
        {
            slope[i] = raw[i] == mapped[i] ? T.One : T.Zero;
        }
    }

    private protected override Tensor InverseInside(Tensor mapped) => mapped.clone();

    private protected override double InverseInside(double mapped) => mapped;

    private protected override (double Lower, double Upper) RegionOf(double slopeFraction) => (LowerLimit, UpperLimit);
}
