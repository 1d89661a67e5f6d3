using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>Counts bytes.</summary>
internal static unsafe class ByteHistogram
{
    private const int Tables = 4;

    // Not a power of two: counters whose addresses differ by 4096 bytes would wait for one another.
    private const int Stride = RansConstants.MaxAlphabet + 64;

    /// <summary>Counts bytes minus <paramref name="first"/> (modulo 256), all below <paramref name="alphabetSize"/>.</summary>
    /// <remarks>Four tables side by side, because equal neighbours would wait for one another; read byte by byte, which is faster than taking words apart.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static long[] Count(ReadOnlySpan<byte> text, int alphabetSize, byte first = 0)
    {
        uint* tables = stackalloc uint[Tables * Stride];
        new Span<uint>(tables, Tables * Stride).Clear();
        uint* table1 = tables + Stride;
        uint* table2 = tables + (2 * Stride);
        uint* table3 = tables + (3 * Stride);
        fixed (byte* start = text)
        {
            byte* next = start;
            byte* end = start + text.Length;
            for (; end - next >= 8; next += 8)
            {
                tables[next[0]]++;
                table1[next[1]]++;
                table2[next[2]]++;
                table3[next[3]]++;
                tables[next[4]]++;
                table1[next[5]]++;
                table2[next[6]]++;
                table3[next[7]]++;
            }

            for (; next < end; next++)
                tables[*next]++;
        }

        var counts = new long[alphabetSize];
        for (int symbol = 0; symbol < alphabetSize; symbol++)
        {
            byte value = (byte)(symbol + first);
            counts[symbol] = (long)tables[value] + table1[value] + table2[value] + table3[value];
        }

        return counts;
    }
}
