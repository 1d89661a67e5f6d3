using System.Runtime.InteropServices;

namespace NeuralCompression.Benchmarks;

/// <summary>Zstandard's own library, where it is installed (Debian and Ubuntu: libzstd1).</summary>
internal static unsafe class NativeZstd
{
    private const string Library = "libzstd.so.1";

    internal static bool IsAvailable { get; } = NativeLibrary.TryLoad(Library, out _);

    internal static byte[] Compress(ReadOnlySpan<byte> text, int level)
    {
        var buffer = new byte[(int)ZSTD_compressBound((nuint)text.Length)];
        fixed (byte* input = text)
        fixed (byte* output = buffer)
            return buffer[..Checked(ZSTD_compress(output, (nuint)buffer.Length, input, (nuint)text.Length, level))];
    }

    internal static void Decompress(ReadOnlySpan<byte> packed, Span<byte> text)
    {
        fixed (byte* input = packed)
        fixed (byte* output = text)
        {
            if (Checked(ZSTD_decompress(output, (nuint)text.Length, input, (nuint)packed.Length)) != text.Length)
                throw new InvalidOperationException("libzstd gives another length back.");
        }
    }

    private static int Checked(nuint result) => ZSTD_isError(result) == 0 ? (int)result : throw new InvalidOperationException("libzstd reports an error.");

    [DllImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nuint ZSTD_compressBound(nuint size);

    [DllImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nuint ZSTD_compress(byte* output, nuint capacity, byte* input, nuint size, int level);

    [DllImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nuint ZSTD_decompress(byte* output, nuint capacity, byte* input, nuint size);

    [DllImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern uint ZSTD_isError(nuint result);
}
