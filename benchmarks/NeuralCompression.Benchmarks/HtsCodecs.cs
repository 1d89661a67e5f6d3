using System.Runtime.InteropServices;

namespace NeuralCompression.Benchmarks;

/// <summary>htscodecs, the fastest published rANS coder, where its shared library is installed (Debian and Ubuntu: libhtscodecs2).</summary>
internal static unsafe class HtsCodecs
{
    private const string Library = "libhtscodecs.so.2";

    /// <summary>32 interleaved states, order 0, kernel chosen by the processor.</summary>
    internal const int X32 = 0x04;

    /// <summary>The same, after packing up to four symbols of a small alphabet into a byte.</summary>
    internal const int X32Packed = 0x84;

    // Picks the encoder's and decoder's instruction set: bit 16 is "automatic".
    private const int Automatic = 1 << 16;

    internal static bool IsAvailable { get; } = NativeLibrary.TryLoad(Library, out _);

    internal static byte[] Compress(ReadOnlySpan<byte> text, int mode)
    {
        var buffer = new byte[rans_compress_bound_4x16((uint)text.Length, mode | Automatic)];
        return buffer[..Compress(text, mode, buffer)];
    }

    internal static int Compress(ReadOnlySpan<byte> text, int mode, Span<byte> buffer)
    {
        uint length = (uint)buffer.Length;
        fixed (byte* input = text)
        fixed (byte* output = buffer)
        {
            if (rans_compress_to_4x16(input, (uint)text.Length, output, &length, mode | Automatic) == null)
                throw new InvalidOperationException("htscodecs cannot compress this.");
        }

        return (int)length;
    }

    internal static void Decompress(ReadOnlySpan<byte> stream, Span<byte> text)
    {
        uint length = (uint)text.Length;
        fixed (byte* input = stream)
        fixed (byte* output = text)
        {
            if (rans_uncompress_to_4x16(input, (uint)stream.Length, output, &length) == null || length != text.Length)
                throw new InvalidOperationException("htscodecs cannot decompress this.");
        }
    }

    [DllImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern uint rans_compress_bound_4x16(uint size, int order);

    [DllImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern byte* rans_compress_to_4x16(byte* input, uint inputSize, byte* output, uint* outputSize, int order);

    [DllImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern byte* rans_uncompress_to_4x16(byte* input, uint inputSize, byte* output, uint* outputSize);
}
