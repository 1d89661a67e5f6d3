using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Writes bits from the lowest bit of each byte upwards. Source: docs/format.md, section 2.</summary>
internal sealed class BitWriter
{
    private readonly List<byte> bytes = [];
    private ulong pending;
    private int pendingBits;

    /// <summary>Bits written so far.</summary>
    internal long BitCount { get; private set; }

    /// <summary>Writes the low <paramref name="count"/> bits (0 to 32) of a value, lowest first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Write(uint value, int count)
    {
        pending |= (ulong)value << pendingBits;
        pendingBits += count;
        BitCount += count;
        while (pendingBits >= 8)
        {
            bytes.Add((byte)pending);
            pending >>= 8;
            pendingBits -= 8;
        }
    }

    /// <summary>Fills the last byte with zero bits and gives all bytes.</summary>
    internal byte[] ToArray()
    {
        if (pendingBits > 0)
        {
            bytes.Add((byte)pending);
            pending = 0;
            pendingBits = 0;
        }

        return [.. bytes];
    }
}
