using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using NeuralCompression.Sessions;

namespace NeuralCompression.Vectors;

/// <summary>Eight lanes: one register of 256 bits.</summary>
internal readonly struct FloatVector256(Vector256<float> value) : IFloatVector<FloatVector256>
{
    private readonly Vector256<float> _value = value;

    public static int Count => Vector256<float>.Count;

    public bool AnyBit
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _value.AsUInt32() != Vector256<uint>.Zero;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Noise(
        ulong* keys, ulong stream, ulong block, FloatVector256 scale, out FloatVector256 first, out FloatVector256 second, out FloatVector256 third, out FloatVector256 fourth)
    {
        Philox.Next(keys, stream, block, out var numbers);
        first = new(Vector256.ConvertToSingle(numbers.First.AsInt32()) * scale._value);
        second = new(Vector256.ConvertToSingle(numbers.Second.AsInt32()) * scale._value);
        third = new(Vector256.ConvertToSingle(numbers.Third.AsInt32()) * scale._value);
        fourth = new(Vector256.ConvertToSingle(numbers.Fourth.AsInt32()) * scale._value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 operator +(FloatVector256 left, FloatVector256 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 operator -(FloatVector256 left, FloatVector256 right) => new(left._value - right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 operator *(FloatVector256 left, FloatVector256 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 operator /(FloatVector256 left, FloatVector256 right) => new(left._value / right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 operator &(FloatVector256 left, FloatVector256 right) => new(left._value & right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 operator |(FloatVector256 left, FloatVector256 right) => new(left._value | right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 operator ^(FloatVector256 left, FloatVector256 right) => new(left._value ^ right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 Create(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 Load(ref float source, nuint index) => new(Vector256.LoadUnsafe(ref source, index));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 WhereZero(ReadOnlySpan<sbyte> values)
    {
        var signs = Vector128.WidenLower(Vector128.CreateScalarUnsafe(MemoryMarshal.Read<long>(MemoryMarshal.AsBytes(values))).AsSByte());
        return new(Vector256.Equals(Vector256.Create(Vector128.WidenLower(signs), Vector128.WidenUpper(signs)), Vector256<int>.Zero).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 Sqrt(FloatVector256 value) => new(Vector256.Sqrt(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 Abs(FloatVector256 value) => new(Vector256.Abs(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 Ceiling(FloatVector256 value) => new(Vector256.Ceiling(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 MinNative(FloatVector256 left, FloatVector256 right) => new(Vector256.MinNative(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 MaxNative(FloatVector256 left, FloatVector256 right) => new(Vector256.MaxNative(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 AreEqual(FloatVector256 left, FloatVector256 right) => new(Vector256.Equals(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 AreLess(FloatVector256 left, FloatVector256 right) => new(Vector256.LessThan(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 Select(FloatVector256 mask, FloatVector256 left, FloatVector256 right) => new(Vector256.ConditionalSelect(mask._value, left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 Clear(FloatVector256 value, FloatVector256 mask) => new(Vector256.AndNot(value._value, mask._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(ref float destination, nuint index) => _value.StoreUnsafe(ref destination, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddTo(ref BlockChecksum checksum) => checksum.Add(_value.AsUInt32());
}
