using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using NeuralCompression.Vectors;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression;

internal sealed class TanhMapping : WeightMapping
{
    // Scratch stays in the first-level cache.
    private const int Block = 1024;

    private readonly double _center;
    private readonly double _halfWidth;

    // What θ is divided by before tanh, h / s.
    private readonly double _scale;

    public TanhMapping(double lowerLimit, double upperLimit, double steepness)
        : base(MappingKind.Tanh, lowerLimit, upperLimit, steepness)
    {
        ThrowUnlessLimits(lowerLimit, upperLimit, steepness);
        _center = (lowerLimit + upperLimit) / 2;
        _halfWidth = (upperLimit - lowerLimit) / 2;
        _scale = _halfWidth / steepness;
    }

    public override double MaxSlope => Steepness;

    public override double Map(double raw) => _center + (_halfWidth * Math.Tanh(raw / _scale));

    public override double Derivative(double raw)
    {
        double t = Math.Tanh(raw / _scale);
        return Steepness * (1 - (t * t));
    }

    public override Tensor Map(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        using var scope = NewDisposeScope();
        return raw.div(_scale).tanh().mul(_halfWidth).add(_center).MoveToOuterDisposeScope();
    }

    public override Tensor Derivative(Tensor raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return raw.div(_scale).tanh().square().neg().add(1).mul(Steepness).MoveToOuterDisposeScope();
    }

    internal override void Map<T>(ReadOnlySpan<T> raw, Span<T> mapped)
    {
        if (typeof(T) == typeof(float))
        {
            MapSingle(MemoryMarshal.Cast<T, float>(raw), MemoryMarshal.Cast<T, float>(mapped));
            return;
        }

        Span<T> ratio = stackalloc T[Block];
        for (int i = 0; i < raw.Length; i += Block)
        {
            int n = Math.Min(Block, raw.Length - i);
            TensorPrimitives.Divide(raw.Slice(i, n), T.CreateTruncating(_scale), ratio[..n]);
            TensorPrimitives.Tanh(ratio[..n], mapped.Slice(i, n));
            RefineNearZero(ratio[..n], mapped.Slice(i, n));
        }

        TensorPrimitives.Multiply(mapped, T.CreateTruncating(_halfWidth), mapped);
        TensorPrimitives.Add(mapped, T.CreateTruncating(_center), mapped);
    }

    // s (1 - ((m - c) / h)^2): no second tanh.
    internal override void Derivative<T>(ReadOnlySpan<T> raw, ReadOnlySpan<T> mapped, Span<T> slope)
    {
        var center = T.CreateTruncating(_center);
        var inverse = T.CreateTruncating(1 / _halfWidth);
        var steepness = T.CreateTruncating(Steepness);
        int i = 0;
        for (; Vector<T>.IsSupported && i <= mapped.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            var t = (new Vector<T>(mapped[i..]) - new Vector<T>(center)) * inverse;
            ((Vector<T>.One - (t * t)) * steepness).CopyTo(slope[i..]);
        }

        for (; i < mapped.Length; i++)
        {
            var t = (mapped[i] - center) * inverse;
            slope[i] = (T.One - (t * t)) * steepness;
        }
    }

    /// <summary>The same on vectors of float32.</summary>
    internal TanhVectors Vectors => new((float)_scale, (float)_halfWidth, (float)_center, (float)Steepness, (float)(1 / _halfWidth));

    private void MapSingle(ReadOnlySpan<float> raw, Span<float> mapped)
    {
        var vectors = Vectors;
        int i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            i = MapVectors<FloatVector512>(vectors, raw, mapped);
        }

        i += MapVectors<FloatVector256>(vectors, raw[i..], mapped[i..]);
        if (i < raw.Length)
        {
            // The same arithmetic for the rest, so that a value does not depend on its place.
            Span<float> rest = stackalloc float[FloatVector256.Count];
            rest.Clear();
            raw[i..].CopyTo(rest);
            MapVectors<FloatVector256>(vectors, rest, rest);
            rest[..(raw.Length - i)].CopyTo(mapped[i..]);
        }
    }

    // How many it has mapped: as many as fill whole vectors.
    private static int MapVectors<TVector>(TanhVectors vectors, ReadOnlySpan<float> raw, Span<float> mapped)
        where TVector : struct, IFloatVector<TVector>
    {
        int length = raw.Length - (raw.Length % TVector.Count);
        ref float source = ref MemoryMarshal.GetReference(raw);
        ref float target = ref MemoryMarshal.GetReference(mapped[..length]);
        for (nuint i = 0; i < (nuint)length; i += (nuint)TVector.Count)
        {
            vectors.Map(TVector.Load(ref source, i)).Store(ref target, i);
        }

        return length;
    }

    private protected override Tensor InverseInside(Tensor mapped) =>
        mapped.sub(_center).div(_halfWidth).atanh().mul(_scale);

    private protected override double InverseInside(double mapped) => _scale * Math.Atanh((mapped - _center) / _halfWidth);

    // The vectorised Tanh is exp(..) - 1 over exp(..) + 1: its error is a roundoff of 1, so that tanh(0) may be 1e-7 in float32. Zero weights must be zero:
    // x - x^3/3 + 2x^5/15, whose next term is below half a roundoff of x up to these bounds.
    private static void RefineNearZero<T>(ReadOnlySpan<T> x, Span<T> tanh)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var bound = T.CreateTruncating(typeof(T) == typeof(double) ? 1.0 / 512 : 1.0 / 16);
        var third = T.CreateTruncating(-1.0 / 3);
        var fifth = T.CreateTruncating(2.0 / 15);
        int i = 0;
        for (; Vector<T>.IsSupported && i <= x.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            var v = new Vector<T>(x[i..]);
            var square = v * v;
            var series = v + (v * square * (new Vector<T>(third) + (square * fifth)));
            Vector.ConditionalSelect(Vector.LessThan(Vector.Abs(v), new Vector<T>(bound)), series, new Vector<T>(tanh[i..])).CopyTo(tanh[i..]);
        }

        for (; i < x.Length; i++)
        {
            var square = x[i] * x[i];
            tanh[i] = T.Abs(x[i]) < bound ? x[i] + (x[i] * square * (third + (square * fifth))) : tanh[i];
        }
    }

    // 1 - tanh^2 >= f where |tanh| <= sqrt(1 - f).
    private protected override (double Lower, double Upper) RegionOf(double slopeFraction)
    {
        double edge = _scale * Math.Atanh(Math.Sqrt(1 - slopeFraction));
        return (-edge, edge);
    }
}
