namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Reads what <see cref="RansEncoder"/> wrote. Source: docs/format.md, section 5.3.</summary>
internal static class RansDecoder
{
    /// <summary>Decodes exactly as many symbols as the destination holds, each plus <paramref name="firstSymbol"/> modulo 256.</summary>
    /// <returns>The length of the stream in bytes; what follows it is the caller's.</returns>
    internal static int Decode(ReadOnlySpan<byte> stream, int alphabetSize, byte firstSymbol, Span<byte> symbols)
    {
        Span<byte> outputs = stackalloc byte[alphabetSize];
        SlotTable.FillOutputs(outputs, firstSymbol);
        Span<uint> states = stackalloc uint[RansReader.MaxLanes];
        var reader = new RansReader(stream, outputs, states);
        reader.Read(symbols);
        return reader.Finish();
    }
}
