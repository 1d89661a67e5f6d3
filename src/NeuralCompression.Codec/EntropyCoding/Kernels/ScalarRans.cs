using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>The definition of the coder: every other kernel must give the same bytes and symbols. Numbers in comments are the steps of docs/format.md, section 9.</summary>
internal static class ScalarRans
{
    /// <summary>Encodes symbols from the last to the first; words are written downwards from the end of <paramref name="words"/>.</summary>
    /// <remarks>The states go on from what they hold, <see cref="RansConstants.LowerBound"/> (E1) before the last symbol, so a text can be encoded in parts that start at lane 0.</remarks>
    /// <returns>The offset of the first word.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Encode(ReadOnlySpan<byte> symbols, FrequencyTable table, Span<uint> states, Span<byte> words)
    {
        ReadOnlySpan<ushort> frequencies = table.Frequencies;
        ReadOnlySpan<ushort> cumulative = table.Cumulative;
        int precision = table.PrecisionBits;
        int position = words.Length;
        int lane = symbols.Length % states.Length;
        for (int i = symbols.Length - 1; i >= 0; i--)                                               // E2
        {
            lane = lane == 0 ? states.Length - 1 : lane - 1;
            uint state = states[lane];
            uint frequency = frequencies[symbols[i]];
            if (state >= frequency << (RansConstants.StateBits - precision))                        // E3
            {
                position -= sizeof(ushort);
                BinaryPrimitives.WriteUInt16LittleEndian(words[position..], (ushort)state);
                state >>= RansConstants.WordBits;
            }

            states[lane] = ((state / frequency) << precision) + (state % frequency) + cumulative[symbols[i]];   // E4
        }

        return position;
    }

    /// <summary>Decodes symbols from the first to the last; the states go on from what they hold.</summary>
    /// <returns>The number of bytes of words read, or -1 when they end early.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Decode(ReadOnlySpan<byte> words, SlotTable table, Span<uint> states, Span<byte> symbols)
    {
        ReadOnlySpan<uint> slots = table.Slots;
        ReadOnlySpan<byte> slotSymbols = table.Symbols;
        int precision = table.PrecisionBits;
        uint mask = (1u << precision) - 1;
        int position = 0;
        int lane = 0;
        for (int i = 0; i < symbols.Length; i++)                                                    // D2
        {
            uint state = states[lane];
            uint slot = state & mask;                                                               // D3
            uint entry = slots[(int)slot];
            symbols[i] = slotSymbols[(int)slot];                                                    // D4
            state = ((entry & 0xFFFF) * (state >> precision)) + (entry >> 16);                      // D5
            if (state < RansConstants.LowerBound)                                                   // D6
            {
                if (words.Length - position < sizeof(ushort))
                    return -1;
                state = (state << RansConstants.WordBits) | BinaryPrimitives.ReadUInt16LittleEndian(words[position..]);
                position += sizeof(ushort);
            }

            states[lane] = state;
            if (++lane == states.Length)
                lane = 0;
        }

        return position;
    }
}
