using System.Buffers.Binary;

namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>Counts bytes.</summary>
internal static unsafe class ByteHistogram
{
    private const int Tables = 8;

    // Not a power of two: counters whose addresses differ by 4096 bytes would wait for one another as well.
    private const int Stride = RansConstants.MaxAlphabet + 16;

    /// <summary>Counts bytes below <paramref name="alphabetSize"/>; eight tables side by side, because equal neighbours would wait for one another.</summary>
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.AggressiveOptimization)]
    internal static long[] Count(ReadOnlySpan<byte> text, int alphabetSize)
    {
        var counts = new long[alphabetSize];
        int* tables = stackalloc int[Tables * Stride];
        new Span<int>(tables, Tables * Stride).Clear();
        while (text.Length >= sizeof(ulong))
        {
            ulong eight = BinaryPrimitives.ReadUInt64LittleEndian(text);
            tables[(byte)eight]++;
            tables[(byte)(eight >> 8) + Stride]++;
            tables[(byte)(eight >> 16) + (2 * Stride)]++;
            tables[(byte)(eight >> 24) + (3 * Stride)]++;
            tables[(byte)(eight >> 32) + (4 * Stride)]++;
            tables[(byte)(eight >> 40) + (5 * Stride)]++;
            tables[(byte)(eight >> 48) + (6 * Stride)]++;
            tables[(int)(eight >> 56) + (7 * Stride)]++;
            text = text[sizeof(ulong)..];
        }

        foreach (byte symbol in text)
            tables[symbol]++;
        for (int symbol = 0; symbol < alphabetSize; symbol++)
        {
            for (int table = 0; table < Tables; table++)
                counts[symbol] += tables[(table * Stride) + symbol];
        }

        return counts;
    }
}
