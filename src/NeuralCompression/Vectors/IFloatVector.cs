namespace NeuralCompression.Vectors;

/// <summary>A vector of float32 of some width, so that a pass over the weights is written once and compiled for each. Every member is one instruction or two, with the bits of the scalar operation in every lane.</summary>
/// <remarks>Masks are vectors whose lanes have all bits set or none.</remarks>
/// <typeparam name="TSelf">The implementing type.</typeparam>
internal interface IFloatVector<TSelf>
    where TSelf : struct, IFloatVector<TSelf>
{
    /// <summary>Lanes.</summary>
    public static abstract int Count { get; }

    /// <summary>The same value in every lane.</summary>
    public static abstract TSelf Create(float value);

    /// <summary>The values from an index on.</summary>
    public static abstract TSelf Load(ref float source, nuint index);

    /// <summary>Zero or all bits, for signed bytes that are zero or not.</summary>
    public static abstract TSelf WhereZero(ReadOnlySpan<sbyte> values);

    /// <summary>Four vectors of noise: the numbers of <see cref="Count"/> counters of <see cref="Philox"/>, as signed integers, times a scale.</summary>
    /// <param name="keys">The keys of all rounds.</param>
    /// <param name="stream">The upper half of the counters.</param>
    /// <param name="block">The lower half of the first.</param>
    /// <param name="scale">The scale.</param>
    /// <param name="first">The first quarter.</param>
    /// <param name="second">The second quarter.</param>
    /// <param name="third">The third quarter.</param>
    /// <param name="fourth">The last quarter.</param>
    public static abstract unsafe void Noise(ulong* keys, ulong stream, ulong block, TSelf scale, out TSelf first, out TSelf second, out TSelf third, out TSelf fourth);

    public static abstract TSelf operator +(TSelf left, TSelf right);

    public static abstract TSelf operator -(TSelf left, TSelf right);

    public static abstract TSelf operator *(TSelf left, TSelf right);

    public static abstract TSelf operator /(TSelf left, TSelf right);

    public static abstract TSelf operator &(TSelf left, TSelf right);

    public static abstract TSelf operator |(TSelf left, TSelf right);

    public static abstract TSelf operator ^(TSelf left, TSelf right);

    public static abstract TSelf Sqrt(TSelf value);

    public static abstract TSelf Abs(TSelf value);

    public static abstract TSelf Ceiling(TSelf value);

    /// <summary>The processor's minimum: of NaN or zeros of two signs the right one.</summary>
    public static abstract TSelf MinNative(TSelf left, TSelf right);

    /// <summary>The processor's maximum: of NaN or zeros of two signs the right one.</summary>
    public static abstract TSelf MaxNative(TSelf left, TSelf right);

    public static abstract TSelf AreEqual(TSelf left, TSelf right);

    public static abstract TSelf AreLess(TSelf left, TSelf right);

    /// <summary>The left value where the mask is set, the right one elsewhere.</summary>
    public static abstract TSelf Select(TSelf mask, TSelf left, TSelf right);

    /// <summary>The value where the mask is not set, zero elsewhere.</summary>
    public static abstract TSelf Clear(TSelf value, TSelf mask);

    /// <summary>Writes the values from an index on.</summary>
    public void Store(ref float destination, nuint index);

    /// <summary>Adds the lanes' bits, in order.</summary>
    public void AddTo(ref Sessions.BlockChecksum checksum);

    /// <summary>Whether any bit is set.</summary>
    public bool AnyBit { get; }
}
