namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Reads what <see cref="BitWriter"/> wrote. Source: docs/format.md, section 2.</summary>
internal ref struct BitReader(ReadOnlySpan<byte> source, ContainerError error)
{
    private readonly ReadOnlySpan<byte> source = source;
    private ulong pending;
    private int pendingBits;
    private int position;

    /// <summary>Reads <paramref name="count"/> bits (0 to 32).</summary>
    internal uint Read(int count)
    {
        while (pendingBits < count)
        {
            if (position == source.Length)
                Invalid.Throw(error, "The bits end early.");
            pending |= (ulong)source[position++] << pendingBits;
            pendingBits += 8;
        }

        uint value = (uint)(pending & ((1UL << count) - 1));
        pending >>= count;
        pendingBits -= count;
        return value;
    }

    /// <summary>Checks that the rest of the last byte is zero and gives the number of bytes read.</summary>
    internal readonly int Finish()
    {
        if (pending != 0)
            Invalid.Throw(ContainerError.Padding, "The unused bits after a bit field are not zero.");
        return position;
    }
}
