using System.Runtime.InteropServices;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding.Grouping;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>Reads the 8-bit symbols of a tensor block by block, for the two codings that allow it.</summary>
internal ref struct SymbolReader
{
    /// <summary>Symbols in a block: a multiple of what both readers ask for, and 64 KiB once they are float32, so they are still in the second-level cache.</summary>
    internal const int BlockLength = 1 << 14;

    /// <summary>States a reader wants room for.</summary>
    internal const int StateCount = RansReader.MaxLanes;

    /// <summary>Bytes of tokens a reader wants room for.</summary>
    internal const int TokenBytes = GroupReader.TokenBlock;

    private readonly bool isGrouped;
    private readonly int payloadLength;
    private RansReader plain;
    private GroupReader grouped;

    /// <summary>Begins; the memory is the caller's, so that it can be on the stack: <see cref="StateCount"/> states and <see cref="TokenBytes"/> bytes.</summary>
    internal SymbolReader(Coding coding, ReadOnlySpan<byte> payload, int length, int min, int max, Span<uint> states, Span<byte> tokens)
    {
        payloadLength = payload.Length;
        isGrouped = coding == Coding.GroupedRans;
        if (isGrouped)
        {
            grouped = new GroupReader(payload, length, min, max - min + 1, states, tokens);
            return;
        }

        Span<byte> outputs = stackalloc byte[max - min + 1];
        SlotTable.FillOutputs(outputs, (byte)min);
        plain = new RansReader(payload, outputs, states);
    }

    /// <summary>True when a tensor's symbols can be read in blocks: at most 256 of them, all of 8 bits, coded by rANS.</summary>
    internal static bool Reads(Coding coding, int min, int max) =>
        coding is Coding.StaticRans or Coding.GroupedRans && SymbolRange.IsNarrow(min, max);

    /// <summary>Decodes the next symbols: <see cref="BlockLength"/> or a multiple, or the last of the tensor.</summary>
    internal void Read(Span<sbyte> symbols)
    {
        if (isGrouped)
            grouped.Read(symbols);
        else
            plain.Read(MemoryMarshal.AsBytes(symbols));
    }

    /// <summary>Checks that the payload ends here.</summary>
    internal readonly void Finish()
    {
        if (isGrouped)
            grouped.Finish();
        else if (plain.Finish() != payloadLength)
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data goes on after the last symbol.");
    }

    /// <summary>Frees what the reader rented.</summary>
    internal readonly void Dispose()
    {
        if (isGrouped)
            grouped.Dispose();
    }
}
