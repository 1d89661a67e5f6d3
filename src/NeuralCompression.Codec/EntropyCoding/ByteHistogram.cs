using System.Buffers.Binary;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Counts bytes.</summary>
internal static unsafe class ByteHistogram
{
    private const int Tables = 8;

    /// <summary>Counts bytes below <paramref name="alphabetSize"/>; eight tables side by side, because equal neighbours would wait for one another.</summary>
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.AggressiveOptimization)]
    internal static long[] Count(ReadOnlySpan<byte> text, int alphabetSize)
    {
        var counts = new long[alphabetSize];
        int* tables = stackalloc int[Tables * RansConstants.MaxAlphabet];
        new Span<int>(tables, Tables * RansConstants.MaxAlphabet).Clear();
        while (text.Length >= sizeof(ulong))
        {
            ulong eight = BinaryPrimitives.ReadUInt64LittleEndian(text);
            tables[(byte)eight]++;
            tables[(byte)(eight >> 8) + 256]++;
            tables[(byte)(eight >> 16) + 512]++;
            tables[(byte)(eight >> 24) + 768]++;
            tables[(byte)(eight >> 32) + 1024]++;
            tables[(byte)(eight >> 40) + 1280]++;
            tables[(byte)(eight >> 48) + 1536]++;
            tables[(int)(eight >> 56) + 1792]++;
            text = text[sizeof(ulong)..];
        }

        foreach (byte symbol in text)
            tables[symbol]++;
        for (int symbol = 0; symbol < alphabetSize; symbol++)
        {
            for (int table = 0; table < Tables; table++)
                counts[symbol] += tables[(table * RansConstants.MaxAlphabet) + symbol];
        }

        return counts;
    }
}
