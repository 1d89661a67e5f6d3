namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>A text that is made block by block where it is needed, so that it never fills memory. The encoder asks for the last block first.</summary>
internal interface ITokenSource
{
    /// <summary>The table for the bytes that <see cref="Read"/> gives, from that of the tokens they stand for.</summary>
    public FrequencyTable TableFor(FrequencyTable tokens);

    /// <summary>Gives <paramref name="count"/> bytes from <paramref name="start"/> on: in the room, or where they are already.</summary>
    public ReadOnlySpan<byte> Read(int start, int count, byte[] room);
}

/// <summary>Bytes that stand for themselves minus the smallest, modulo 256: the table is laid out by byte, and nothing is subtracted or copied.</summary>
internal readonly ref struct ByteTokens(ReadOnlySpan<byte> text, byte first) : ITokenSource
{
    private readonly ReadOnlySpan<byte> text = text;

    public FrequencyTable TableFor(FrequencyTable tokens)
    {
        Span<byte> tokenOf = stackalloc byte[RansConstants.MaxAlphabet];
        for (int value = 0; value < tokenOf.Length; value++)
            tokenOf[value] = (byte)(value - first);
        return tokens.For(tokenOf);
    }

    public ReadOnlySpan<byte> Read(int start, int count, byte[] room) => text.Slice(start, count);
}
