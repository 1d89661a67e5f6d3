using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace NeuralCompression.Codec.WeightCoding.Lossless.Kernels;

/// <summary>128-bit vectors, 16 elements at a time. Wider ones gain nothing: this already moves more bytes than memory does.</summary>
/// <remarks>
/// <para>Splitting halves elements until bytes are left: the low halves of two vectors pack into one vector, the high halves into another. Merging zips them back. Elements of 8 bytes are
/// two elements of 4 after their rotation.</para>
/// <para>Interleaving spreads 8 bytes at a time through a table of 256 shuffles, as the decoders of the entropy coder do; it stops where 8 bytes of a text are no longer left, so nothing outside
/// the spans is touched. The same bytes as <see cref="ScalarPlanes"/> by construction: only moves, and the rotation.</para>
/// </remarks>
internal static unsafe class Vector128Planes
{
    private const int Unit = PlaneKernels.Unit;
    private const int Eight = 8;

    // Row m moves the i-th byte to the i-th place whose bit is set in m; 255 gives zero elsewhere. 16 bytes a row, the upper 8 unused.
    private static readonly byte[] Spreads = BuildSpreads();

    internal static bool IsSupported => Vector128.IsHardwareAccelerated && BitConverter.IsLittleEndian && (Ssse3.IsSupported || AdvSimd.Arm64.IsSupported);

    internal static void Split(ReadOnlySpan<byte> elements, int size, bool rotate, Span<byte> planes, int stride)
    {
        fixed (byte* source = elements)
        fixed (byte* destination = planes)
        {
            int count = elements.Length / size;
            switch (size)
            {
                case sizeof(ushort):
                    Split2(source, count, rotate, destination, stride);
                    break;
                case sizeof(uint):
                    Split4(source, count, rotate, destination, stride);
                    break;
                default:
                    Split8(source, count, rotate, destination, stride);
                    break;
            }
        }
    }

