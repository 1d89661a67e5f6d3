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

    /// <summary>Entries after the last one that filling may overwrite.</summary>
    internal const int Padding = 8;

    // First bits of a bias, and of a packed frequency.
    private const int WideBiasOffset = 16;
    private const int BiasOffset = 8;
    private const int FrequencyOffset = 20;

    private readonly uint[] slots;
    private readonly uint[] packed;
    private readonly byte[] symbols;

    /// <summary>Lays out a table; symbol s decodes to <paramref name="outputs"/>[s].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal SlotTable(FrequencyTable table, ReadOnlySpan<byte> outputs)
    {
        PrecisionBits = table.PrecisionBits;
        int size = 1 << PrecisionBits;
        slots = new uint[size + Padding];
        symbols = new byte[size + SymbolPadding];
        packed = PrecisionBits <= MaxPackedPrecisionBits ? new uint[size + Padding] : [];
        int slot = 0;
        for (int symbol = 0; symbol < table.AlphabetSize; symbol++)
        {
            int frequency = table.Frequencies[symbol];
            Ramp(slots.AsSpan(slot), frequency, (uint)frequency, 1 << WideBiasOffset);
            symbols.AsSpan(slot, frequency).Fill(outputs[symbol]);
            if (packed.Length > 0)
                FillPacked(packed.AsSpan(slot), frequency, outputs[symbol]);
            slot += frequency;
        }
    }

    internal int PrecisionBits { get; }

    /// <summary>Frequency in the low 16 bits, slot minus cumulative frequency in the high 16.</summary>
    internal ReadOnlySpan<uint> Slots => slots.AsSpan(0, slots.Length - Padding);

    /// <summary>The symbol of each slot, then <see cref="SymbolPadding"/> zeros.</summary>
    internal ReadOnlySpan<byte> Symbols => symbols;

    /// <summary>Symbol in the low 8 bits, slot minus cumulative frequency in the next 12, frequency in the high 12; empty above 12 bits of precision.</summary>
    internal ReadOnlySpan<uint> Packed => packed.AsSpan(0, Math.Max(packed.Length - Padding, 0));

    /// <summary>The packed entries of one symbol.</summary>
    /// <param name="entries">Begins with the symbol's; up to <see cref="Padding"/> entries behind those are overwritten, so symbols are laid out in order.</param>
    /// <param name="frequency">How many; below 2^12, since at least two symbols are present; may be 0.</param>
    /// <param name="output">What the symbol decodes to.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void FillPacked(Span<uint> entries, int frequency, byte output) => Ramp(entries, frequency, ((uint)frequency << FrequencyOffset) | output, 1 << BiasOffset);

    // Most symbols are rare: one store does for each, too long, into which the next symbol writes, and no branch depends on a frequency of up to eight.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Ramp(Span<uint> entries, int count, uint first, uint step)
    {
        Vector256<uint> eight = Vector256.Create(first) + (Vector256<uint>.Indices * step);
        eight.CopyTo(entries);
        for (int done = Vector256<uint>.Count; done < count; done += Vector256<uint>.Count)
        {
            eight += Vector256.Create(step * (uint)Vector256<uint>.Count);
            eight.CopyTo(entries[done..]);
        }
    }

    /// <summary>Symbol s decodes to s + <paramref name="firstSymbol"/>, modulo 256.</summary>
    internal static void FillOutputs(Span<byte> outputs, byte firstSymbol)
    {
        for (int symbol = 0; symbol < outputs.Length; symbol++)
            outputs[symbol] = (byte)(symbol + firstSymbol);
    }
}
