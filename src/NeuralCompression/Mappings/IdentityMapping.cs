using System.Numerics;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression;

internal sealed class IdentityMapping() : WeightMapping(MappingKind.Identity, double.NegativeInfinity, double.PositiveInfinity)
{
    public override double MaxSlope => 1;

    public override double Map(double raw) => raw;

    public override double Derivative(double raw) => 1;

    public override Tensor Map(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        return raw.alias();
    }

    public override Tensor Derivative(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        using var _ = no_grad();
        return ones_like(raw);
    }

    internal override void Map<T>(ReadOnlySpan<T> raw, Span<T> mapped) => raw.CopyTo(mapped);

    internal override void Derivative<T>(ReadOnlySpan<T> raw, ReadOnlySpan<T> mapped, Span<T> slope) => slope.Fill(T.One);

    private protected override Tensor InverseInside(Tensor mapped) => mapped.clone();

    private protected override double InverseInside(double mapped) => mapped;

    private protected override (double Lower, double Upper) RegionOf(double slopeFraction) =>
        (double.NegativeInfinity, double.PositiveInfinity);
}