    internal static void Merge(ReadOnlySpan<byte> planes, int stride, int size, bool rotate, Span<byte> elements)
    {
        fixed (byte* source = planes)
        fixed (byte* destination = elements)
        {
            int count = elements.Length / size;
            switch (size)
            {
                case sizeof(ushort):
                    Merge2(source, stride, count, rotate, destination);
                    break;
                case sizeof(uint):
                    Merge4(source, stride, count, rotate, destination);
                    break;
                default:
                    Merge8(source, stride, count, rotate, destination);
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Interleave(ReadOnlySpan<byte> top, ReadOnlySpan<byte> zeros, ReadOnlySpan<byte> others, Span<byte> plane, out int fromZeros)
    {
        fixed (byte* spreads = Spreads)
        fixed (byte* firstTop = top)
        fixed (byte* firstZero = zeros)
        fixed (byte* firstOther = others)
        fixed (byte* firstByte = plane)
        {
            int zero = 0;
            int done = 0;
            while (done + Eight <= top.Length && zero + Eight <= zeros.Length && done - zero + Eight <= others.Length)
            {
                uint isZero = Vector128.Equals(Load8(firstTop + done), Vector128<byte>.Zero).ExtractMostSignificantBits() & 0xFF;
                Vector128<byte> fromZero = Vector128.ShuffleNative(Load8(firstZero + zero), Vector128.Load(spreads + (isZero * 16)));
                Vector128<byte> fromOther = Vector128.ShuffleNative(Load8(firstOther + done - zero), Vector128.Load(spreads + ((isZero ^ 0xFF) * 16)));
                *(ulong*)(firstByte + done) = (fromZero | fromOther).AsUInt64().ToScalar();
                zero += BitOperations.PopCount(isZero);
                done += Eight;
            }

            fromZeros = zero;
            return done;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Split2(byte* source, int count, bool rotate, byte* planes, nint stride)
    {
        for (int i = 0; i < count; i += Unit, source += 2 * Unit)
        {
            Vector128<ushort> a = Vector128.Load((ushort*)source);
            Vector128<ushort> b = Vector128.Load((ushort*)source + Eight);
            if (rotate)
                (a, b) = (Vector128.ShiftLeft(a, 1) | Vector128.ShiftRightLogical(a, 15), Vector128.ShiftLeft(b, 1) | Vector128.ShiftRightLogical(b, 15));
            Low(a, b).Store(planes + i);
            High(a, b).Store(planes + stride + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Split4(byte* source, int count, bool rotate, byte* planes, nint stride)
    {
        for (int i = 0; i < count; i += Unit, source += 4 * Unit)
        {
            Vector128<uint> a = Vector128.Load((uint*)source);
            Vector128<uint> b = Vector128.Load((uint*)source + 4);
            Vector128<uint> c = Vector128.Load((uint*)source + 8);
            Vector128<uint> d = Vector128.Load((uint*)source + 12);
            if (rotate)
                (a, b, c, d) = (RotateLeft(a), RotateLeft(b), RotateLeft(c), RotateLeft(d));
            StoreFour(a, b, c, d, planes + i, stride);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Split8(byte* source, int count, bool rotate, byte* planes, nint stride)
    {
        Vector128<ulong>* eight = stackalloc Vector128<ulong>[Eight];
        for (int i = 0; i < count; i += Unit, source += 8 * Unit)
        {
            for (int part = 0; part < Eight; part++)
            {
                Vector128<ulong> x = Vector128.Load((ulong*)source + (2 * part));
                eight[part] = rotate ? Vector128.ShiftLeft(x, 1) | Vector128.ShiftRightLogical(x, 63) : x;
            }

            StoreFour(Low(eight[0], eight[1]), Low(eight[2], eight[3]), Low(eight[4], eight[5]), Low(eight[6], eight[7]), planes + i, stride);
            StoreFour(High(eight[0], eight[1]), High(eight[2], eight[3]), High(eight[4], eight[5]), High(eight[6], eight[7]), planes + (4 * stride) + i, stride);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Merge2(byte* planes, nint stride, int count, bool rotate, byte* elements)
    {
        for (int i = 0; i < count; i += Unit, elements += 2 * Unit)
        {
            (Vector128<ushort> a, Vector128<ushort> b) = Zip(Vector128.Load(planes + i), Vector128.Load(planes + stride + i));
            if (rotate)
                (a, b) = (Vector128.ShiftRightLogical(a, 1) | Vector128.ShiftLeft(a, 15), Vector128.ShiftRightLogical(b, 1) | Vector128.ShiftLeft(b, 15));
            a.Store((ushort*)elements);
            b.Store((ushort*)elements + Eight);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Merge4(byte* planes, nint stride, int count, bool rotate, byte* elements)
    {
        for (int i = 0; i < count; i += Unit, elements += 4 * Unit)
        {
            LoadFour(planes + i, stride, out Vector128<uint> a, out Vector128<uint> b, out Vector128<uint> c, out Vector128<uint> d);
            if (rotate)
                (a, b, c, d) = (RotateRight(a), RotateRight(b), RotateRight(c), RotateRight(d));
            a.Store((uint*)elements);
            b.Store((uint*)elements + 4);
            c.Store((uint*)elements + 8);
            d.Store((uint*)elements + 12);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Merge8(byte* planes, nint stride, int count, bool rotate, byte* elements)
    {
        Vector128<uint>* low = stackalloc Vector128<uint>[4];
        Vector128<uint>* high = stackalloc Vector128<uint>[4];
        for (int i = 0; i < count; i += Unit, elements += 8 * Unit)
        {
            LoadFour(planes + i, stride, out low[0], out low[1], out low[2], out low[3]);
            LoadFour(planes + (4 * stride) + i, stride, out high[0], out high[1], out high[2], out high[3]);
            for (int part = 0; part < 4; part++)
            {
                (Vector128<ulong> a, Vector128<ulong> b) = Zip(low[part], high[part]);
                if (rotate)
                    (a, b) = (Vector128.ShiftRightLogical(a, 1) | Vector128.ShiftLeft(a, 63), Vector128.ShiftRightLogical(b, 1) | Vector128.ShiftLeft(b, 63));
                a.Store((ulong*)elements + (4 * part));
                b.Store((ulong*)elements + (4 * part) + 2);
            }
        }
    }

    // Sixteen elements of 4 bytes to four planes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFour(Vector128<uint> a, Vector128<uint> b, Vector128<uint> c, Vector128<uint> d, byte* planes, nint stride)
    {
        Vector128<ushort> low0 = Low(a, b);
        Vector128<ushort> low1 = Low(c, d);
        Vector128<ushort> high0 = High(a, b);
        Vector128<ushort> high1 = High(c, d);
        Low(low0, low1).Store(planes);
        High(low0, low1).Store(planes + stride);
        Low(high0, high1).Store(planes + (2 * stride));
        High(high0, high1).Store(planes + (3 * stride));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LoadFour(byte* planes, nint stride, out Vector128<uint> a, out Vector128<uint> b, out Vector128<uint> c, out Vector128<uint> d)
    {
        (Vector128<ushort> low0, Vector128<ushort> low1) = Zip(Vector128.Load(planes), Vector128.Load(planes + stride));
        (Vector128<ushort> high0, Vector128<ushort> high1) = Zip(Vector128.Load(planes + (2 * stride)), Vector128.Load(planes + (3 * stride)));
        (a, b) = Zip(low0, high0);
        (c, d) = Zip(low1, high1);
    }

    private static Vector128<uint> RotateLeft(Vector128<uint> x) => Vector128.ShiftLeft(x, 1) | Vector128.ShiftRightLogical(x, 31);

    private static Vector128<uint> RotateRight(Vector128<uint> x) => Vector128.ShiftRightLogical(x, 1) | Vector128.ShiftLeft(x, 31);

    private static Vector128<byte> Low(Vector128<ushort> a, Vector128<ushort> b) => Vector128.Narrow(a, b);

    private static Vector128<ushort> Low(Vector128<uint> a, Vector128<uint> b) => Vector128.Narrow(a, b);

    private static Vector128<uint> Low(Vector128<ulong> a, Vector128<ulong> b) => Vector128.Narrow(a, b);

    private static Vector128<byte> High(Vector128<ushort> a, Vector128<ushort> b) => Vector128.Narrow(Vector128.ShiftRightLogical(a, 8), Vector128.ShiftRightLogical(b, 8));

    private static Vector128<ushort> High(Vector128<uint> a, Vector128<uint> b) => Vector128.Narrow(Vector128.ShiftRightLogical(a, 16), Vector128.ShiftRightLogical(b, 16));

    private static Vector128<uint> High(Vector128<ulong> a, Vector128<ulong> b) => Vector128.Narrow(Vector128.ShiftRightLogical(a, 32), Vector128.ShiftRightLogical(b, 32));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<ushort> First, Vector128<ushort> Second) Zip(Vector128<byte> low, Vector128<byte> high) => Sse2.IsSupported
        ? (Sse2.UnpackLow(low, high).AsUInt16(), Sse2.UnpackHigh(low, high).AsUInt16())
        : (AdvSimd.Arm64.ZipLow(low, high).AsUInt16(), AdvSimd.Arm64.ZipHigh(low, high).AsUInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<uint> First, Vector128<uint> Second) Zip(Vector128<ushort> low, Vector128<ushort> high) => Sse2.IsSupported
        ? (Sse2.UnpackLow(low, high).AsUInt32(), Sse2.UnpackHigh(low, high).AsUInt32())
        : (AdvSimd.Arm64.ZipLow(low, high).AsUInt32(), AdvSimd.Arm64.ZipHigh(low, high).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<ulong> First, Vector128<ulong> Second) Zip(Vector128<uint> low, Vector128<uint> high) => Sse2.IsSupported
        ? (Sse2.UnpackLow(low, high).AsUInt64(), Sse2.UnpackHigh(low, high).AsUInt64())
        : (AdvSimd.Arm64.ZipLow(low, high).AsUInt64(), AdvSimd.Arm64.ZipHigh(low, high).AsUInt64());

    private static Vector128<byte> Load8(byte* source) => Vector128.CreateScalarUnsafe(*(ulong*)source).AsByte();

    private static byte[] BuildSpreads()
    {
        var table = new byte[256 * 16];
        table.AsSpan().Fill(255);
        for (int mask = 0; mask < 256; mask++)
        {
            byte next = 0;
            for (int place = 0; place < Eight; place++)
            {
                if (((mask >> place) & 1) != 0)
                    table[(mask * 16) + place] = next++;
            }
        }

        return table;
    }
}
