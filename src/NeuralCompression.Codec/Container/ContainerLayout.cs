namespace NeuralCompression.Codec.Container;

/// <summary>The numbers of the file layout; a test compares them with docs/format.md.</summary>
internal static class ContainerLayout
{
    /// <summary>Magic, version and flags; bytes.</summary>
    internal const int HeaderBytes = 6;

    internal const byte Version = 1;

    /// <summary>Required-feature bit 0: every payload starts at a multiple of <see cref="Alignment"/>.</summary>
    internal const byte AlignedFlag = 0x01;

    /// <summary>Required-feature bit 1: metadata follows the descriptors of the index.</summary>
    internal const byte MetadataFlag = 0x02;

    /// <summary>The feature bits this version knows.</summary>
    internal const byte KnownFlags = AlignedFlag | MetadataFlag;

    /// <summary>Bits a version may give a meaning a reader must know; this one knows <see cref="KnownFlags"/>.</summary>
    internal const byte FeatureMask = 0x3F;

    /// <summary>Bits that stay zero for ever.</summary>
    internal const byte ReservedMask = 0xC0;

    /// <summary>One cache line, and what AVX-512 loads like best; bytes.</summary>
    internal const int Alignment = 64;

    internal const int ChecksumBytes = 4;

    /// <summary>Longest variable-length integer: 64 bits, 7 in each byte.</summary>
    internal const int MaxVarIntBytes = 10;

    /// <summary>Names longer than this the writer refuses, since readers with default limits do.</summary>
    internal const int MaxNameBytes = 512;

    /// <summary>The most a segment decodes to; bytes. Large enough that a table of its own costs nothing, small enough to hold one per thread.</summary>
    internal const int SegmentBytes = 16 << 20;

    /// <summary>Bit 7 of a descriptor's first byte: a list of segments follows.</summary>
    internal const int SegmentedKind = 0x80;

    // Grid kinds in a descriptor's first byte, bits 4 to 6.
    internal const int GridNone = 0;
    internal const int GridUniform32 = 1;
    internal const int GridUniform64 = 2;
    internal const int GridPerChannel = 3;
    internal const int GridCodebook = 4;
    internal const int AliasKind = 7;

    /// <summary>No text starts with a byte above 0x7F that UTF-8 does not allow there; then "NCM".</summary>
    internal static ReadOnlySpan<byte> Magic => [0x8F, (byte)'N', (byte)'C', (byte)'M'];

    internal static long Align(long offset) => checked(offset + Alignment - 1) & -Alignment;
}
