namespace NeuralCompression.Codec.WeightCoding.Lossless.Kernels;

/// <summary>Splits a multiple of <see cref="PlaneKernels.Unit"/> elements of 2, 4 or 8 bytes into planes.</summary>
/// <param name="elements">The elements, little-endian.</param>
/// <param name="size">Bytes of an element.</param>
/// <param name="rotate">Rotate each left by one bit first.</param>
/// <param name="planes">Plane j begins at j times <paramref name="stride"/>.</param>
/// <param name="stride">Bytes from one plane to the next.</param>
internal delegate void SplitPlanes(ReadOnlySpan<byte> elements, int size, bool rotate, Span<byte> planes, int stride);

/// <summary>Undoes <see cref="SplitPlanes"/>.</summary>
internal delegate void MergePlanes(ReadOnlySpan<byte> planes, int stride, int size, bool rotate, Span<byte> elements);

/// <summary>Interleaves two texts as far as whole vectors go.</summary>
/// <returns>How many bytes were written; <paramref name="fromZeros"/> of them came from <paramref name="zeros"/>.</returns>
internal delegate int InterleavePlanes(ReadOnlySpan<byte> top, ReadOnlySpan<byte> zeros, ReadOnlySpan<byte> others, Span<byte> plane, out int fromZeros);

/// <summary>One implementation, for tests and benchmarks; the scalar one has no vectors.</summary>
internal sealed record PlaneKernel(string Name, bool IsSupported, SplitPlanes? Split, MergePlanes? Merge, InterleavePlanes? Interleave);

/// <summary>Which kernel runs: vectors for what fills them, the scalar code for the rest.</summary>
internal static class PlaneKernels
{
    /// <summary>Elements that a vector kernel takes at once: their bytes of one plane fill 128 bits.</summary>
    internal const int Unit = 16;

    /// <summary>Every kernel there is, narrowest first; not all run on this machine.</summary>
    internal static IReadOnlyList<PlaneKernel> All { get; } =
    [
        new("scalar", true, null, null, null),
        new("vector128", Vector128Planes.IsSupported, Vector128Planes.Split, Vector128Planes.Merge, Vector128Planes.Interleave),
    ];

    private static PlaneKernel Best { get; } = All.Last(kernel => kernel.IsSupported);

    /// <summary>Writes byte j of every element, rotated left by one bit if asked, to plane j.</summary>
    internal static void Split(ReadOnlySpan<byte> elements, int size, bool rotate, Span<byte> planes, int stride) => Split(Best, elements, size, rotate, planes, stride);

    /// <summary>Undoes <see cref="Split(ReadOnlySpan{byte}, int, bool, Span{byte}, int)"/>.</summary>
    internal static void Merge(ReadOnlySpan<byte> planes, int stride, int size, bool rotate, Span<byte> elements) => Merge(Best, planes, stride, size, rotate, elements);

    /// <summary>Takes the next byte of <paramref name="zeros"/> where <paramref name="top"/> is 0, else that of <paramref name="others"/>.</summary>
    internal static void Interleave(ReadOnlySpan<byte> top, ReadOnlySpan<byte> zeros, ReadOnlySpan<byte> others, Span<byte> plane) => Interleave(Best, top, zeros, others, plane);

    internal static void Split(PlaneKernel kernel, ReadOnlySpan<byte> elements, int size, bool rotate, Span<byte> planes, int stride)
    {
        int whole = kernel.Split is null || size == 1 ? 0 : elements.Length / size / Unit * Unit;
        if (whole > 0)
            kernel.Split!(elements[..(whole * size)], size, rotate, planes, stride);
        ScalarPlanes.Split(elements[(whole * size)..], size, rotate, planes[whole..], stride);
    }

    internal static void Merge(PlaneKernel kernel, ReadOnlySpan<byte> planes, int stride, int size, bool rotate, Span<byte> elements)
    {
        int whole = kernel.Merge is null || size == 1 ? 0 : elements.Length / size / Unit * Unit;
        if (whole > 0)
            kernel.Merge!(planes, stride, size, rotate, elements[..(whole * size)]);
        ScalarPlanes.Merge(planes[whole..], stride, size, rotate, elements[(whole * size)..]);
    }

    internal static void Interleave(PlaneKernel kernel, ReadOnlySpan<byte> top, ReadOnlySpan<byte> zeros, ReadOnlySpan<byte> others, Span<byte> plane)
    {
        int fromZeros = 0;
        int done = kernel.Interleave is null ? 0 : kernel.Interleave(top, zeros, others, plane, out fromZeros);
        ScalarPlanes.Interleave(top[done..], zeros[fromZeros..], others[(done - fromZeros)..], plane[done..]);
    }
}
