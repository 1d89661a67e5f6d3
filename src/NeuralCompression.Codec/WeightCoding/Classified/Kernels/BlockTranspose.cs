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
        if (Sse2.IsSupported && lanes % Tile == 0)
        {
            // Rows are far apart, often by a power of two, so their cache lines compete: each is written once, whole.
            byte* gathered = stackalloc byte[Tile * ClassifiedLayout.BlockColumns];
            fixed (byte* source = block)
            {
                for (; done < offsets.Length; done += Tile)
                {
                    for (int column = 0; column < columns; column += Tile)
                        Transpose(source + (column * lanes) + done, lanes, gathered + column);
                    for (int lane = 0; lane < Math.Min(Tile, offsets.Length - done); lane++)
                    {
                        var row = new ReadOnlySpan<sbyte>(gathered + (lane * ClassifiedLayout.BlockColumns), ClassifiedLayout.BlockColumns);
                        Span<sbyte> target = symbols[offsets[done + lane]..];

                        // A length that the compiler knows is copied without a call.
                        if (columns == ClassifiedLayout.BlockColumns)
                            row.CopyTo(target[..ClassifiedLayout.BlockColumns]);
                        else
                            row[..columns].CopyTo(target);
                    }
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

    // Four rounds of interleaving row i with row i + 8: each moves one bit of the column number behind the bits of the lane number. Written out, so that rows stay in registers.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(byte* source, nint stride, byte* target)
    {
        (Vector128<byte> a0, Vector128<byte> a1) = Interleave(Vector128.Load(source), Vector128.Load(source + (8 * stride)));
        (Vector128<byte> a2, Vector128<byte> a3) = Interleave(Vector128.Load(source + stride), Vector128.Load(source + (9 * stride)));
        (Vector128<byte> a4, Vector128<byte> a5) = Interleave(Vector128.Load(source + (2 * stride)), Vector128.Load(source + (10 * stride)));
        (Vector128<byte> a6, Vector128<byte> a7) = Interleave(Vector128.Load(source + (3 * stride)), Vector128.Load(source + (11 * stride)));
        (Vector128<byte> a8, Vector128<byte> a9) = Interleave(Vector128.Load(source + (4 * stride)), Vector128.Load(source + (12 * stride)));
        (Vector128<byte> aa, Vector128<byte> ab) = Interleave(Vector128.Load(source + (5 * stride)), Vector128.Load(source + (13 * stride)));
        (Vector128<byte> ac, Vector128<byte> ad) = Interleave(Vector128.Load(source + (6 * stride)), Vector128.Load(source + (14 * stride)));
        (Vector128<byte> ae, Vector128<byte> af) = Interleave(Vector128.Load(source + (7 * stride)), Vector128.Load(source + (15 * stride)));
        (Vector128<byte> b0, Vector128<byte> b1) = Interleave(a0, a8);
        (Vector128<byte> b2, Vector128<byte> b3) = Interleave(a1, a9);
        (Vector128<byte> b4, Vector128<byte> b5) = Interleave(a2, aa);
        (Vector128<byte> b6, Vector128<byte> b7) = Interleave(a3, ab);
        (Vector128<byte> b8, Vector128<byte> b9) = Interleave(a4, ac);
        (Vector128<byte> ba, Vector128<byte> bb) = Interleave(a5, ad);
        (Vector128<byte> bc, Vector128<byte> bd) = Interleave(a6, ae);
        (Vector128<byte> be, Vector128<byte> bf) = Interleave(a7, af);
        (Vector128<byte> c0, Vector128<byte> c1) = Interleave(b0, b8);
        (Vector128<byte> c2, Vector128<byte> c3) = Interleave(b1, b9);
        (Vector128<byte> c4, Vector128<byte> c5) = Interleave(b2, ba);
        (Vector128<byte> c6, Vector128<byte> c7) = Interleave(b3, bb);
        (Vector128<byte> c8, Vector128<byte> c9) = Interleave(b4, bc);
        (Vector128<byte> ca, Vector128<byte> cb) = Interleave(b5, bd);
        (Vector128<byte> cc, Vector128<byte> cd) = Interleave(b6, be);
        (Vector128<byte> ce, Vector128<byte> cf) = Interleave(b7, bf);
        Store(Interleave(c0, c8), target);
        Store(Interleave(c1, c9), target + (2 * ClassifiedLayout.BlockColumns));
        Store(Interleave(c2, ca), target + (4 * ClassifiedLayout.BlockColumns));
        Store(Interleave(c3, cb), target + (6 * ClassifiedLayout.BlockColumns));
        Store(Interleave(c4, cc), target + (8 * ClassifiedLayout.BlockColumns));
        Store(Interleave(c5, cd), target + (10 * ClassifiedLayout.BlockColumns));
        Store(Interleave(c6, ce), target + (12 * ClassifiedLayout.BlockColumns));
        Store(Interleave(c7, cf), target + (14 * ClassifiedLayout.BlockColumns));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<byte> Low, Vector128<byte> High) Interleave(Vector128<byte> even, Vector128<byte> odd) => (Sse2.UnpackLow(even, odd), Sse2.UnpackHigh(even, odd));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store((Vector128<byte> First, Vector128<byte> Second) rows, byte* target)
    {
        rows.First.Store(target);
        rows.Second.Store(target + ClassifiedLayout.BlockColumns);
    }
}
