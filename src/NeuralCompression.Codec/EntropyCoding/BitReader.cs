using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Reads what <see cref="BitWriter"/> wrote. Source: docs/format.md, section 2.</summary>
internal ref struct BitReader(ReadOnlySpan<byte> source, ContainerError error)
{
    private readonly ReadOnlySpan<byte> source = source;
    private int position;

    // Bits of the byte at the position that were read.
    private int used;

    /// <summary>Reads <paramref name="count"/> bits (0 to 32).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal uint Read(int count)
    {
        ulong bits = source.Length - position >= sizeof(ulong) ? BinaryPrimitives.ReadUInt64LittleEndian(source[position..]) : Last(count);
        var value = (uint)((bits >> used) & ((1UL << count) - 1));
        used += count;
        position += used >> 3;
        used &= 7;
        return value;
    }

    /// <summary>The next 57 bits or more, the first the lowest; zeros after the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal readonly ulong Peek() =>
        (source.Length - position >= sizeof(ulong) ? BinaryPrimitives.ReadUInt64LittleEndian(source[position..]) : Last(0)) >> used;

    /// <summary>Goes on by <paramref name="count"/> bits (0 to 57), all of which there must be.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Skip(int count)
    {
        if (source.Length - position < sizeof(ulong))
            _ = Last(count);
        used += count;
        position += used >> 3;
        used &= 7;
    }

    /// <summary>Checks that the rest of the last byte is zero and gives the number of bytes read.</summary>
    internal readonly int Finish()
    {
        if (used == 0)
            return position;
        if (source[position] >> used != 0)
            Invalid.Throw(ContainerError.Padding, "The unused bits after a bit field are not zero.");
        return position + 1;
    }

    // What is left near the end of the source.
    private readonly ulong Last(int count)
    {
        if (used + count > 8 * (source.Length - position))
            Invalid.Throw(error, "The bits end early.");
        ulong bits = 0;
        for (int i = source.Length - 1; i >= position; i--)
            bits = (bits << 8) | source[i];
        return bits;
    }
}
