namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>Encodes whole steps (one symbol for every lane) from the end of a text whose length is a multiple of the lanes.</summary>
/// <param name="symbols">The text.</param>
/// <param name="table">Its table.</param>
/// <param name="states">The lanes, 32 or 64; updated.</param>
/// <param name="words">Words are written downwards from its end; what lies below the first word is undefined.</param>
/// <param name="first">The offset of the first word.</param>
/// <returns>How many symbols at the start of the text are still to be encoded: a multiple of the lanes.</returns>
internal delegate int EncodeSteps(ReadOnlySpan<byte> symbols, EncodeTable table, Span<uint> states, Span<byte> words, out int first);

/// <summary>Decodes whole steps while a full step of words, two bytes for every lane, is left.</summary>
/// <param name="words">The words.</param>
/// <param name="table">The table.</param>
/// <param name="states">The lanes, 32 or 64; updated.</param>
/// <param name="symbols">Receives the text.</param>
/// <param name="read">Bytes of words that were used.</param>
/// <returns>How many symbols were decoded: a multiple of the lanes.</returns>
internal delegate int DecodeSteps(ReadOnlySpan<byte> words, SlotTable table, Span<uint> states, Span<byte> symbols, out int read);

/// <summary>One implementation of the coder, for tests and benchmarks; the scalar one has no steps of its own.</summary>
internal sealed record RansKernel(string Name, bool IsSupported, EncodeSteps? Encode, DecodeSteps? Decode);
