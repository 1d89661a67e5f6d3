namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>A text that is made block by block where it is needed, so that it never fills memory. The encoder asks for the last block first.</summary>
internal interface ITokenSource
{
    /// <summary>Gives the tokens from <paramref name="start"/> on.</summary>
    public void Read(int start, scoped Span<byte> tokens);
}

/// <summary>Bytes minus the smallest, modulo 256.</summary>
internal readonly ref struct ByteTokens(ReadOnlySpan<byte> text, byte first) : ITokenSource
{
    private readonly ReadOnlySpan<byte> text = text;

    public void Read(int start, scoped Span<byte> tokens) => System.Numerics.Tensors.TensorPrimitives.Subtract(text.Slice(start, tokens.Length), first, tokens);
}
