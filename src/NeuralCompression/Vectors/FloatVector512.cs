using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NeuralCompression.Sessions;

namespace NeuralCompression.Vectors;

/// <summary>Sixteen lanes: one register of 512 bits.</summary>
internal readonly struct FloatVector512(Vector512<float> value) : IFloatVector<FloatVector512>
{
    private readonly Vector512<float> _value = value;

    public static int Count => Vector512<float>.Count;

    public bool AnyBit
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _value.AsUInt32() != Vector512<uint>.Zero;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Noise(
        ulong* keys, ulong stream, ulong block, FloatVector512 scale, out FloatVector512 first, out FloatVector512 second, out FloatVector512 third, out FloatVector512 fourth)
    {
        Philox.NextWide(keys, stream, block, out var a, out var b, out var c, out var d);
        first = new(Vector512.ConvertToSingle(a.AsInt32()) * scale._value);
        second = new(Vector512.ConvertToSingle(b.AsInt32()) * scale._value);
        third = new(Vector512.ConvertToSingle(c.AsInt32()) * scale._value);
        fourth = new(Vector512.ConvertToSingle(d.AsInt32()) * scale._value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator +(FloatVector512 left, FloatVector512 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator -(FloatVector512 left, FloatVector512 right) => new(left._value - right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator *(FloatVector512 left, FloatVector512 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator /(FloatVector512 left, FloatVector512 right) => new(left._value / right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator &(FloatVector512 left, FloatVector512 right) => new(left._value & right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator |(FloatVector512 left, FloatVector512 right) => new(left._value | right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator ^(FloatVector512 left, FloatVector512 right) => new(left._value ^ right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Create(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Load(ref float source, nuint index) => new(Vector512.LoadUnsafe(ref source, index));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 WhereZero(ReadOnlySpan<sbyte> values)
    {
        var (low, high) = Vector128.Widen(Vector128.Create(values));
        var (first, second) = Vector256.Widen(Vector256.Create(low, high));
        return new(Vector512.Equals(Vector512.Create(first, second), Vector512<int>.Zero).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Sqrt(FloatVector512 value) => new(Vector512.Sqrt(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Abs(FloatVector512 value) => new(Vector512.Abs(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Ceiling(FloatVector512 value) => new(Vector512.Ceiling(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 MinNative(FloatVector512 left, FloatVector512 right) => new(Vector512.MinNative(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 MaxNative(FloatVector512 left, FloatVector512 right) => new(Vector512.MaxNative(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 AreEqual(FloatVector512 left, FloatVector512 right) => new(Vector512.Equals(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 AreLess(FloatVector512 left, FloatVector512 right) => new(Vector512.LessThan(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Select(FloatVector512 mask, FloatVector512 left, FloatVector512 right) => new(Vector512.ConditionalSelect(mask._value, left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Clear(FloatVector512 value, FloatVector512 mask) => new(Vector512.AndNot(value._value, mask._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(ref float destination, nuint index) => _value.StoreUnsafe(ref destination, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddTo(ref BlockChecksum checksum)
    {
        checksum.Add(_value.GetLower().AsUInt32());
        checksum.Add(_value.GetUpper().AsUInt32());
    }
}
