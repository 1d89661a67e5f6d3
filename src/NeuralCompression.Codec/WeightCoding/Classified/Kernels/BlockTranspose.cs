using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NeuralCompression.Codec.WeightCoding.Classified.Kernels;

/// <summary>Turns a block of columns, a byte for each lane, into rows.</summary>
internal static unsafe class BlockTranspose
{
    private const int Tile = 16;

    /// <summary>Writes part of a row of the tensor from each lane.</summary>
    /// <param name="block">64 columns of <paramref name="lanes"/> bytes, of which the first are used.</param>
    /// <param name="lanes">Bytes of a column.</param>
    /// <param name="offsets">Where each lane's row goes on in <paramref name="symbols"/>.</param>
    /// <param name="columns">Columns to write, at most 64.</param>
    /// <param name="symbols">The tensor.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Run(ReadOnlySpan<byte> block, int lanes, ReadOnlySpan<int> offsets, int columns, Span<sbyte> symbols)
    {
        int done = 0;
        Vector128<byte>* room = stackalloc Vector128<byte>[2 * Tile];
        if (Sse2.IsSupported && lanes % Tile == 0)
        {
            // Rows are far apart, often by a power of two, so their cache lines compete: each is written once, whole.
            byte* gathered = stackalloc byte[Tile * ClassifiedLayout.BlockColumns];
            fixed (byte* source = block)
            {
                for (; done < offsets.Length; done += Tile)
                {
                    for (int column = 0; column < columns; column += Tile)
                        Transpose(source + (column * lanes) + done, lanes, gathered + column, room, room + Tile);
                    for (int lane = 0; lane < Math.Min(Tile, offsets.Length - done); lane++)
                        new ReadOnlySpan<sbyte>(gathered + (lane * ClassifiedLayout.BlockColumns), columns).CopyTo(symbols[offsets[done + lane]..]);
                }
            }
        }

        for (; done < offsets.Length; done++)
        {
            Span<sbyte> row = symbols.Slice(offsets[done], columns);
            for (int column = 0; column < row.Length; column++)
                row[column] = (sbyte)block[(column * lanes) + done];
        }
    }

    // Four rounds of interleaving row i with row i + 8: each moves one bit of the column number behind the bits of the lane number.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(byte* source, int stride, byte* target, Vector128<byte>* a, Vector128<byte>* b)
    {
        for (int i = 0; i < Tile; i++)
            a[i] = Vector128.Load(source + (i * stride));
        Interleave(a, b);
        Interleave(b, a);
        Interleave(a, b);
        for (int i = 0; i < Tile / 2; i++)
        {
            Sse2.UnpackLow(b[i], b[i + 8]).Store(target + (2 * i * ClassifiedLayout.BlockColumns));
            Sse2.UnpackHigh(b[i], b[i + 8]).Store(target + (((2 * i) + 1) * ClassifiedLayout.BlockColumns));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave(Vector128<byte>* from, Vector128<byte>* to)
    {
        for (int i = 0; i < Tile / 2; i++)
        {
            to[2 * i] = Sse2.UnpackLow(from[i], from[i + 8]);
            to[(2 * i) + 1] = Sse2.UnpackHigh(from[i], from[i + 8]);
        }
    }
}
