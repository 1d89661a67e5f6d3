using System.Runtime.InteropServices;

namespace NeuralCompression.Codec.Tests.Kernels;

/// <summary>Bytes between two pages that may not be touched: a read or write outside them ends the process. Plain memory where there is no mmap.</summary>
internal sealed unsafe class GuardedMemory : IDisposable
{
    private const int NoAccess = 0;
    private const int ReadWrite = 1 | 2;
    private const int PrivateAnonymous = 0x02 | 0x20;

    private readonly byte* mapping;
    private readonly nuint mapped;
    private readonly byte* start;
    private readonly int length;

    /// <summary>Length bytes that end at (or, if <paramref name="atStart"/>, begin after) a page that may not be touched.</summary>
    internal GuardedMemory(int length, bool atStart = false)
    {
        this.length = length;
        if (!IsGuarded)
        {
            mapping = (byte*)NativeMemory.Alloc((nuint)length);
            start = mapping;
            return;
        }

        nuint page = (nuint)Environment.SystemPageSize;
        nuint inner = (((nuint)length + page - 1) / page) * page;
        mapped = inner + (2 * page);
        mapping = (byte*)Map(null, mapped, ReadWrite, PrivateAnonymous, -1, 0);
        if (mapping == (byte*)-1 || Protect(mapping, page, NoAccess) != 0 || Protect(mapping + page + inner, page, NoAccess) != 0)
            throw new InvalidOperationException("Guard pages cannot be set up.");
        start = atStart ? mapping + page : mapping + page + inner - (nuint)length;
    }

    /// <summary>False where this system has no guard pages here; tests then say so.</summary>
    internal static bool IsGuarded => OperatingSystem.IsLinux();

    internal Span<byte> Span => new(start, length);

    public void Dispose()
    {
        if (IsGuarded)
            _ = Unmap(mapping, mapped);
        else
            NativeMemory.Free(mapping);
    }

    internal static GuardedMemory Copy(ReadOnlySpan<byte> bytes, bool atStart = false)
    {
        var memory = new GuardedMemory(bytes.Length, atStart);
        bytes.CopyTo(memory.Span);
        return memory;
    }

    [DllImport("libc", EntryPoint = "mmap")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern void* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", EntryPoint = "mprotect")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Protect(void* address, nuint length, int protection);

    [DllImport("libc", EntryPoint = "munmap")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Unmap(void* address, nuint length);
}
