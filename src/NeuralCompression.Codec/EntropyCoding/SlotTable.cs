namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>A frequency table laid out for decoding: one entry for each of the 2^precision slots.</summary>
internal sealed class SlotTable
{
    private readonly uint[] slots;
    private readonly byte[] symbols;

    /// <summary>Lays out a table; <paramref name="firstSymbol"/> is added to every symbol, modulo 256.</summary>
    internal SlotTable(FrequencyTable table, byte firstSymbol)
    {
        PrecisionBits = table.PrecisionBits;
        slots = new uint[1 << PrecisionBits];
        symbols = new byte[1 << PrecisionBits];
        int slot = 0;
        for (int symbol = 0; symbol < table.AlphabetSize; symbol++)
        {
            uint frequency = table.Frequencies[symbol];
            symbols.AsSpan(slot, (int)frequency).Fill((byte)(symbol + firstSymbol));
            for (uint bias = 0; bias < frequency; bias++)
                slots[slot++] = frequency | (bias << 16);
        }
    }

    internal int PrecisionBits { get; }

    /// <summary>Frequency in the low 16 bits, slot minus cumulative frequency in the high 16.</summary>
    internal ReadOnlySpan<uint> Slots => slots;

    /// <summary>The symbol of each slot.</summary>
    internal ReadOnlySpan<byte> Symbols => symbols;
}
