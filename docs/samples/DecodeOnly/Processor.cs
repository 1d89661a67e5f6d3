using System.Runtime.Intrinsics.X86;

namespace DecodeOnly;

/// <summary>What the processor has, whatever the program was compiled for.</summary>
internal static class Processor
{
    // Leaf 7, register EBX, bit 5.
    internal static bool HasAvx2 => X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Ebx & (1 << 5)) != 0;
}
