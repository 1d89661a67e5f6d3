using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>A frequency table laid out for decoding: one entry for each of the 2^precision slots.</summary>
internal sealed class SlotTable
{
    /// <summary>The finest table whose entries fit in 32 bits: 12 bits of frequency, 12 of bias, 8 of symbol.</summary>
    internal const int MaxPackedPrecisionBits = 12;

    /// <summary>Bytes after the last symbol, so that a 32-bit load of any symbol stays inside.</summary>
    internal const int SymbolPadding = 3;

    // First bit of the bias in a packed entry.
    private const int BiasOffset = 8;

    private readonly uint[] slots;
    private readonly uint[] packed;
    private readonly byte[] symbols;

    /// <summary>Lays out a table; symbol s decodes to <paramref name="outputs"/>[s].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal SlotTable(FrequencyTable table, ReadOnlySpan<byte> outputs)
    {
        PrecisionBits = table.PrecisionBits;
        int size = 1 << PrecisionBits;
        slots = new uint[size];
        symbols = new byte[size + SymbolPadding];
        packed = PrecisionBits <= MaxPackedPrecisionBits ? new uint[size] : [];
        int slot = 0;
        for (int symbol = 0; symbol < table.AlphabetSize; symbol++)
        {
            uint frequency = table.Frequencies[symbol];
            byte output = outputs[symbol];
            Span<uint> wide = slots.AsSpan(slot, (int)frequency);
            for (int bias = 0; bias < wide.Length; bias++)
                wide[bias] = frequency | ((uint)bias << 16);
            symbols.AsSpan(slot, (int)frequency).Fill(output);
            if (packed.Length > 0)
            {
                FillPacked(packed.AsSpan(slot, (int)frequency), output);
            }

            slot += (int)frequency;
        }
    }

    internal int PrecisionBits { get; }

    /// <summary>Frequency in the low 16 bits, slot minus cumulative frequency in the high 16.</summary>
    internal ReadOnlySpan<uint> Slots => slots;

    /// <summary>The symbol of each slot, then <see cref="SymbolPadding"/> zeros.</summary>
    internal ReadOnlySpan<byte> Symbols => symbols;

    /// <summary>Symbol in the low 8 bits, slot minus cumulative frequency in the next 12, frequency in the high 12; empty above 12 bits of precision.</summary>
    internal ReadOnlySpan<uint> Packed => packed;

    /// <summary>The packed entries of one symbol; as many as its frequency, which is below 2^12, since at least two symbols are present.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void FillPacked(Span<uint> entries, byte output)
    {
        uint entry = ((uint)entries.Length << 20) | output;
        if (Vector256.IsHardwareAccelerated)
        {
            Vector256<uint> eight = Vector256.Create(entry) + (Vector256<uint>.Indices << BiasOffset);
            for (; entries.Length >= Vector256<uint>.Count; entries = entries[Vector256<uint>.Count..])
            {
                eight.CopyTo(entries);
                eight += Vector256.Create((uint)Vector256<uint>.Count << BiasOffset);
            }

            entry = eight[0];
        }

        foreach (ref uint slot in entries)
        {
            slot = entry;
            entry += 1 << BiasOffset;
        }
    }

    /// <summary>Symbol s decodes to s + <paramref name="firstSymbol"/>, modulo 256.</summary>
    internal static void FillOutputs(Span<byte> outputs, byte firstSymbol)
    {
        for (int symbol = 0; symbol < outputs.Length; symbol++)
            outputs[symbol] = (byte)(symbol + firstSymbol);
    }
}
