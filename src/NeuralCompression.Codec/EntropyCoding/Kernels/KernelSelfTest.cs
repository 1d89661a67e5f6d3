namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>Compares a kernel with the scalar code on one small text, in both directions, on the processor at hand; takes well under a millisecond.</summary>
/// <remarks>
/// For kernels that the tests have compared in an emulator only. Should a processor or a compiler of it differ, files are coded by the next narrower kernel instead of
/// wrongly. It is no proof: the text is short. The full comparison is in the tests and runs wherever such a processor runs them.
/// </remarks>
internal static class KernelSelfTest
{
    // Forty steps of 64 lanes and a tail.
    private const int Length = (40 * RansReader.MaxLanes) + 17;

    /// <summary>True when the kernel gives the bytes, states and symbols of the scalar code, for packed and wide tables, 32 and 64 lanes.</summary>
    internal static bool Agrees(EncodeSteps encode, DecodeSteps decode)
    {
        foreach (int precision in (ReadOnlySpan<int>)[SlotTable.MaxPackedPrecisionBits, RansConstants.MaxPrecisionBits])
        {
            // From one slot to almost half of them, so that every symbol position, shift and renormalisation pattern has its turn.
            ushort size = (ushort)(1 << precision);
            var table = new FrequencyTable([1, (ushort)(size / 16), (ushort)((size / 2) - 1), 0, (ushort)(size / 16), 3, (ushort)((size * 3 / 8) - 3)], precision);
            foreach (int lanes in (ReadOnlySpan<int>)[RansKernels.LaneUnit, RansReader.MaxLanes])
            {
                if (!Agrees(encode, decode, table, lanes))
                    return false;
            }
        }

        return true;
    }

    private static bool Agrees(EncodeSteps encode, DecodeSteps decode, FrequencyTable table, int lanes)
    {
        Span<byte> text = stackalloc byte[Length];
        uint random = 1;
        foreach (ref byte symbol in text)
        {
            // A linear congruential generator of full period; its high bits pick a symbol that is present.
            random = (random * 1_664_525) + 1_013_904_223;
            symbol = (byte)(random >> 29);
            if (symbol == table.AlphabetSize || table.Frequencies[symbol] == 0)
                symbol = 2;
        }

        var words = new byte[Length * sizeof(ushort)];
        var sameWords = new byte[words.Length];
        Span<uint> states = stackalloc uint[lanes];
        Span<uint> sameStates = stackalloc uint[lanes];
        int first = RansKernels.Encode(null, text, table, states, words);
        if (first != RansKernels.Encode(encode, text, table, sameStates, sameWords) || !states.SequenceEqual(sameStates)
            || !words.AsSpan(first).SequenceEqual(sameWords.AsSpan(first)))
            return false;

        Span<byte> outputs = stackalloc byte[table.AlphabetSize];
        SlotTable.FillOutputs(outputs, 0);
        Span<byte> decoded = stackalloc byte[Length];
        decoded.Clear();
        return RansKernels.Decode(decode, words.AsSpan(first), new SlotTable(table, outputs), states, decoded) == words.Length - first
            && decoded.SequenceEqual(text)
            && !states.ContainsAnyExcept(RansConstants.LowerBound);
    }
}
