namespace NeuralCompression.Codec;

/// <summary>What a reader will accept at most, so that a hostile file costs little. Every limit is checked before anything is allocated for what it bounds.</summary>
/// <remarks>
/// <para>A rANS symbol of probability one takes no bits, so a few bytes can honestly describe a tensor of any size: the limits on decoded bytes are absolute, not ratios.</para>
/// <para>Immutable once built. Source: docs/format.md, section 6.</para>
/// </remarks>
public sealed class DecodeLimits
{
    /// <summary>The limits used where none are given.</summary>
    public static DecodeLimits Default { get; } = new();

    /// <summary>The longest index; bytes, range <c>[1, 2^31 - 57]</c>; default 64 MiB.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public long MaxIndexBytes { get; init => field = Check(value, 1, Array.MaxLength, nameof(MaxIndexBytes)); } = 64L << 20;

    /// <summary>The most tensors, aliases included; range <c>[0, 2^31 - 1]</c>; default 262,144.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int MaxTensors { get; init => field = (int)Check(value, 0, int.MaxValue, nameof(MaxTensors)); } = 262_144;

    /// <summary>The most segments of all tensors that are cut into segments; range <c>[0, 2^31 - 1]</c>; default 262,144.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int MaxSegments { get; init => field = (int)Check(value, 0, int.MaxValue, nameof(MaxSegments)); } = 262_144;

    /// <summary>The longest name; bytes of UTF-8, range <c>[1, 65,535]</c>; default 512.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int MaxNameBytes { get; init => field = (int)Check(value, 1, 65_535, nameof(MaxNameBytes)); } = 512;

    /// <summary>The most axes of a tensor; range <c>[0, 15]</c>; default 8.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int MaxRank { get; init => field = (int)Check(value, 0, 15, nameof(MaxRank)); } = 8;

    /// <summary>The most elements of a tensor; elements, range <c>[0, 2^63)</c>; default 2^31 - 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public long MaxElementsPerTensor { get; init => field = Check(value, 0, long.MaxValue, nameof(MaxElementsPerTensor)); } = int.MaxValue;

    /// <summary>The most bytes one tensor may decode to; bytes, range <c>[0, 2^63)</c>; default 4 GiB.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public long MaxDecodedBytesPerTensor { get; init => field = Check(value, 0, long.MaxValue, nameof(MaxDecodedBytesPerTensor)); } = 4L << 30;

    /// <summary>The most bytes all tensors together, each alias counted as its target, may decode to; bytes, range <c>[0, 2^63)</c>; default 16 GiB.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public long MaxDecodedBytes { get; init => field = Check(value, 0, long.MaxValue, nameof(MaxDecodedBytes)); } = 16L << 30;

    /// <summary>The most payload bytes a reader on a stream that cannot seek keeps in memory beside the one it decodes; bytes, range <c>[0, 2^63)</c>; default 1 GiB. With 0 the
    /// tensors can be decoded in the order of the file only, each once.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public long MaxBufferedBytes { get; init => field = Check(value, 0, long.MaxValue, nameof(MaxBufferedBytes)); } = 1L << 30;

    private static long Check(long value, long min, long max, string property) =>
        value >= min && value <= max
            ? value
            : throw new ArgumentOutOfRangeException(property, value, FormattableString.Invariant($"{property} must lie between {min} and {max}."));
}
